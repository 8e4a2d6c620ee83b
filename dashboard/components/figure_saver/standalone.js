// A figure as a file of its own: what the page's style sheets say of it is written into it.

const SVG = "http://www.w3.org/2000/svg";
const EDGE = 12; // pixels around it: words may stand a little outside
const STYLES = [
  "fill", "fill-opacity", "stroke", "stroke-width", "stroke-opacity", "stroke-dasharray", "stroke-linecap",
  "stroke-linejoin", "opacity", "font-family", "font-size", "font-weight", "font-variant-numeric", "text-anchor",
  "dominant-baseline", "visibility", "display", "image-rendering",
];

/** A colour in words that every program reads: browsers give a mixed one as "color(srgb 0.1 0.1 0.1 / 0.14)". */
const plainly = (value) => value.replace(/color\(srgb ([\d.e-]+) ([\d.e-]+) ([\d.e-]+)(?: \/ ([\d.e-]+))?\)/g,
  (_, red, green, blue, alpha = 1) => `rgba(${[red, green, blue].map((part) => Math.round(part * 255))}, ${alpha})`);

function withStyles(layer) {
  const copy = layer.cloneNode(true);
  const copies = copy.querySelectorAll("*");
  layer.querySelectorAll("*").forEach((node, place) => {
    const computed = getComputedStyle(node);
    for (const name of STYLES) {
      const value = computed.getPropertyValue(name);
      if (value) copies[place].style.setProperty(name, plainly(value));
    }
    copies[place].removeAttribute("class");
  });
  return copy.childNodes;
}

function add(parent, name, attributes, text = "") {
  const node = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  node.textContent = text;
  parent.append(node);
}

/** An SVG file: its size, and its text. */
function standalone({ name, layers }, background, fontRule) {
  const [width, height] = [layers[0].clientWidth + 2 * EDGE, layers[0].clientHeight + 2 * EDGE];
  const file = document.createElementNS(SVG, "svg");
  for (const [key, value] of Object.entries({ width, height, viewBox: `${-EDGE} ${-EDGE} ${width} ${height}` })) {
    file.setAttribute(key, value);
  }
  add(file, "title", {}, name);
  add(file, "style", {}, fontRule);
  add(file, "rect", { x: -EDGE, y: -EDGE, width, height, fill: background });
  for (const layer of layers) {
    const group = document.createElementNS(SVG, "g");
    group.append(...withStyles(layer));
    file.append(group);
  }
  return { width, height, text: new XMLSerializer().serializeToString(file) };
}
