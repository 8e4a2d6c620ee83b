// The landscape the race runs in: two losses, the bounds, the exact answer. Nothing here moves.

function drawLandscape(svg, data, width) {
  const { size, x, y, edges } = layOutLoss(svg, data, width, { narrowHeight: 280, wideHeight: 360 });
  const { top, bottom } = edges;
  drawBounds(svg, data, x, size, top, bottom);
  drawOpenRanges(svg, data, x, top, bottom);
  drawAxes(svg, size, x, y, edges);
  drawLines(svg, { ...data, feasible: data.scales.map(() => true) }, x, y);
  if (data.exact_scale !== null && !data.ambiguous) {
    const place = x(data.exact_scale);
    const line = { class: "exact", "data-testid": "race-exact", x1: place, x2: place, y1: top, y2: bottom };
    draw(draw(svg, "line", line), "title", {}, `exact λ = ${readable(data.exact_scale, 6)}`);
  }
  const [lbfgs, swarm] = ["lbfgs", "swarm"].map((kind) => data.tracks.find((track) => track.kind === kind)?.end ?? -Infinity);
  return { x, y, size, bottom, rightmost: lbfgs >= swarm ? "lbfgs" : "swarm" };
}

/** Shades beyond each bound; where both searches stop, the two shades add up. */
function drawBounds(svg, data, x, size, top, bottom) {
  for (const [bound, who] of [[data.swarm_bound, "the swarm never looks here"], [data.lbfgs_bound, "L-BFGS gives up here"]]) {
    if (bound === null) continue;
    for (const side of [-1, 1]) {
      const from = Math.min(x(side * bound), x(side * LARGEST));
      const box = { class: "beyond", x: from, y: top, width: Math.abs(x(LARGEST) - x(bound)), height: bottom - top };
      draw(draw(svg, "rect", box), "title", {}, `|λ| > ${bound}: ${who}`);
    }
  }
  if (data.swarm_bound === null) return;
  // In words too, where there is room: a pale shade alone is easily missed on a projector.
  const words = size.narrow ? [] : [-1, 1];
  for (const side of words) {
    const middle = (x(side * data.lbfgs_bound) + x(side * LARGEST)) / 2;
    draw(svg, "text", { class: "muted", x: middle, y: top + 46, "text-anchor": "middle", "font-size": size.font }, "beyond the bounds");
  }
}

function drawOpenRanges(svg, data, x, top, bottom) {
  if (!data.ambiguous) return;
  for (const [low, high] of data.intervals) {
    const width = Math.max(x(high) - x(low), 5);
    draw(svg, "rect", { class: "open", x: x(low) - (width === 5 ? 2.5 : 0), y: top, width, height: bottom - top });
  }
}
