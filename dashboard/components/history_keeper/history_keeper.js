// One entry in the browser's history for each thing the visitor did.
//
// Streamlit writes two where the page's own address follows an event: the menu leads to a page without a query, which
// comes a moment later; and a page that opens another one by itself writes the other's query into its own address first.
// The back button would then stop at addresses that nobody chose.

export default function () {
  if (window.gradinvKeepsHistory) return;
  window.gradinvKeepsHistory = true;
  const { history } = window;
  const push = history.pushState.bind(history);
  const replace = history.replaceState.bind(history);
  let acted = false; // whether the visitor did something since the newest entry
  for (const kind of ["pointerdown", "keydown", "click", "input", "change", "drop"]) {
    window.addEventListener(kind, () => { acted = true; }, true);
  }
  window.addEventListener("popstate", () => { acted = false; }, true);

  history.pushState = (state, unused, url) => {
    const target = new URL(url ?? location.href, location.href);
    // The menu leads elsewhere without a query: the scenario comes along, so the address may say so at once.
    if (target.pathname !== location.pathname && !target.search) target.search = location.search;
    (acted ? push : replace)(state, unused, target.href);
    acted = false;
  };
}
