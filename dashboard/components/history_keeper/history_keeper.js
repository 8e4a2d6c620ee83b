// One entry in the browser's history for each thing the visitor did.
//
// Streamlit writes two where the page's own address follows an event: the menu leads to a page without a query, which
// comes a moment later; and a page that opens another one by itself writes the other's query into its own address first.
// The back button would then stop at addresses that nobody chose.
//
// And a page one comes back to is where one left it: a gallery of fourteen cards would else begin from its top each time.
// The next step of a lesson, on the other hand, begins at its top.

const CALM = 20; // frames without a redraw after which a page counts as drawn

/** Hold a page at a height while it is drawn again; any wish of the visitor's own ends it. */
function returnTo(top) {
  const wishes = ["wheel", "touchstart", "pointerdown", "keydown"];
  let left = false;
  let calm = 0;
  const leave = () => { left = true; };
  for (const kind of wishes) window.addEventListener(kind, leave, { capture: true, once: true });
  const step = () => {
    const main = document.querySelector("[data-testid=stMain]");
    const drawn = document.querySelector("[data-testid=stApp]")?.dataset.testScriptState === "notRunning";
    const fits = main && main.scrollHeight - main.clientHeight >= top;
    if (fits && main.scrollTop !== top) main.scrollTop = top;
    calm = drawn ? calm + 1 : 0;
    if (!left && calm < CALM) requestAnimationFrame(step);
    else for (const kind of wishes) window.removeEventListener(kind, leave, { capture: true });
  };
  requestAnimationFrame(step);
}

const stepIn = (url) => url.searchParams.get("step");

export default function () {
  if (window.gradinvKeepsHistory) return;
  window.gradinvKeepsHistory = true;
  const { history } = window;
  const push = history.pushState.bind(history);
  const replace = history.replaceState.bind(history);
  const places = new Map(); // page -> how far it was scrolled when it was left
  let shown = location.pathname;
  let top = 0; // how far the page was scrolled when the visitor last did something: the next page begins at its top
  let acted = false; // whether the visitor did something since the newest entry
  for (const kind of ["pointerdown", "keydown", "click", "input", "change", "drop"]) {
    window.addEventListener(kind, () => {
      acted = true;
      top = document.querySelector("[data-testid=stMain]")?.scrollTop ?? 0;
    }, true);
  }
  window.addEventListener("popstate", () => {
    acted = false;
    if (location.pathname !== shown && places.has(location.pathname)) returnTo(places.get(location.pathname));
    shown = location.pathname;
  }, true);

  history.pushState = (state, unused, url) => {
    const target = new URL(url ?? location.href, location.href);
    // The menu leads elsewhere without a query: the scenario comes along, so the address may say so at once.
    if (target.pathname !== location.pathname && !target.search) target.search = location.search;
    if (target.pathname !== shown) places.set(shown, top);
    else if (stepIn(target) !== stepIn(new URL(location.href))) returnTo(0);
    shown = target.pathname;
    (acted ? push : replace)(state, unused, target.href);
    acted = false;
  };
}
