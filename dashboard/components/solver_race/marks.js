// The racers on the curve. Each draws itself once and returns a function that moves it to a number of evaluations.

/** Last frame reached by then, -1 before the first. */
function frameAt(counts, evaluations) {
  let found = -1;
  while (found + 1 < counts.length && counts[found + 1] <= evaluations) found += 1;
  return found;
}

const show = (node, visible) => node.setAttribute("visibility", visible ? "inherit" : "hidden");

function drawRacer(svg, track, view) {
  const group = draw(svg, "g", { "data-racer": track.kind, class: `racer ${track.kind}` });
  if (!track.path.length) return { group, move: () => {} };
  const painters = { swarm: drawSwarm, lbfgs: drawPath, scan: drawSweep, "closed-form": drawRoots };
  return { group, move: painters[track.kind](group, track, view) };
}

/** Particles between two frames glide while the film plays; a leader leads, and marks the end when the swarm rests. */
function drawSwarm(group, track, view) {
  const { x, y } = view;
  const places = track.path.map((scales, frame) => scales.map((scale, i) => [x(scale ?? 1), y(track.losses[frame][i])]));
  const most = Math.max(...places.map((frame) => frame.length));
  const particles = Array.from({ length: most }, (_, i) => draw(group, "circle", { r: i ? 3.5 : 5, class: i ? "particle" : "particle leader" }));
  const end = endMark(group, track, view);
  return (evaluations, smooth) => {
    const frame = Math.max(frameAt(track.counts, evaluations), 0);
    const next = Math.min(frame + 1, places.length - 1);
    // A leader may hand over to another particle: it jumps, and so does a swarm that begins anew.
    const glides = smooth && next > frame && track.moves[next] !== "restart";
    const share = glides ? Math.max(evaluations - track.counts[frame], 0) / (track.counts[next] - track.counts[frame]) : 0;
    particles.forEach((particle, i) => {
      const from = places[frame][i];
      const to = glides && i ? places[next][i] : from;
      particle.setAttribute("cx", (from[0] + share * (to[0] - from[0])).toFixed(1));
      particle.setAttribute("cy", (from[1] + share * (to[1] - from[1])).toFixed(1));
    });
    show(end, evaluations >= track.evaluations && track.end !== null);
  };
}

/** A path with a piece for every move: solid steps, dashed skips, a ring at every start. */
function drawPath(group, track, view) {
  const { x, y } = view;
  const places = track.path.map(([scale], i) => [x(scale ?? 1), y(track.losses[i][0])]);
  const pieces = places.map(([px, py], i) => {
    const move = track.moves[i];
    const about = `${move} to λ = ${readable(track.path[i][0], 5)}, loss ${readable(track.losses[i][0], 2)}`;
    const begins = i === 0 || move === "restart";
    const node = begins
      ? draw(group, "circle", { class: "ring", cx: px, cy: py, r: 6 })
      : draw(group, "path", { class: `move ${move}`, d: `M${places[i - 1].map((v) => v.toFixed(1)).join(" ")}L${px.toFixed(1)} ${py.toFixed(1)}` });
    node.setAttribute("data-move", move);
    draw(node, "title", {}, begins ? `${move} at λ = ${readable(track.path[i][0], 5)}` : about);
    const stop = draw(group, "circle", { class: "stop", cx: px, cy: py, r: 2.5 });
    return [node, stop];
  });
  const head = draw(group, "circle", { class: "head", r: 7 });
  const end = endMark(group, track, view);
  return (evaluations) => {
    const reached = Math.max(frameAt(track.counts, evaluations), 0);
    pieces.forEach((nodes, i) => { for (const node of nodes) show(node, i <= reached); });
    head.setAttribute("cx", places[reached][0]);
    head.setAttribute("cy", places[reached][1]);
    const over = evaluations >= track.evaluations;
    show(head, !over || track.end === null);
    show(end, over && track.end !== null);
  };
}

/** A sweep of ticks along the axis, then taller ones at the minima it refined, then a wedge at each answer left. */
function drawSweep(group, track, { x, y, bottom }) {
  const sweeps = track.path.map((scales, frame) => {
    const last = frame === track.path.length - 1 && track.end !== null;
    const fine = frame > 0 && track.moves[frame] !== "restart";
    const since = frame ? track.counts[frame - 1] : 0;
    return scales.map((scale, i) => {
      const place = x(scale ?? 1);
      // The grid is swept from left to right; everything after it appears at once.
      const at = fine ? track.counts[frame] : since + ((i + 1) / scales.length) * (track.counts[frame] - since);
      const wedge = { class: "wedge", d: `M${place} ${bottom - 1}l-6 13h12z` };
      const tick = { class: fine ? "tick fine" : "tick", x1: place, x2: place, y1: bottom - (fine ? 16 : 7), y2: bottom };
      const node = last ? draw(group, "path", wedge) : draw(group, "line", tick);
      draw(node, "title", {}, `${last ? "left over" : fine ? "refined minimum" : "tried"}: λ = ${readable(scale, 6)}`);
      return { node, at };
    });
  });
  const every = sweeps.flat();
  return (evaluations) => { for (const { node, at } of every) show(node, at <= evaluations); };
}

/** Hollow diamonds at the roots of the triples, full ones where they settle. */
function drawRoots(group, track, { x, y }) {
  const frames = track.path.map((scales, frame) =>
    scales.map((scale, i) => {
      const settled = frame === track.path.length - 1 && track.end !== null;
      const reach = settled ? 9 : 7;
      const place = `M${x(scale)} ${y(track.losses[frame][i]) - reach}l${reach} ${reach}l${-reach} ${reach}l${-reach} ${-reach}z`;
      const node = draw(group, "path", { class: settled ? "diamond settled" : "diamond", d: place });
      draw(node, "title", {}, `${settled ? "settled on" : "a triple's root:"} λ = ${readable(scale, 6)}`);
      return node;
    }),
  );
  return (evaluations) => {
    frames.forEach((nodes, frame) => { for (const node of nodes) show(node, track.counts[frame] <= evaluations); });
  };
}

/**
 * Where one of the paper's searches ended: a full dot when it stopped of its own accord, a cross when it gave up.
 * Both may end close together, so the one further right has its name on the right, the other one on the left.
 */
function endMark(group, track, { x, y, size, bottom, rightmost }) {
  const end = draw(group, "g", { class: "end", "data-tone": track.tone });
  if (track.end === null) return end;
  const [px, py] = [x(track.end), y(track.end_loss)];
  if (track.tone === "none") draw(end, "path", { d: `M${px - 6} ${py - 6}l12 12m0 -12l-12 12` });
  else draw(end, "circle", { cx: px, cy: py, r: 7 });
  const room = size.narrow ? 60 : 80;
  const right = track.kind === rightmost ? px < size.left + size.inner - room : px < size.left + room;
  const words = { class: "who", x: px + (right ? 13 : -13), y: Math.min(py + (track.kind === "lbfgs" ? -4 : 12), bottom - 20) };
  draw(end, "text", { ...words, "text-anchor": right ? "start" : "end", "font-size": size.font }, track.kind === "lbfgs" ? "L-BFGS" : "swarm");
  draw(end, "title", {}, `${track.name} ended at λ = ${readable(track.end, 6)}: ${track.verdict}`);
  return end;
}
