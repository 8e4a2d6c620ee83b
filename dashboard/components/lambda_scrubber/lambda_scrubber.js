// Ties the figure together: one state (the candidate lambda), one redraw per animation frame.

const figures = new WeakMap();
const CLASS_EVENT = "gradinv-class"; // which class the pointer is on, in whichever figure: see class_links
const SIDEWAYS = 8; // pixels that a finger has to go to mean the curve, not the page

function createFigure(root) {
  const part = (name) => root.querySelector(name);
  const read = (name) => root.querySelector(`[data-testid=readout-${name}]`);
  const figure = {
    section: part(".scrubber"), title: part(".finding"), caption: part(".caption"), curve: part(".curve"), bars: part(".bars"),
    range: part(".range"), jump: part(".jump"), tooltips: root.querySelectorAll(".tooltip"),
    truthKey: part(".truth-key"), candidateKey: part(".candidate-key"), foundKey: part(".found-key"),
    seen: part(".seen"), image: part(".seen img"), seenText: part(".seen figcaption"),
    readout: ["scale", "scale-free", "paper", "smallest", "feasible"].map(read),
    scale: 1, data: null, frame: 0, dragging: false,
  };
  figure.range.min = -HALF;
  figure.range.max = HALF;
  figure.range.addEventListener("input", () => moveTo(figure, sliderScale(figure), false));
  figure.range.addEventListener("pointerdown", () => { figure.dragging = true; });
  for (const end of ["pointerup", "pointercancel"]) figure.range.addEventListener(end, () => { figure.dragging = false; });
  // A swipe that began on the slider and turned out to scroll the page must leave lambda as it was.
  figure.range.addEventListener("pointerdown", () => { figure.before = figure.scale; }, { capture: true });
  figure.range.addEventListener("pointercancel", () => moveTo(figure, figure.before, true));
  figure.jump.addEventListener("click", () => moveTo(figure, figure.data.found_scale, true));
  window.gradinvSlider = figure.range; // for those who come by keyboard, see access_keeper
  listenToCurve(figure);
  listenToBars(figure);
  figure.markClass = ({ detail }) => {
    for (const { index, rect } of figure.barsView?.bars ?? []) {
      rect.classList.toggle("marked", figure.data.class_names[index] === detail);
    }
  };
  document.addEventListener(CLASS_EVENT, figure.markClass);
  figure.observer = new ResizeObserver(() => layOut(figure));
  figure.observer.observe(figure.section);
  return figure;
}

function forget(figure) {
  figure.observer.disconnect();
  document.removeEventListener(CLASS_EVENT, figure.markClass);
}

/** The slider's lambda. Nothing lies between -1 and 1: a drag stops at the nearer edge, the keyboard steps across. */
function sliderScale(figure) {
  const position = Number(figure.range.value);
  if (Math.abs(position) >= GAP) return toScale(position);
  const atEdge = Math.abs(figure.scale) === 1 && !figure.dragging;
  const side = atEdge ? -figure.scale : position < 0 ? -1 : 1;
  figure.range.value = side * GAP;
  return side;
}

function moveTo(figure, scale, moveSlider) {
  figure.scale = scale;
  if (moveSlider) figure.range.value = toPosition(scale);
  if (!figure.frame) figure.frame = requestAnimationFrame(() => render(figure));
}

function layOut(figure) {
  const width = Math.round(figure.section.clientWidth);
  if (!width || !figure.data || (width === figure.width && figure.drawn === figure.data.signature)) return;
  figure.width = width;
  figure.drawn = figure.data.signature;
  figure.curveView = drawCurve(figure.curve, figure.data, width);
  figure.barsView = drawBars(figure.bars, figure.data, width);
  // The thumb is 28 pixels wide: its centre, not its edge, must stand under the cursor line.
  const { left, inner } = figure.curveView.size;
  figure.range.style.marginLeft = `${left - 14}px`;
  figure.range.style.width = `${inner + 28}px`;
  render(figure);
}

function render(figure) {
  figure.frame = 0;
  const { data, scale, curveView, barsView } = figure;
  if (!curveView) return;
  const label = pseudoLabel(scale, data);
  const pixel = curveView.x(scale);
  // The server judges with the gradient's own accuracy; its verdict on the nearest point of the curve stands here too.
  const valid = data.feasible[nearestPoint(data, curveView.x, pixel)];
  const fits = data.intervals.some(([low, high]) => low <= scale && scale <= high);
  curveView.cursor.firstChild.setAttribute("x1", pixel);
  curveView.cursor.firstChild.setAttribute("x2", pixel);
  curveView.dot.setAttribute("cx", pixel);
  curveView.dot.setAttribute("cy", curveView.y(label.scaleFreeLoss));
  curveView.cursor.setAttribute("data-scale", scale);
  updateBars(barsView, label.entries);
  updatePicture(figure);
  const atRecovered = scale === data.found_scale;
  const [scaleText, scaleFree, paper, smallest, feasible] = figure.readout;
  scaleText.textContent = readable(scale, 6);
  scaleFree.textContent = readable(label.scaleFreeLoss, 3);
  paper.textContent = readable(label.paperLoss, 3);
  smallest.textContent = readable(label.smallest, 3);
  feasible.textContent = valid ? "yes" : "no";
  figure.section.classList.toggle("not-a-label", !valid);
  figure.section.classList.toggle("not-settled", data.ambiguous && fits);
  figure.jump.disabled = data.found_scale === null || atRecovered;
  const spoken = `lambda ${readable(scale)}, scale-free loss ${readable(label.scaleFreeLoss, 2)}, `;
  figure.range.setAttribute("aria-valuetext", spoken + (valid ? "a valid label" : "not a valid label"));
}

/** Through bias-free layers lambda is a factor on the picture; one of the other sign leaves no pixel from 0 to 1. */
function updatePicture(figure) {
  const { data, scale } = figure;
  if (!data.picture) return;
  const factor = scale / data.found_scale;
  const there = factor > 0;
  figure.image.style.filter = `brightness(${Math.max(factor, 0)})`;
  const how = Math.abs(factor - 1) < 0.005 ? "as it was" : `${readable(factor, 3)} times as bright`;
  figure.seenText.textContent = there ? `With this λ the server would see the picture ${how}.`
    : "With this λ there is no picture: its pixels would lie below 0.";
}

function showTooltip(tooltip, svg, pixel, text) {
  tooltip.textContent = text;
  tooltip.hidden = false;
  const room = svg.clientWidth - tooltip.offsetWidth - 4;
  const beside = pixel + 14 > room ? pixel - tooltip.offsetWidth - 14 : pixel + 14;
  tooltip.style.left = `${Math.max(Math.min(beside, room), 0)}px`;
}

function listenToCurve(figure) {
  const [tooltip] = figure.tooltips;
  const svg = figure.curve;
  const pixelOf = (event) => event.clientX - svg.getBoundingClientRect().left;
  const scrub = (event) => {
    const { size } = figure.curveView;
    moveTo(figure, toScale(((pixelOf(event) - size.left) / size.inner) * 2 * HALF - HALF), true);
  };
  // A finger on the curve may be about to scroll the page: it moves lambda once it goes sideways, or on a tap.
  const touch = { start: 0, scrubbing: false };
  svg.addEventListener("pointerdown", (event) => {
    svg.setPointerCapture(event.pointerId);
    figure.before = figure.scale;
    Object.assign(touch, { start: event.clientX, scrubbing: event.pointerType !== "touch" });
    if (touch.scrubbing) scrub(event);
  });
  svg.addEventListener("pointerup", (event) => {
    if (svg.hasPointerCapture(event.pointerId) && !touch.scrubbing) scrub(event);
  });
  svg.addEventListener("pointercancel", () => moveTo(figure, figure.before, true));
  svg.addEventListener("pointermove", (event) => {
    if (!figure.curveView) return;
    touch.scrubbing ||= Math.abs(event.clientX - touch.start) > SIDEWAYS;
    if (svg.hasPointerCapture(event.pointerId) && touch.scrubbing) scrub(event);
    const { data, curveView } = figure;
    const i = nearestPoint(data, curveView.x, pixelOf(event));
    const pixel = curveView.x(data.scales[i]);
    curveView.crosshair.setAttribute("x1", pixel);
    curveView.crosshair.setAttribute("x2", pixel);
    curveView.crosshair.setAttribute("visibility", "visible");
    const lines = [
      `λ = ${readable(data.scales[i], 7)}`,
      `scale-free loss ${readable(data.scale_free_loss[i], 4)}`,
      `paper's loss ${readable(data.paper_loss[i], 4)}`,
      data.feasible[i] ? "a valid label" : "not a valid label",
    ];
    showTooltip(tooltip, svg, pixel, lines.join("\n"));
  });
  svg.addEventListener("pointerleave", () => {
    tooltip.hidden = true;
    figure.curveView?.crosshair.setAttribute("visibility", "hidden");
  });
}

function tellClass(name) {
  document.dispatchEvent(new CustomEvent(CLASS_EVENT, { detail: name }));
}

function listenToBars(figure) {
  const tooltip = figure.tooltips[1];
  const svg = figure.bars;
  svg.addEventListener("pointermove", (event) => {
    if (!figure.barsView) return;
    const pixel = event.clientX - svg.getBoundingClientRect().left;
    const { bars, others, middle, pitch } = figure.barsView;
    const slot = Math.round((pixel - middle(0)) / pitch);
    const bar = bars[slot];
    tellClass(bar ? figure.data.class_names[bar.index] : null);
    if (!bar && !(others && slot >= bars.length)) {
      tooltip.hidden = true;
      return;
    }
    if (!bar) {
      showTooltip(tooltip, svg, pixel, `all other classes\nmean entry ${readable(Number(others.rect.dataset.value), 7)}`);
      return;
    }
    const lines = [figure.data.class_names[bar.index], `entry ${readable(Number(bar.rect.dataset.value), 7)}`];
    if (figure.data.true_label) lines.push(`truth ${readable(figure.data.true_label[bar.index], 7)}`);
    showTooltip(tooltip, svg, pixel, lines.join("\n"));
  });
  svg.addEventListener("pointerleave", () => {
    tooltip.hidden = true;
    tellClass(null);
  });
}

export default function ({ data, parentElement }) {
  let figure = figures.get(parentElement);
  // Streamlit may replace the markup under the same parent; a figure of the old markup is of no use then.
  if (!figure || !figure.section.isConnected) {
    if (figure) forget(figure);
    figure = createFigure(parentElement);
    figures.set(parentElement, figure);
  }
  if (figure.data?.signature !== data.signature) {
    figure.data = data;
    figure.title.textContent = data.title;
    figure.caption.textContent = data.caption;
    figure.curve.setAttribute("aria-label", `Loss over lambda. ${data.title}`);
    figure.seen.hidden = !data.picture;
    if (data.picture) figure.image.src = data.picture;
    figure.truthKey.hidden = data.true_scale === null;
    figure.candidateKey.hidden = !data.candidates.length;
    figure.section.classList.toggle("ambiguous", data.ambiguous);
    figure.foundKey.textContent = data.ambiguous ? "best guess" : "recovered λ";
    figure.jump.textContent = data.ambiguous ? "Jump to best guess" : "Jump to recovered";
    figure.scale = data.found_scale ?? 1;
    figure.range.value = toPosition(figure.scale);
    layOut(figure);
  }
  return () => {
    cancelAnimationFrame(figure.frame);
    forget(figure);
    figures.delete(parentElement);
  };
}
