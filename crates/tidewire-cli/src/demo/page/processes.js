// The busiest processes: a sorted list whose rows move as the machine works.

import { mebibytes, percent, plainNumber } from "./format.js";
import { Rows, draw, element } from "./rows.js";

const body = document.getElementById("processes");
const count = document.getElementById("processes-count");
const list = new Rows();

export function showProcesses(view) {
  list.apply(view);
  draw(body, list.rows, make, fill);
  count.textContent = view.total === null ? "" : `${list.rows.length} of ${plainNumber(view.total)}`;
}

function make() {
  const cell = (className = "") => element("td", { className });
  return element("tr", { children: [cell(), cell("number"), cell("number"), cell("number"), cell()] });
}

function fill(row, { fields }) {
  const texts = [fields.name ?? "", String(fields.pid ?? ""), percent(fields.cpu), mebibytes(fields.memory), fields.state ?? ""];
  texts.forEach((text, place) => {
    row.children[place].textContent = text;
  });
  row.children[0].title = texts[0];
}
