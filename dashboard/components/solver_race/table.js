// The rows under the picture. A racer that still runs shows its evaluations so far and nothing of its end.

const MARKS = { right: "✓", wrong: "✗", open: "?", none: "–" };
const COLUMNS = ["name", "evaluations", "time", "ended_at", "verdict", "knew"];

function drawTable(table, tracks) {
  const heads = [...table.querySelectorAll("th")].map((head) => head.textContent);
  const rows = tracks.map((track) => {
    const row = document.createElement("tr");
    row.dataset.testid = "race-row";
    row.dataset.racer = track.kind;
    const cells = COLUMNS.map((column, i) => {
      const cell = document.createElement(i ? "td" : "th");
      if (!i) cell.scope = "row";
      cell.dataset.column = column;
      cell.dataset.head = heads[i];
      return cell;
    });
    cells[0].textContent = track.name;
    cells[0].title = track.explanation;
    cells[4].title = track.reason;
    cells[5].title = track.reason;
    row.append(...cells);
    return { row, cells, track };
  });
  table.querySelector("tbody").replaceChildren(...rows.map(({ row }) => row));
  return (evaluations) => {
    for (const { row, cells, track } of rows) {
      const over = evaluations >= track.evaluations;
      row.dataset.state = over ? track.tone : "running";
      cells[1].textContent = Math.min(Math.floor(evaluations), track.evaluations).toLocaleString("en");
      cells[2].textContent = over ? track.time : "…";
      cells[3].textContent = over ? track.ended_at : "…";
      cells[4].textContent = over ? `${MARKS[track.tone]} ${track.verdict}` : "searching";
      cells[5].textContent = over ? track.knew : "…";
    }
  };
}

/** One check box for every racer; `changed` is told its kind and whether it is wanted. */
function drawChoices(fieldset, tracks, hidden, changed) {
  fieldset.replaceChildren(
    ...tracks.map((track) => {
      const label = document.createElement("label");
      label.title = track.explanation;
      const box = Object.assign(document.createElement("input"), { type: "checkbox", checked: !hidden.has(track.kind) });
      box.dataset.testid = "race-choice";
      box.dataset.racer = track.kind;
      box.addEventListener("change", () => changed(track.kind, box.checked));
      const swatch = Object.assign(document.createElement("i"), { className: `swatch ${track.kind}` });
      label.append(box, swatch, track.name);
      return label;
    }),
  );
}
