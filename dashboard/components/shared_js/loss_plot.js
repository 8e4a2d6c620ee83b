// The loss over lambda as every figure draws it: axes, two curves, the hatch of what is open.

const SVG = "http://www.w3.org/2000/svg";

function draw(parent, name, attributes = {}, text) {
  const node = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  if (text !== undefined) node.textContent = text;
  parent.append(node);
  return node;
}

/** Neighbouring points with equal `flag`, as [first, last] index pairs. */
function runs(flags) {
  const found = [];
  flags.forEach((flag, i) => {
    if (i && flag === flags[i - 1]) found[found.length - 1][1] = i;
    else found.push([i, i]);
  });
  return found;
}

function lossRange(data) {
  const losses = [...data.paper_loss, ...data.scale_free_loss].filter((loss) => loss > 0 && Number.isFinite(loss));
  if (!losses.length) return { lowest: -1, highest: 1 };
  const powers = losses.map(Math.log10);
  const highest = Math.min(Math.ceil(powers.reduce((a, b) => Math.max(a, b))), 2);
  const lowest = Math.max(Math.floor(powers.reduce((a, b) => Math.min(a, b))), -18);
  return { lowest: Math.min(lowest, highest - 2), highest };
}

/** Pixel height of a loss, on powers of ten; whatever lies outside the range sits on its edge. */
function lossHeight({ lowest, highest }, top, bottom) {
  return (loss) => {
    const power = Math.log10(Math.max(loss ?? 10 ** highest, 10 ** lowest));
    return bottom - ((Math.min(power, highest) - lowest) / (highest - lowest)) * (bottom - top);
  };
}

/** An empty figure over lambda, sized for this width: its scales, its edges, and the hatch if anything is open. */
function layOutLoss(svg, data, width, { narrowHeight, wideHeight }) {
  const size = geometry(width);
  const height = size.narrow ? narrowHeight : wideHeight;
  const [top, bottom] = [14, height - 48];
  const range = lossRange(data);
  svg.replaceChildren();
  svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
  svg.style.height = `${height}px`;
  if (data.ambiguous) drawHatch(svg);
  return { size, x: lambdaPixel(size), y: lossHeight(range, top, bottom), edges: { ...range, top, bottom, height } };
}

function drawAxes(svg, size, x, y, { lowest, highest, top, bottom, height }) {
  const step = Math.max(Math.ceil((highest - lowest) / (size.narrow ? 4 : 6)), 1);
  for (let power = highest; power > lowest + step / 2; power -= step) {
    draw(svg, "line", { class: "hair", x1: size.left, x2: size.left + size.inner, y1: y(10 ** power), y2: y(10 ** power) });
    const label = { x: size.left - 8, y: y(10 ** power) + 5, "text-anchor": "end", "font-size": size.font };
    draw(svg, "text", label, `10${superscript(power)}`);
  }
  const decades = size.narrow ? DECADES_NARROW : DECADES;
  for (const scale of [...decades.map((value) => -value), ...decades]) {
    // The two ends of the gap sit side by side: one shared label serves both.
    draw(svg, "line", { class: "axis", x1: x(scale), x2: x(scale), y1: bottom, y2: bottom + 5 });
    if (Math.abs(scale) === 1) continue;
    const label = { x: x(scale), y: bottom + 22, "text-anchor": "middle", "font-size": size.font };
    draw(svg, "text", label, tickText(scale));
  }
  const centre = (x(-1) + x(1)) / 2;
  draw(svg, "text", { x: centre, y: bottom + 22, "text-anchor": "middle", "font-size": size.font }, "±1");
  for (const side of [-1, 1]) {
    draw(svg, "line", { class: "axis", x1: x(side * LARGEST), x2: x(side), y1: bottom, y2: bottom });
  }
  const name = { x: centre, y: height - 6, "text-anchor": "middle", "font-size": size.font, class: "muted" };
  draw(svg, "text", name, size.narrow ? "candidate λ" : "candidate λ (logarithmic, never between −1 and 1)");
  draw(svg, "text", { x: size.left - 8, y: bottom + 5, "text-anchor": "end", "font-size": size.font, class: "muted" }, "loss");
}

function drawLines(svg, data, x, y) {
  for (const [name, losses] of [["paper", data.paper_loss], ["scale-free", data.scale_free_loss]]) {
    const signs = data.scales.map((scale) => scale < 0);
    for (const [first, last] of runs(signs)) {
      const path = (from, to) => {
        let text = "";
        for (let i = from; i <= to; i += 1) text += `${i === from ? "M" : "L"}${x(data.scales[i]).toFixed(2)} ${y(losses[i]).toFixed(2)}`;
        return text;
      };
      draw(svg, "path", { class: `${name} faint`, d: path(first, last) });
      for (const [from, to] of runs(data.feasible.slice(first, last + 1))) {
        if (data.feasible[first + from]) draw(svg, "path", { class: name, d: path(first + from, first + to) });
      }
    }
  }
}

/** Pattern of everything that the gradient does not settle; the style sheet fills with it, here and in the bars. */
function drawHatch(svg) {
  const pattern = { id: "hatch", width: 7, height: 7, patternUnits: "userSpaceOnUse", patternTransform: "rotate(45)" };
  draw(draw(draw(svg, "defs"), "pattern", pattern), "line", { class: "hatch", x1: 0, y1: 0, x2: 0, y2: 7 });
}
