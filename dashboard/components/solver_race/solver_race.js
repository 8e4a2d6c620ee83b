// Ties the race together: one state (evaluations so far), one redraw per animation frame, motion only while playing.

const PLAY = "M7 4v16l13-8z";
const PAUSE = "M7 5h3v14H7zM14 5h3v14h-3z";
const STEPS = 240;
const SECONDS = 16; // from the first evaluation to the last
const EASY_START = 20; // evaluations after which the clock turns from a steady one into a logarithmic one
const CALM_STEPS = 16; // for whoever asked for less motion: that many stills, a second each
const races = new WeakMap();

function createRace(root) {
  const part = (name) => root.querySelector(name);
  const race = {
    section: part(".race"), title: part(".finding"), caption: part(".caption"), picture: part(".curve"), choices: part(".racers"),
    range: part(".range"), play: part(".play"), glyph: part(".glyph"), clock: part(".clock"), table: part("table"),
    exactKey: part(".exact-key"), openKey: part(".open-key"), boundKey: part(".bound-key"),
    hidden: new Set(), racers: [], place: STEPS, frame: 0, since: null, data: null, fill: () => {},
  };
  race.range.max = STEPS;
  race.range.addEventListener("input", () => { pause(race); moveTo(race, Number(race.range.value)); });
  race.play.addEventListener("click", () => (race.since === null ? play(race) : pause(race)));
  race.section.addEventListener("keydown", (event) => onKey(race, event));
  race.observer = new ResizeObserver(() => layOut(race));
  race.observer.observe(race.section);
  return race;
}

/** The space bar plays from the slider too; arrows and ends also work from the button, as the slider has them itself. */
function onKey(race, event) {
  if (event.ctrlKey || event.altKey || event.metaKey) return;
  const [onSlider, onButton] = [event.target === race.range, race.play.contains(event.target)];
  const target = { ArrowLeft: race.place - 1, ArrowRight: race.place + 1, Home: 0, End: STEPS }[event.key];
  if (event.key === " " && onSlider) race.since === null ? play(race) : pause(race);
  else if (onButton && target !== undefined) { pause(race); moveTo(race, target); }
  else return;
  event.preventDefault();
}

/** Evaluations at a place of the slider. The clock speeds up steadily, so that six of them are seen beside 100,000. */
function evaluationsAt(race) {
  if (race.place >= STEPS) return race.longest;
  return EASY_START * ((1 + race.longest / EASY_START) ** (race.place / STEPS) - 1);
}

function moveTo(race, place) {
  race.place = Math.min(Math.max(place, 0), STEPS);
  race.range.value = Math.round(race.place);
  render(race);
}

function play(race) {
  if (race.place >= STEPS) race.place = 0;
  const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
  const begun = race.place;
  const tick = (now) => {
    race.since ??= now;
    const seconds = (now - race.since) / 1000;
    moveTo(race, begun + (calm ? Math.floor(seconds) * (STEPS / CALM_STEPS) : (seconds / SECONDS) * STEPS));
    if (race.place >= STEPS) pause(race);
    else race.frame = requestAnimationFrame(tick);
  };
  race.since = performance.now();
  race.smooth = !calm;
  race.frame = requestAnimationFrame(tick);
  drawButton(race);
}

function pause(race) {
  cancelAnimationFrame(race.frame);
  race.since = null;
  race.smooth = false;
  drawButton(race);
  render(race); // a still shows particles where they were evaluated, not half way
}

function drawButton(race) {
  race.glyph.setAttribute("d", race.since === null ? PLAY : PAUSE);
  race.play.setAttribute("aria-label", race.since === null ? "Play" : "Pause");
}

function render(race) {
  if (!race.data || !race.width) return;
  const evaluations = evaluationsAt(race);
  for (const { move } of race.racers) move(evaluations, race.smooth);
  race.fill(evaluations);
  const count = Math.floor(evaluations);
  const text = `${count.toLocaleString("en")} ${count === 1 ? "evaluation" : "evaluations"}`;
  race.clock.textContent = text;
  race.clock.dataset.evaluations = count;
  const states = race.data.tracks.map((track) => `${track.name} ${evaluations >= track.evaluations ? "ended" : "searching"}`);
  race.range.setAttribute("aria-valuetext", `${text}: ${states.join(", ")}`);
}

function layOut(race) {
  const width = Math.round(race.section.clientWidth);
  if (!width || !race.data || (width === race.width && race.drawn === race.data.signature)) return;
  race.width = width;
  race.drawn = race.data.signature;
  const view = drawLandscape(race.picture, race.data, width);
  // Ours last, and on top: the exact answer must not vanish under a swarm.
  race.racers = [...race.data.tracks].reverse().map((track) => ({ kind: track.kind, ...drawRacer(race.picture, track, view) }));
  for (const racer of race.racers) show(racer.group, !race.hidden.has(racer.kind));
  render(race);
}

function load(race, data) {
  race.data = data;
  race.title.textContent = data.title;
  race.caption.textContent = data.caption;
  race.picture.setAttribute("aria-label", `The solvers on the loss over lambda. ${data.title}`);
  race.exactKey.hidden = data.exact_scale === null || data.ambiguous;
  race.openKey.hidden = !data.ambiguous;
  race.boundKey.hidden = data.swarm_bound === null;
  race.longest = Math.max(...data.tracks.map((track) => track.evaluations), 2);
  race.fill = drawTable(race.table, data.tracks);
  drawChoices(race.choices, data.tracks, race.hidden, (kind, wanted) => {
    wanted ? race.hidden.delete(kind) : race.hidden.add(kind);
    for (const racer of race.racers) show(racer.group, !race.hidden.has(racer.kind));
  });
  pause(race);
  race.place = STEPS;
  race.range.value = STEPS;
  layOut(race);
}

export default function ({ data, parentElement }) {
  let race = races.get(parentElement);
  // Streamlit may replace the markup under the same parent; a race of the old markup is of no use then.
  if (!race || !race.section.isConnected) {
    if (race) { pause(race); race.observer.disconnect(); }
    race = createRace(parentElement);
    races.set(parentElement, race);
  }
  race.section.style.colorScheme = data.dark ? "dark" : "light";
  if (race.data?.signature !== data.signature) load(race, data);
  return () => {
    pause(race);
    race.observer.disconnect();
    races.delete(parentElement);
  };
}
