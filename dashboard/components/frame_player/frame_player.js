// A film of still pictures. One state (the frame shown); a timer only while playing.

const PLAY = "M7 4v16l13-8z";
const PAUSE = "M7 5h3v14H7zM14 5h3v14h-3z";
const players = new WeakMap();

function createPlayer(root) {
  const part = (name) => root.querySelector(name);
  const player = {
    section: part(".player"), title: part(".finding"), picture: part(".picture"), name: part(".name"), caption: part(".caption"),
    range: part(".range"), play: part(".play"), glyph: part(".glyph"), count: part(".count"), steps: root.querySelectorAll(".step"),
    truth: part(".truth"), deviation: part(".deviation"), curves: part(".curves"), words: part(".words"), controls: part(".controls"),
    plan: part(".plan"), shown: 0, timer: 0, data: null, mark: () => {}, markPart: () => {},
  };
  player.range.addEventListener("input", () => { pause(player); show(player, Number(player.range.value)); });
  player.play.addEventListener("click", () => (player.timer ? pause(player) : start(player)));
  for (const button of player.steps) {
    button.addEventListener("click", () => { pause(player); show(player, player.shown + Number(button.dataset.step)); });
  }
  player.section.addEventListener("keydown", (event) => onKey(player, event));
  return player;
}

/** The space bar plays wherever the focus is; arrows and ends also work from the buttons, as the slider has them itself. */
function onKey(player, event) {
  if (player.data.live || event.ctrlKey || event.altKey || event.metaKey) return;
  const onButton = event.target.tagName === "BUTTON";
  const last = player.data.frames.length - 1;
  const target = { ArrowLeft: player.shown - 1, ArrowRight: player.shown + 1, Home: 0, End: last }[event.key];
  if (event.key === " " && !onButton) {
    player.timer ? pause(player) : start(player);
  } else if (onButton && target !== undefined) {
    pause(player);
    show(player, target);
  } else {
    return;
  }
  event.preventDefault();
}

function draw(figure, source, description) {
  figure.style.visibility = source ? "visible" : "hidden";
  const picture = figure.querySelector("img");
  if (source) picture.src = source;
  picture.alt = description;
}

function show(player, index) {
  const { frames, pictures, live } = player.data;
  player.shown = Math.min(Math.max(index, 0), frames.length - 1);
  const frame = frames[player.shown];
  player.picture.src = pictures[frame.source];
  player.picture.alt = frame.title;
  player.picture.dataset.frame = player.shown;
  draw(player.truth, pictures[frame.truth], `${frame.title}: what the client had`);
  draw(player.deviation, pictures[frame.deviation], `${frame.title}: error bars`);
  player.name.textContent = frame.title;
  player.name.title = frame.explanation;
  player.caption.textContent = frame.caption;
  player.markPart(frame);
  player.mark(live ? player.data.positions.length - 1 : player.shown);
  player.range.value = player.shown;
  player.range.setAttribute("aria-valuetext", `${player.shown + 1} of ${frames.length}: ${frame.title}`);
  player.count.textContent = `${player.shown + 1} / ${frames.length}`;
  player.steps[0].disabled = player.shown === 0;
  player.steps[1].disabled = player.shown === frames.length - 1;
}

function drawPlayButton(player) {
  player.glyph.setAttribute("d", player.timer ? PAUSE : PLAY);
  player.play.setAttribute("aria-label", player.timer ? "Pause" : "Play");
}

function start(player) {
  const last = player.data.frames.length - 1;
  if (last < 1) return;
  if (player.shown === last) show(player, 0);
  player.timer = setInterval(() => {
    show(player, player.shown + 1);
    if (player.shown >= last) pause(player);
  }, player.data.interval);
  drawPlayButton(player);
}

function pause(player) {
  clearInterval(player.timer);
  player.timer = 0;
  drawPlayButton(player);
}

/** Lay out for another film: the columns it needs, its curves, its length. */
function load(player, data) {
  player.data = data;
  player.title.textContent = data.title;
  player.truth.hidden = !data.frames.some((frame) => frame.truth >= 0);
  player.deviation.hidden = !data.frames.some((frame) => frame.deviation >= 0);
  const columns = 1 + !player.truth.hidden + !player.deviation.hidden;
  player.section.dataset.columns = columns;
  player.section.classList.toggle("with-curves", data.curves.length > 0);
  player.section.classList.toggle("live", data.live);
  // A screen reader is not told about every picture of a run that is still going on.
  player.words.setAttribute("aria-live", data.live ? "off" : "polite");
  player.controls.hidden = data.live;
  const choose = (index) => { if (!data.live) { pause(player); show(player, index); } };
  player.mark = drawCurves(player.curves, data, choose);
  player.markPart = drawPlan(player.plan, data, choose);
  player.range.max = data.frames.length - 1;
  player.play.disabled = data.frames.length < 2;
  pause(player);
  show(player, data.frames.length - 1);
}

export default function ({ data, parentElement }) {
  let player = players.get(parentElement);
  // Streamlit may replace the markup under the same parent; a player of the old markup is of no use then.
  if (!player || !player.section.isConnected) {
    if (player) clearInterval(player.timer);
    player = createPlayer(parentElement);
    players.set(parentElement, player);
  }
  if (player.data?.signature !== data.signature) load(player, data);
  return () => {
    clearInterval(player.timer);
    players.delete(parentElement);
  };
}
