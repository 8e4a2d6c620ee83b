// A film of still pictures. One state (the frame shown); a timer only while playing.

const PLAY = "M7 4v16l13-8z";
const PAUSE = "M7 5h3v14H7zM14 5h3v14h-3z";
const players = new WeakMap();

function createPlayer(root) {
  const part = (name) => root.querySelector(name);
  const player = {
    section: part(".player"), title: part(".finding"), picture: part(".picture"), name: part(".name"), caption: part(".caption"),
    range: part(".range"), play: part(".play"), glyph: part(".glyph"), count: part(".count"), steps: root.querySelectorAll(".step"),
    shown: 0, timer: 0, data: null,
  };
  player.range.addEventListener("input", () => { pause(player); show(player, Number(player.range.value)); });
  player.play.addEventListener("click", () => (player.timer ? pause(player) : start(player)));
  for (const button of player.steps) {
    button.addEventListener("click", () => { pause(player); show(player, player.shown + Number(button.dataset.step)); });
  }
  return player;
}

function show(player, index) {
  const { frames } = player.data;
  player.shown = Math.min(Math.max(index, 0), frames.length - 1);
  const frame = frames[player.shown];
  player.picture.src = frame.source;
  player.picture.alt = frame.title;
  player.picture.dataset.frame = player.shown;
  player.name.textContent = frame.title;
  player.caption.textContent = frame.caption;
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

export default function ({ data, parentElement }) {
  let player = players.get(parentElement);
  // Streamlit may replace the markup under the same parent; a player of the old markup is of no use then.
  if (!player || !player.section.isConnected) {
    if (player) clearInterval(player.timer);
    player = createPlayer(parentElement);
    players.set(parentElement, player);
  }
  if (player.data?.signature !== data.signature) {
    player.data = data;
    player.title.textContent = data.title;
    player.range.max = data.frames.length - 1;
    player.play.disabled = data.frames.length < 2;
    pause(player);
    show(player, data.frames.length - 1);
  }
  return () => {
    clearInterval(player.timer);
    players.delete(parentElement);
  };
}
