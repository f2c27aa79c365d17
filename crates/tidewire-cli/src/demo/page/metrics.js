// The metric cards: value, unit, the change against the last value, and a mark while one is new.

import { change, figure } from "./format.js";
import { Rows, draw, element, mark, nodeOf } from "./rows.js";

const UPDATING_MS = 500;
const cards = document.getElementById("metrics");
const list = new Rows();

export function showMetrics(view) {
  const changes = list.apply(view);
  draw(cards, list.rows, make, fill);
  for (const { row, before, isFirst } of changes) {
    if (isFirst || !before || before.fields.value === row.fields.value) continue;
    const card = nodeOf(cards, row.id);
    card.querySelector(".change").textContent = change(before.fields.value, row.fields.value);
    mark(card, "updating", UPDATING_MS);
  }
}

function make() {
  return element("li", {
    className: "metric",
    children: [
      element("h3"),
      element("p", { className: "value", children: [element("span"), element("small")] }),
      element("p", { className: "change", text: "\u2013" }),
    ],
  });
}

function fill(card, { fields }) {
  card.querySelector("h3").textContent = fields.title ?? "";
  card.querySelector(".value span").textContent = figure(fields.value, fields.unit);
  card.querySelector(".value small").textContent = fields.unit ?? "";
}
