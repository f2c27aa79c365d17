// The customers: one page of a list with filter and sort, and the ways to change them.

import { ask, askAloud } from "./feed.js";
import { plainNumber } from "./format.js";
import { Rows, draw, element, icon } from "./rows.js";
import { editCustomer } from "./dialog.js";

const PAGE_ROWS = 10;
const SEARCH_WAIT_MS = 200;

const body = document.getElementById("customers");
const empty = document.getElementById("customers-empty");
const range = document.getElementById("customers-range");
const back = document.getElementById("customers-back");
const on = document.getElementById("customers-on");
const search = document.getElementById("customer-search");
const statusFilter = document.getElementById("customer-status");
const headers = [...document.querySelectorAll(".customers th[data-sort]")];

const list = new Rows();
const names = new Map();
const choice = { status: "", search: "", sort: "name", descending: false, offset: 0, limit: PAGE_ROWS };
let tab = null;
let latest = null;
let telling = Promise.resolve();
let total = null;

/** The demo has given this tab a number; what the tab shows is asked for under it. */
export function openTab(hello) {
  tab = hello.tab;
  choose({});
}

export function showCustomers(view) {
  for (const { row } of list.apply(view)) names.set(String(row.id), row.fields.name);
  total = view.total;
  keepFocus(() => draw(body, list.rows, make, fill));
  const first = choice.offset + 1;
  const last = choice.offset + list.rows.length;
  empty.hidden = list.rows.length > 0 || !view.is_known;
  // The text is a live region: it is set only where it changes.
  const found = list.rows.length > 0 ? `${first}\u2013${last} of ${plainNumber(total)}` : view.is_known ? "none" : "";
  if (range.textContent !== found) range.textContent = found;
  back.disabled = choice.offset === 0;
  on.disabled = total === null || last >= total;
  // The last row of the last page may have gone.
  if (view.is_known && list.rows.length === 0 && choice.offset > 0) choose({ offset: Math.max(0, choice.offset - PAGE_ROWS) });
}

/** Rows move and go while somebody is on one of their buttons: the focus stays, or goes to the row in its place. */
function keepFocus(change) {
  const button = document.activeElement;
  const row = button?.closest("#customers tr");
  const place = row ? [...body.children].indexOf(row) : -1;
  change();
  if (!row || document.activeElement === button) return;
  const next = row.isConnected ? row : body.children[Math.min(place, body.children.length - 1)];
  const command = next?.querySelector(`[data-command=${button.dataset.command}]`);
  (command ?? document.getElementById("customer-new")).focus({ preventScroll: true });
}

/** The name of a customer this page has shown, for the list of writes: one that is deleted has it too. */
export const nameOf = (id) => names.get(String(id));

export function startCustomers() {
  document.getElementById("customer-new").addEventListener("click", () => editCustomer(null, create));
  back.addEventListener("click", () => choose({ offset: Math.max(0, choice.offset - PAGE_ROWS) }));
  on.addEventListener("click", () => choose({ offset: choice.offset + PAGE_ROWS }));
  statusFilter.addEventListener("change", () => choose({ status: statusFilter.value, offset: 0 }));
  let waiting;
  search.addEventListener("input", () => {
    clearTimeout(waiting);
    waiting = setTimeout(() => choose({ search: search.value, offset: 0 }), SEARCH_WAIT_MS);
  });
  for (const header of headers) {
    header.querySelector("button").addEventListener("click", () => {
      const sort = header.dataset.sort;
      choose({ sort, descending: choice.sort === sort && !choice.descending, offset: 0 });
    });
  }
  showSort();
}

/** Choices are told one after the other, so that the last one wins; one that is outdated is not told. */
function choose(changes) {
  Object.assign(choice, changes);
  showSort();
  if (tab === null) return;
  const wanted = { tab, choice: { ...choice } };
  latest = wanted;
  telling = telling.then(() => (latest === wanted ? askAloud("/api/customers", wanted) : null));
}

function showSort() {
  for (const header of headers) {
    if (header.dataset.sort !== choice.sort) header.removeAttribute("aria-sort");
    else header.setAttribute("aria-sort", choice.descending ? "descending" : "ascending");
  }
}

const create = (fields) => ask("/api/write", { name: "create", fields });
const update = (id) => (fields, unset) => ask("/api/write", { name: "update", id, fields, unset });

function make(row) {
  const id = String(row.id);
  const node = element("tr", {
    children: [
      element("td"),
      element("td"),
      element("td", { children: [element("span", { className: "badge" })] }),
      element("td", { className: "number" }),
      element("td", { className: "mark" }),
      element("td", {
        className: "commands",
        children: [
          command("edit", () => editCustomer(rowOf(node).fields, update(node.dataset.id))),
          command("delete", () => askAloud("/api/write", { name: "delete", id: node.dataset.id })),
        ],
      }),
    ],
  });
  node.dataset.id = id;
  return node;
}

const rowOf = (node) => list.rows.find((row) => String(row.id) === node.dataset.id);

function command(name, run) {
  const button = element("button", { children: [icon(name)], attributes: { type: "button", "data-command": name } });
  button.addEventListener("click", run);
  return button;
}

function fill(node, { fields, pending }) {
  const [name, city, status, score, mark, commands] = node.children;
  const isNamed = typeof fields.name === "string" && fields.name.trim() !== "";
  name.textContent = isNamed ? fields.name : "no name";
  name.title = fields.name ?? "";
  name.classList.toggle("nameless", !isNamed);
  city.textContent = fields.city ?? "";
  status.firstElementChild.textContent = fields.status ?? "";
  status.firstElementChild.dataset.status = fields.status ?? "";
  score.textContent = plainNumber(fields.score);
  node.classList.toggle("is-pending", pending);
  if (pending && !mark.firstElementChild) {
    mark.append(element("span", { className: "pending", children: [icon("pending"), "pending"] }));
  } else if (!pending) mark.replaceChildren();
  for (const button of commands.children) {
    const label = `${button.dataset.command === "edit" ? "Edit" : "Delete"} ${fields.name ?? "customer"}`;
    button.setAttribute("aria-label", label);
    button.title = label;
  }
}
