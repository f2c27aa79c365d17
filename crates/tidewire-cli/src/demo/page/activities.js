// The activity feed: what happened, the newest first, with a mark on what has just come.

import { timeOfDay } from "./format.js";
import { Rows, draw, element, mark, nodeOf } from "./rows.js";

const NEW_MS = 3000;
const feed = document.getElementById("activities");
const list = new Rows();

export function showActivities(view) {
  const changes = list.apply(view);
  draw(feed, list.rows, make, fill);
  for (const { row, before, isFirst } of changes) {
    if (!isFirst && !before) mark(nodeOf(feed, row.id), "new", NEW_MS);
  }
}

function make() {
  return element("li", { children: [element("time"), element("span", { className: "text" })] });
}

function fill(item, { fields }) {
  item.dataset.kind = fields.kind ?? "";
  item.querySelector("time").textContent = timeOfDay(fields.at);
  item.querySelector(".text").textContent = fields.text ?? "";
}
