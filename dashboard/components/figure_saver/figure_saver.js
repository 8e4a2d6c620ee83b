// A line for each figure, and a button for each kind of file.

const REST = 400; // milliseconds without a change after which the page is looked through again
const SHARP = 3; // pixels of a PNG for one of the page: enough for print

const addressOf = (blob) => {
  const address = URL.createObjectURL(blob);
  setTimeout(() => URL.revokeObjectURL(address), 60_000);
  return address;
};

async function painted({ width, height, text }) {
  const picture = new Image();
  picture.src = addressOf(new Blob([text], { type: "image/svg+xml" }));
  await picture.decode();
  const canvas = Object.assign(document.createElement("canvas"), { width: width * SHARP, height: height * SHARP });
  canvas.getContext("2d").drawImage(picture, 0, 0, canvas.width, canvas.height);
  return new Promise((done) => { canvas.toBlob(done, "image/png"); });
}

async function save(figure, format) {
  const app = document.querySelector("[data-testid=stApp]") ?? document.body;
  const drawn = standalone(figure, getComputedStyle(app).backgroundColor, await letters());
  const blob = format === "PNG" ? await painted(drawn) : new Blob([drawn.text], { type: "image/svg+xml" });
  const plain = figure.name.toLowerCase().replaceAll(/[^\p{L}\p{N}]+/gu, "-").replaceAll(/^-|-$/g, "");
  const link = document.createElement("a");
  Object.assign(link, { href: addressOf(blob), download: `${plain || "figure"}.${format.toLowerCase()}` });
  link.click();
}

function lineOf(figure) {
  const line = document.createElement("li");
  const name = Object.assign(document.createElement("span"), { textContent: figure.name });
  line.append(name, ...["SVG", "PNG"].map((format) => {
    const button = Object.assign(document.createElement("button"), { type: "button", textContent: format });
    button.ariaLabel = `Save “${figure.name}” as ${format}`;
    button.addEventListener("click", () => save(figure, format));
    return button;
  }));
  return line;
}

export default function ({ parentElement }) {
  const list = parentElement.querySelector("ul");
  let timer = 0;
  let shown = [];
  const look = () => {
    const figures = pageFigures();
    // The same figures again: a button that has the focus stays where it is.
    const same = figures.length === shown.length
      && figures.every(({ name, layers }, place) => name === shown[place].name && layers[0] === shown[place].layers[0]);
    if (same) return;
    shown = figures;
    list.replaceChildren(...figures.map(lineOf));
    list.nextElementSibling.hidden = figures.length > 0;
  };
  const watcher = new MutationObserver(() => {
    clearTimeout(timer);
    timer = setTimeout(look, REST);
  });
  watcher.observe(document.querySelector("[data-testid=stMain]") ?? document.body, { childList: true, subtree: true });
  list.nextElementSibling.hidden = false;
  look();
  return () => {
    watcher.disconnect();
    clearTimeout(timer);
  };
}
