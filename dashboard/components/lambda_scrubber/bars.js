// The pseudo-label of one candidate: solid bars over the outlines of the true label.

const MOST_BARS = 24;
const FLOOR = -0.5;
const CEILING = 1.1;

function drawBars(svg, data, width) {
  const size = geometry(width);
  const height = size.narrow ? 230 : 270;
  const top = 12;
  const bottom = height - 40;
  const shown = relevantClasses(data, MOST_BARS);
  const hidden = data.u.length - shown.length;
  const slots = shown.length + (hidden ? (size.narrow ? 6 : 3) : 0);
  const pitch = size.inner / slots;
  const thick = Math.min(pitch * 0.66, 64);
  const y = (value) => bottom - ((Math.min(Math.max(value, FLOOR), CEILING) - FLOOR) / (CEILING - FLOOR)) * (bottom - top);
  const middle = (slot) => size.left + pitch * (slot + 0.5);
  svg.replaceChildren();
  svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
  svg.style.height = `${height}px`;
  drawBarAxis(svg, size, y, top, bottom);
  const bars = shown.map((index, slot) => {
    const left = middle(slot) - thick / 2;
    const rect = draw(svg, "rect", { class: "entry", x: left, width: thick, "data-class": index });
    const mark = draw(svg, "text", { class: "clipped", x: middle(slot), "text-anchor": "middle", "font-size": size.font });
    if (data.true_label) {
      const value = data.true_label[index];
      const box = { class: "outline", x: left - 2, y: y(value), width: thick + 4, height: Math.max(y(0) - y(value), 1), "data-true": value };
      draw(svg, "rect", box);
    }
    return { index, rect, mark };
  });
  drawClassNames(svg, data, size, shown, middle, pitch, bottom);
  const others = hidden ? drawOthers(svg, data, size, { middle: middle((shown.length + slots) / 2), thick, bottom, hidden }) : null;
  return { bars, others, y, shown: new Set(shown), middle, pitch };
}

function drawBarAxis(svg, size, y, top, bottom) {
  draw(svg, "rect", { class: "infeasible", x: size.left, y: top, width: size.inner, height: y(1) - top });
  draw(svg, "rect", { class: "infeasible", x: size.left, y: y(0), width: size.inner, height: bottom - y(0) });
  for (const value of [-0.5, 0, 0.5, 1]) {
    const line = { class: value === 0 ? "axis" : "hair", x1: size.left, x2: size.left + size.inner, y1: y(value), y2: y(value) };
    draw(svg, "line", line);
    const label = { x: size.left - 8, y: y(value) + 5, "text-anchor": "end", "font-size": size.font };
    draw(svg, "text", label, String(value).replace("-", "−"));
  }
}

function drawClassNames(svg, data, size, shown, middle, pitch, bottom) {
  const room = Math.max(Math.floor(pitch / (size.font * 0.52)), 1);
  // Names that do not fit would overlap; class numbers always say which is which, the hover says the name.
  const longest = Math.max(...shown.map((index) => data.class_names[index].length));
  const every = longest <= room ? 1 : Math.ceil(String(data.u.length).length / room);
  shown.forEach((index, slot) => {
    if (slot % every) return;
    const text = longest <= room ? data.class_names[index] : String(index);
    draw(svg, "text", { x: middle(slot), y: bottom + 20, "text-anchor": "middle", "font-size": size.font }, text);
  });
  const centre = size.left + (pitch * shown.length) / 2;
  const name = longest <= room ? "pseudo-label of this λ, class by class" : "pseudo-label of this λ, class number";
  draw(svg, "text", { x: centre, y: bottom + 38, "text-anchor": "middle", "font-size": size.font, class: "muted" }, name);
}

function drawOthers(svg, data, size, { middle, thick, bottom, hidden }) {
  const rect = draw(svg, "rect", { class: "others", "data-testid": "other-classes", x: middle - thick, width: thick * 2 });
  const words = { x: middle, "text-anchor": "middle", "font-size": size.font };
  draw(svg, "text", { ...words, y: bottom + 20 }, `${hidden} others`);
  // What so many classes share may be nearly all of the label, though none of them has a bar worth seeing.
  const total = draw(svg, "text", { ...words, y: bottom + 38, "data-testid": "other-classes-total" });
  return { rect, total, count: hidden };
}

/** Move every bar to the entries of a candidate; touches attributes only, so a frame costs well under a millisecond. */
function updateBars(view, entries) {
  const zero = view.y(0);
  for (const { index, rect, mark } of view.bars) {
    const value = entries[index];
    const edge = view.y(value);
    rect.setAttribute("y", Math.min(edge, zero));
    rect.setAttribute("height", Math.max(Math.abs(edge - zero), 1));
    rect.setAttribute("data-value", value);
    const beyond = value > CEILING ? "▲" : value < FLOOR ? "▼" : "";
    if (mark.textContent !== beyond) mark.textContent = beyond;
    if (beyond) mark.setAttribute("y", value > 0 ? view.y(CEILING) - 1 : view.y(FLOOR) - 4);
  }
  if (!view.others) return;
  const { rect, total, count } = view.others;
  const rest = entries.filter((_, i) => !view.shown.has(i));
  const highest = view.y(rest.reduce((a, b) => Math.max(a, b)));
  const lowest = view.y(rest.reduce((a, b) => Math.min(a, b)));
  const sum = rest.reduce((a, b) => a + b, 0);
  rect.setAttribute("y", highest);
  rect.setAttribute("height", Math.max(lowest - highest, 2));
  rect.setAttribute("data-value", sum / count);
  total.textContent = `together ${readable(sum, 2)}`;
}
