// The network as a row of boxes, the head on the left, with an arc for every skip: the one the film is at is filled.

const PITCH = 24;

/** Draw the plan; returns a function that marks the part a picture belongs to. */
function drawPlan(holder, data, choose) {
  const parts = data.plan;
  holder.hidden = parts.length === 0;
  const shape = (name, words) => {
    const made = document.createElementNS(SVG, name);
    for (const [word, value] of Object.entries(words)) made.setAttribute(word, value);
    return made;
  };
  const svg = shape("svg", { viewBox: `0 0 ${PITCH * parts.length} 30`, "aria-hidden": "true" }); // the picture's title says it
  svg.style.maxWidth = `${2 * PITCH * parts.length}px`;
  svg.append(shape("path", { class: "way", d: `M0 22H${PITCH * parts.length}` }));
  const boxes = parts.map((part, i) => {
    const left = PITCH * i;
    const group = shape("g", { class: "part" });
    const title = shape("title", {});
    title.textContent = part.title;
    group.append(title);
    if (part.skip) group.append(shape("path", { class: "skip", d: `M${left} 22C${left} 4 ${left + PITCH} 4 ${left + PITCH} 22` }));
    group.append(shape("rect", { x: left + 6, y: 16, width: PITCH - 12, height: 12, rx: 1.5 }));
    const first = data.frames.findIndex((frame) => frame.part === i);
    group.classList.toggle("shown", first >= 0);
    if (first >= 0) group.addEventListener("click", () => choose(first));
    svg.append(group);
    return group;
  });
  const ends = Object.assign(document.createElement("p"), { className: "ends" });
  for (const word of ["head", "picture"]) ends.append(Object.assign(document.createElement("span"), { textContent: word }));
  ends.style.maxWidth = svg.style.maxWidth;
  holder.replaceChildren(svg, ends);
  return (frame) => boxes.forEach((box, i) => box.classList.toggle("here", i === frame.part));
}
