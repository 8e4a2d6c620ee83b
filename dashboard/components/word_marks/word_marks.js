// Paints first uses, and says what they mean to whoever points at them.

const PAINTED = "gradinv-word"; // styled in page.css
const REST = 400; // milliseconds without a change after which the page is looked through again
const state = { words: {}, uses: [], note: null, timer: 0 };

function repaint() {
  state.uses = firstUses(state.words);
  CSS.highlights.set(PAINTED, new Highlight(...state.uses.map(({ range }) => range)));
}

function useAt(x, y) {
  return state.uses.find(({ range }) => range.startContainer.isConnected && [...range.getClientRects()].some(
    (box) => x >= box.left && x <= box.right && y >= box.top && y <= box.bottom,
  ));
}

function explainAt({ clientX, clientY, target }) {
  const use = target.closest?.(TEXTS) ? useAt(clientX, clientY) : undefined;
  state.note.hidden = !use;
  if (!use) return;
  state.note.textContent = `${use.term}: ${state.words[use.term]}`;
  const box = use.range.getBoundingClientRect();
  state.note.style.left = `${Math.max(Math.min(box.left, innerWidth - state.note.offsetWidth - 8), 8)}px`;
  const below = box.bottom + 6;
  const fits = below + state.note.offsetHeight < innerHeight;
  state.note.style.top = `${fits ? below : box.top - state.note.offsetHeight - 6}px`;
}

function begin() {
  state.note = document.createElement("div");
  state.note.className = "gradinv-note";
  state.note.role = "tooltip";
  state.note.hidden = true;
  (document.querySelector("[data-testid=stApp]") ?? document.body).append(state.note);
  const ask = () => {
    clearTimeout(state.timer);
    state.timer = setTimeout(repaint, REST);
  };
  new MutationObserver((changes) => {
    if (changes.some(({ target }) => target !== state.note)) ask();
  }).observe(document.body, { childList: true, characterData: true, subtree: true });
  document.addEventListener("pointermove", (event) => event.pointerType === "mouse" && explainAt(event));
  document.addEventListener("click", explainAt);
  document.addEventListener("scroll", () => { state.note.hidden = true; }, true);
  document.addEventListener("keydown", (event) => { if (event.key === "Escape") state.note.hidden = true; });
}

export default function ({ data }) {
  if (!window.Highlight || !CSS.highlights) return;
  state.words = data.words;
  if (!state.note?.isConnected) begin();
  state.timer = setTimeout(repaint, REST);
}
