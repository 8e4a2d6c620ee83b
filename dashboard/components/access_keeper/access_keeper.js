// What Streamlit leaves out for those who do not use a mouse, put right as it is drawn.
//
// A button that explains a text is called "Help" and nothing else: with a screen reader a page has ten of one name.
// A link to the slider over lambda is the keyboard's first stop (see skip_link.js).
// A formula that is wider than its place can be scrolled, but not by the keyboard.

const BUTTONS = "[data-testid=stTooltipIcon] button, [data-testid=stTooltipHoverTarget] button";
const TEXTS = "[data-testid=stHeading], [data-testid=stMarkdown]";
const LONGEST = 60; // characters: a name is not the whole text

function nameOf(button) {
  const words = button.closest(TEXTS)?.textContent.replaceAll(/\s+/g, " ").trim();
  if (!words) return null;
  return `Help for ${words.length > LONGEST ? `${words.slice(0, LONGEST).replace(/\s\S*$/, "")} …` : words}`;
}

function nameAll() {
  for (const button of document.querySelectorAll(BUTTONS)) {
    if (button.getAttribute("aria-label") !== "Help" && !button.dataset.named) continue;
    const name = nameOf(button);
    if (!name || name === button.getAttribute("aria-label")) continue;
    button.dataset.named = "yes"; // the text beside it may change, and its name with it
    button.setAttribute("aria-label", name);
  }
}

function reachFormulas() {
  for (const formula of document.querySelectorAll(".katex-display")) {
    const scrolls = formula.scrollWidth > formula.clientWidth || formula.scrollHeight > formula.clientHeight;
    if (scrolls) formula.tabIndex = 0;
    else formula.removeAttribute("tabindex");
  }
}

export default function () {
  if (window.gradinvKeepsAccess) return;
  window.gradinvKeepsAccess = true;
  const keepSkipLink = makeSkipLink();
  let asked = 0;
  const ask = () => {
    asked ||= requestAnimationFrame(() => {
      asked = 0;
      nameAll();
      reachFormulas();
      keepSkipLink();
    });
  };
  new MutationObserver(ask).observe(document.body, { childList: true, characterData: true, subtree: true });
  window.addEventListener("resize", ask);
  document.addEventListener("toggle", ask, true); // a fold that opens gives its formulas their size
  document.addEventListener("transitionend", ask, true);
  ask();
}
