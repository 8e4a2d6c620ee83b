// Which class the pointer is on, told to all figures: the event "gradinv-class" carries its name, or null.
//
// The figure over lambda, which is not Plotly's, tells and hears the same event.
// Marks are laid over Plotly's figures and let the pointer through, so nothing is drawn again and nothing flickers.

const EVENT = "gradinv-class";
const FIGURES = "[data-testid=stMain] .js-plotly-plot";

const tell = (name) => document.dispatchEvent(new CustomEvent(EVENT, { detail: name }));

/** The axis that has classes on it, and their names in its order; null for a figure of something else. */
function classAxis(figure) {
  const { xaxis, yaxis } = figure._fullLayout ?? {};
  const trace = figure.data?.[0];
  if (trace?.type === "heatmap") return { axis: yaxis, across: false, names: Array.from(trace.y ?? []) };
  if (trace?.type === "bar" && xaxis?.ticktext) return { axis: xaxis, across: true, names: [...xaxis.ticktext] };
  return null;
}

function nameAt(figure, point) {
  const found = classAxis(figure);
  if (!found) return null;
  return found.across ? found.names[Math.round(point.x)] : point.y;
}

function mark(figure, name) {
  const found = classAxis(figure);
  const place = found && name !== null ? found.names.map(String).indexOf(String(name)) : -1;
  let box = figure.querySelector(":scope > .gradinv-class-mark");
  if (place < 0) {
    box?.remove();
    return;
  }
  if (!box) {
    box = document.createElement("div");
    box.className = "gradinv-class-mark";
    figure.style.position = "relative";
    figure.append(box);
  }
  const { axis, across } = found;
  const size = figure._fullLayout._size;
  const ends = [place - 0.5, place + 0.5].map((end) => axis.l2p(end) + axis._offset).sort((a, b) => a - b);
  const along = [`${ends[0]}px`, `${ends[1] - ends[0]}px`];
  const [left, width] = across ? along : [`${size.l}px`, `${size.w}px`];
  const [top, height] = across ? [`${size.t}px`, `${size.h}px`] : along;
  Object.assign(box.style, { left, width, top, height });
}

function listen(figure) {
  if (figure.gradinvLinked || !figure.on) return;
  figure.gradinvLinked = true;
  figure.on("plotly_hover", ({ points }) => tell(nameAt(figure, points[0])));
  figure.on("plotly_unhover", () => tell(null));
}

export default function () {
  if (window.gradinvLinksClasses) return;
  window.gradinvLinksClasses = true;
  document.addEventListener(EVENT, ({ detail }) => {
    for (const figure of document.querySelectorAll(FIGURES)) mark(figure, detail);
  });
  // A figure is there before Plotly has made it one: it is met when the pointer first comes to it.
  document.addEventListener("pointerover", ({ target }) => {
    const figure = target.closest?.(FIGURES);
    if (figure) listen(figure);
  }, true);
}
