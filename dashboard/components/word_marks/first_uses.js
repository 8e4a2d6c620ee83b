// Where a page first uses a term: ranges of its text, found without changing it.

const TEXTS = "[data-testid=stMain] [data-testid=stMarkdown]";
const ELSEWHERE = "[data-testid=stExpander], a, button, code, h1, h2, h3, .katex, [data-testid=stTooltipIcon]";

/** What to look for: the term without its brackets, as a whole word, in singular and plural. */
function patternOf(term) {
  const plain = term.replace(/\s*\(.*\)/, "").replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
  return new RegExp(`(?<![\\p{L}\\p{N}])${plain}s?(?![\\p{L}\\p{N}'’])`, "iu");
}

function* pageTexts() {
  for (const block of document.querySelectorAll(TEXTS)) {
    if (block.closest(ELSEWHERE)) continue;
    const walker = document.createTreeWalker(block, NodeFilter.SHOW_TEXT);
    for (let node = walker.nextNode(); node; node = walker.nextNode()) {
      if (!node.parentElement.closest(ELSEWHERE)) yield node;
    }
  }
}

/** One range for each term that the page uses, longer terms first: "soft label" is not "label". */
function firstUses(words) {
  const open = Object.keys(words).sort((a, b) => b.length - a.length).map((term) => [term, patternOf(term)]);
  const found = [];
  for (const node of pageTexts()) {
    for (let place = open.length - 1; place >= 0; place -= 1) {
      const [term, pattern] = open[place];
      const match = pattern.exec(node.data);
      if (!match) continue;
      const range = document.createRange();
      range.setStart(node, match.index);
      range.setEnd(node, match.index + match[0].length);
      found.push({ term, range });
      open.splice(place, 1);
    }
    if (!open.length) break;
  }
  return found;
}
