// The writes on their way, and those that were refused and wait for a decision.

import { nameOf } from "./customers.js";
import { askAloud } from "./feed.js";
import { draw, element } from "./rows.js";

const items = document.getElementById("queue");
const counts = document.getElementById("queue-counts");
const empty = document.getElementById("queue-empty");
const more = document.getElementById("queue-more");

const WORDS = { waiting: "waiting", sent: "sent", uncertain: "outcome unknown", parked: "refused" };

export function showQueue(view) {
  const parts = [];
  if (view.pending > 0) parts.push(`${view.pending} pending`);
  if (view.parked > 0) parts.push(`${view.parked} parked`);
  counts.textContent = parts.join(" \u00b7 ") || "none";
  empty.hidden = view.actions.length > 0;
  const left = view.pending + view.parked - view.actions.length;
  more.hidden = left <= 0;
  more.textContent = `and ${left} more`;
  draw(items, view.actions.map((action) => ({ ...action, id: action.action })), make, fill);
}

function make(action) {
  const decide = (text, path) => {
    const button = element("button", { text, attributes: { type: "button" } });
    button.addEventListener("click", () => askAloud(path, { action: action.action }));
    return button;
  };
  return element("li", {
    children: [
      element("p", { className: "title", children: [element("span", { className: "what" }), element("span", { className: "state" })] }),
      element("p", { className: "why" }),
      element("div", { className: "decide", children: [decide("Retry", "/api/retry"), decide("Discard", "/api/discard")] }),
    ],
  });
}

function fill(item, action) {
  item.dataset.state = action.state;
  const whom = action.title || nameOf(action.entity) || (action.is_unnamed ? "a new customer" : String(action.entity ?? ""));
  item.querySelector(".what").textContent = `${action.name} ${whom}`;
  item.querySelector(".state").textContent = WORDS[action.state] ?? action.state;
  item.querySelector(".why").textContent = action.reason ?? "";
  const undecided = action.state === "parked" || action.state === "uncertain";
  const decide = item.querySelector(".decide");
  decide.hidden = !undecided;
  for (const button of decide.children) button.setAttribute("aria-label", `${button.textContent} ${action.name} ${whom}`);
}
