// The loss over lambda: two half axes, two curves, marks, and a crosshair with exact values.

const SVG = "http://www.w3.org/2000/svg";
const DECADES = [1, 1.1, 2, 10, 100, 1e3, 1e4, 1e5, 1e6];
const DECADES_NARROW = [1, 2, 1e2, 1e4, 1e6];

function draw(parent, name, attributes = {}, text) {
  const node = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  if (text !== undefined) node.textContent = text;
  parent.append(node);
  return node;
}

function tickText(scale) {
  const size = Math.abs(scale);
  const text = size >= 1000 ? `10${superscript(Math.log10(size))}` : String(size);
  return (scale < 0 ? "−" : "") + text;
}

/** Pixel geometry of a figure of this width; the slider below the curve uses the same left and right edges. */
function geometry(width) {
  const narrow = width < 560;
  const left = narrow ? 42 : 62;
  const right = narrow ? 14 : 18;
  return { narrow, width, left, right, inner: Math.max(width - left - right, 40), font: narrow ? 13 : 15 };
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

function drawCurve(svg, data, width) {
  const size = geometry(width);
  const height = size.narrow ? 250 : 320;
  const top = 14;
  const bottom = height - 48;
  const x = (scale) => size.left + ((toPosition(scale) + HALF) / (2 * HALF)) * size.inner;
  const { lowest, highest } = lossRange(data);
  const y = (loss) => {
    const power = Math.log10(Math.max(loss ?? 10 ** highest, 10 ** lowest));
    return bottom - ((Math.min(power, highest) - lowest) / (highest - lowest)) * (bottom - top);
  };
  svg.replaceChildren();
  svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
  svg.style.height = `${height}px`;
  if (data.ambiguous) drawHatch(svg);
  drawShades(svg, data, x, top, bottom);
  drawAxes(svg, size, x, y, { lowest, highest, top, bottom, height });
  drawLines(svg, data, x, y);
  drawMarks(svg, data, x, top, bottom);
  const crosshair = draw(svg, "line", { class: "crosshair", y1: top, y2: bottom, visibility: "hidden" });
  const cursor = draw(svg, "g", { class: "cursor", "data-testid": "lambda-cursor" });
  draw(cursor, "line", { y1: top, y2: bottom });
  const dot = draw(cursor, "circle", { r: 7 });
  return { x, y, size, crosshair, cursor, dot };
}

function lossRange(data) {
  const losses = [...data.paper_loss, ...data.scale_free_loss].filter((loss) => loss > 0 && Number.isFinite(loss));
  if (!losses.length) return { lowest: -1, highest: 1 };
  const powers = losses.map(Math.log10);
  const highest = Math.min(Math.ceil(powers.reduce((a, b) => Math.max(a, b))), 2);
  const lowest = Math.max(Math.floor(powers.reduce((a, b) => Math.min(a, b))), -18);
  return { lowest: Math.min(lowest, highest - 2), highest };
}

function drawShades(svg, data, x, top, bottom) {
  for (const [first, last] of runs(data.feasible)) {
    if (data.feasible[first]) continue;
    // A shade reaches half way to the next feasible point, and to the edge of its own half axis.
    const from = x(data.scales[Math.max(first - 1, 0)]);
    const to = x(data.scales[Math.min(last + 1, data.scales.length - 1)]);
    const start = first === 0 ? from : (from + x(data.scales[first])) / 2;
    const end = last === data.scales.length - 1 ? to : (to + x(data.scales[last])) / 2;
    draw(svg, "rect", { class: "infeasible", x: start, y: top, width: Math.max(end - start, 0), height: bottom - top });
  }
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

function drawMarks(svg, data, x, top, bottom) {
  for (const [low, high] of data.intervals) {
    // Even the narrowest interval must be seen: at least five pixels.
    const start = x(low);
    const length = Math.max(x(high) - start, 5);
    const left = start - (length === 5 ? 2.5 : 0);
    // Where the gradient leaves a choice, all of it is hatched; where it leaves none, a mark on the axis is enough.
    const box = data.ambiguous ? { y: top, height: bottom - top, class: "open" } : { y: bottom - 5, height: 10, class: "interval" };
    draw(svg, "rect", { ...box, x: left, width: length, "data-low": low, "data-high": high });
    if (data.ambiguous) draw(svg, "rect", { class: "interval", x: left, y: bottom - 5, width: length, height: 10 });
  }
  if (data.found_scale) draw(svg, "line", { class: "found", "data-testid": "found-scale", x1: x(data.found_scale), x2: x(data.found_scale), y1: top, y2: bottom });
  if (data.true_scale) draw(svg, "line", { class: "truth", "data-testid": "true-scale", x1: x(data.true_scale), x2: x(data.true_scale), y1: top - 8, y2: bottom });
  for (const scale of data.candidates) {
    const mark = draw(svg, "circle", { class: "candidate", cx: x(scale), cy: bottom, r: 6 });
    draw(mark, "title", {}, `candidate λ = ${readable(scale)}`);
  }
}

/** Pattern of everything that the gradient does not settle; the style sheet fills with it, here and in the bars. */
function drawHatch(svg) {
  const pattern = { id: "hatch", width: 7, height: 7, patternUnits: "userSpaceOnUse", patternTransform: "rotate(45)" };
  draw(draw(draw(svg, "defs"), "pattern", pattern), "line", { class: "hatch", x1: 0, y1: 0, x2: 0, y2: 7 });
}

/** Index of the curve's point nearest to a pixel. */
function nearestPoint(data, x, pixel) {
  let low = 0;
  let high = data.scales.length - 1;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (x(data.scales[middle]) < pixel) low = middle;
    else high = middle;
  }
  return pixel - x(data.scales[low]) < x(data.scales[high]) - pixel ? low : high;
}
