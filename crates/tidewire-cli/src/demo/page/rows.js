// The rows of a list as the demo told them, and how they get into the document.

/** A copy of one list: a page whole at first, then the steps from each page to the next. */
export class Rows {
  rows = [];
  told = false;

  /** Takes in an event, and gives the rows that came or changed, each with what it was before. */
  apply(view) {
    const before = new Map(this.rows.map((row) => [String(row.id), row]));
    if (view.rows) this.rows = view.rows;
    else for (const step of view.steps) this.#step(step);
    const changed = this.rows.filter((row) => before.get(String(row.id)) !== row);
    const changes = changed.map((row) => ({ row, before: before.get(String(row.id)), isFirst: !this.told }));
    this.told = this.told || view.is_known;
    return changes;
  }

  #step({ step, at, from, to, row }) {
    if (step === "insert") this.rows.splice(at, 0, row);
    else if (step === "remove") this.rows.splice(at, 1);
    else if (step === "replace") this.rows[at] = row;
    else if (step === "move") this.rows.splice(to, 0, ...this.rows.splice(from, 1));
  }
}

/** Makes the children of `parent` show `rows` in order; a child stays the same for as long as its row is there. */
export function draw(parent, rows, make, fill) {
  const keys = new Set(rows.map((row) => String(row.id)));
  const nodes = new Map();
  for (const node of [...parent.children]) {
    if (keys.has(node.dataset.id)) nodes.set(node.dataset.id, node);
    else node.remove();
  }
  let place = parent.firstElementChild;
  for (const row of rows) {
    const key = String(row.id);
    let node = nodes.get(key);
    if (!node) {
      node = make(row);
      node.dataset.id = key;
    }
    if (node === place) place = place.nextElementSibling;
    else parent.insertBefore(node, place);
    fill(node, row);
  }
}

/** The child that shows a row. */
export const nodeOf = (parent, id) => [...parent.children].find((node) => node.dataset.id === String(id));

/** Makes an element with classes, text and children. Text from data is only ever text. */
export function element(name, { className = "", text = "", children = [], attributes = {} } = {}) {
  const node = document.createElement(name);
  if (className) node.className = className;
  if (text) node.textContent = text;
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  node.append(...children);
  return node;
}

/** One of the page's own pictures. */
export function icon(name) {
  const space = "http://www.w3.org/2000/svg";
  const picture = document.createElementNS(space, "svg");
  picture.setAttribute("class", "icon");
  picture.setAttribute("aria-hidden", "true");
  const use = document.createElementNS(space, "use");
  use.setAttribute("href", `#icon-${name}`);
  picture.append(use);
  return picture;
}

const marks = new WeakMap();

/** Sets a class for a while. A mark set again lasts from then on. */
export function mark(node, className, forMs) {
  if (!node) return;
  clearTimeout(marks.get(node));
  node.classList.add(className);
  marks.set(node, setTimeout(() => node.classList.remove(className), forMs));
}
