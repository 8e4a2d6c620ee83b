// Thumbnails as radio buttons: arrow keys, touch and screen readers come with the element.

export default function ({ data, parentElement, setTriggerValue, key }) {
  const row = parentElement.querySelector(".row");
  parentElement.querySelector("legend").textContent = data.label;
  const signature = `${data.first} ${data.sources.length} ${data.sources[0]} ${data.sources.at(-1)}`;
  if (row.dataset.signature !== signature) {
    row.dataset.signature = signature;
    row.replaceChildren(...data.sources.map((source, i) => {
      const choice = document.createElement("label");
      const input = Object.assign(document.createElement("input"), { type: "radio", name: key, value: data.first + i });
      input.dataset.testid = "strip-choice";
      const picture = Object.assign(document.createElement("img"), { src: source, alt: data.names[i] });
      choice.title = data.names[i];
      choice.append(input, picture);
      return choice;
    }));
  }
  for (const input of row.querySelectorAll("input")) {
    input.checked = Number(input.value) === data.chosen;
    input.onchange = () => setTriggerValue("chosen", Number(input.value));
  }
}
