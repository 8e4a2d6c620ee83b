// Which figures the page shows now: Plotly's, which are layers of SVG, and our own, each one SVG in a shadow.

const MAIN = "[data-testid=stMain]";
const OWN = "[data-testid=stBidiComponentIsolated]";
const LONGEST = 90; // characters of a name

/** The finding alone: what a screen reader is told goes on with all numbers. */
function nameOf(label) {
  const finding = (label ?? "").split(/[.:] (?=\p{Lu})/u)[0];
  return finding.length > LONGEST ? `${finding.slice(0, LONGEST).replace(/\s\S*$/, "")} …` : finding;
}

const comesAfter = (a, b) => Boolean(a.place.compareDocumentPosition(b.place) & Node.DOCUMENT_POSITION_PRECEDING);

/** Those that are seen, from the top of the page to its end: a name, and the layers of SVG that it is drawn in. */
function pageFigures() {
  const main = document.querySelector(MAIN);
  const drawn = [...main?.querySelectorAll(".js-plotly-plot") ?? []].map((figure) => ({
    place: figure,
    name: nameOf(figure.closest("[aria-label]")?.ariaLabel),
    layers: [...figure.querySelectorAll(".main-svg")],
  }));
  const own = [...main?.querySelectorAll(OWN) ?? []]
    .flatMap((host) => [...host.shadowRoot?.querySelectorAll("svg[role=img]") ?? []].map((svg) => ({
      place: host, name: nameOf(svg.ariaLabel), layers: [svg],
    })));
  return [...drawn, ...own]
    .filter(({ layers }) => layers.length && layers[0].clientWidth)
    .sort((a, b) => Number(comesAfter(a, b)) - Number(comesAfter(b, a)));
}
