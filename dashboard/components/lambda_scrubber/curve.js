// The loss over lambda: two half axes, two curves, marks, and a crosshair with exact values.

function drawCurve(svg, data, width) {
  const { size, x, y, edges } = layOutLoss(svg, data, width, { narrowHeight: 250, wideHeight: 320 });
  const { top, bottom } = edges;
  drawShades(svg, data, x, top, bottom);
  drawAxes(svg, size, x, y, edges);
  drawLines(svg, data, x, y);
  drawMarks(svg, data, x, top, bottom);
  const crosshair = draw(svg, "line", { class: "crosshair", y1: top, y2: bottom, visibility: "hidden" });
  const cursor = draw(svg, "g", { class: "cursor", "data-testid": "lambda-cursor" });
  draw(cursor, "line", { y1: top, y2: bottom });
  const dot = draw(cursor, "circle", { r: 7 });
  return { x, y, size, crosshair, cursor, dot };
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
