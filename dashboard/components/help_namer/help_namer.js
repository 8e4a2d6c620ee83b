// A name for every button that explains something.
//
// Streamlit calls those beside a text "Help" and nothing else: with a screen reader a page has then ten of one name.

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

export default function () {
  if (window.gradinvNamesHelp) return;
  window.gradinvNamesHelp = true;
  let asked = 0;
  const ask = () => {
    asked ||= requestAnimationFrame(() => {
      asked = 0;
      nameAll();
    });
  };
  new MutationObserver(ask).observe(document.body, { childList: true, characterData: true, subtree: true });
  ask();
}
