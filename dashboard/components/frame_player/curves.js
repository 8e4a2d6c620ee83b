// Small curves beside the film: a line, a marker at the picture shown, and the value there in words.

const SVG = "http://www.w3.org/2000/svg";

/** Places from 0 (left) to 1 (right). */
function places(positions) {
  const low = Math.min(...positions);
  const span = Math.max(...positions) - low || 1;
  return positions.map((position) => (position - low) / span);
}

/** The line in a box of 100 by 100, with a gap wherever a value is missing. Steps back in time are not drawn. */
function linePath(xs, heights) {
  let text = "";
  let pen = false;
  let furthest = -1;
  heights.forEach((height, i) => {
    if (height === null || xs[i] < furthest) { pen = pen && height !== null; return; }
    text += `${pen ? "L" : "M"}${(100 * xs[i]).toFixed(2)} ${(100 - 100 * height).toFixed(2)}`;
    pen = true;
    furthest = xs[i];
  });
  return text;
}

/** Draw every curve; returns a function that moves the markers to a point of the curves. */
function drawCurves(holder, data, choose) {
  const xs = places(data.positions);
  const views = data.curves.map((curve) => {
    const figure = Object.assign(document.createElement("figure"), { className: "curve", title: curve.explanation });
    figure.dataset.testid = "frame-curve";
    figure.dataset.curve = curve.name;
    figure.classList.toggle("true-curve", curve.truth);
    const caption = document.createElement("figcaption");
    const value = document.createElement("output");
    caption.append(Object.assign(document.createElement("span"), { textContent: curve.name }), value);
    const plot = Object.assign(document.createElement("div"), { className: "plot" });
    const svg = document.createElementNS(SVG, "svg");
    svg.setAttribute("viewBox", "0 0 100 100");
    svg.setAttribute("preserveAspectRatio", "none");
    svg.setAttribute("aria-hidden", "true");
    const line = document.createElementNS(SVG, "path");
    line.setAttribute("d", linePath(xs, curve.heights));
    svg.append(line);
    const marker = Object.assign(document.createElement("i"), { className: "marker" });
    plot.append(svg, marker);
    plot.addEventListener("click", (event) => { // not when a finger comes down: it may be about to scroll the page
      const box = plot.getBoundingClientRect();
      const share = (event.clientX - box.left) / box.width;
      choose(xs.reduce((best, x, i) => (Math.abs(x - share) < Math.abs(xs[best] - share) ? i : best), 0));
    });
    figure.append(caption, plot);
    return { figure, curve, marker, value };
  });
  const axis = Object.assign(document.createElement("p"), { className: "axis", textContent: data.curves.length ? data.axis : "" });
  holder.replaceChildren(...views.map((view) => view.figure), axis);
  return (index) => {
    for (const { curve, marker, value } of views) {
      const height = curve.heights[index] ?? null;
      value.textContent = curve.texts[index] ?? "";
      marker.hidden = height === null;
      marker.style.left = `${100 * (xs[index] ?? 0)}%`;
      marker.style.top = `${100 - 100 * (height ?? 0)}%`;
    }
  };
}
