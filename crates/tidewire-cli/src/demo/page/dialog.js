// The dialog in which a customer is made or changed. Says what was typed; whether it is taken is for the server.

const dialog = document.getElementById("customer-dialog");
const form = document.getElementById("customer-form");
const title = document.getElementById("customer-dialog-title");
const fault = document.getElementById("customer-fault");
const name = document.getElementById("customer-name");
const city = document.getElementById("customer-city");
const status = document.getElementById("customer-edit-status");
const score = document.getElementById("customer-score");
const button = document.getElementById("customer-save");

let save = null;
/** What the fields held when the dialog was opened; nothing for a new customer. */
let shown = null;

/**
 * Opens the dialog; `onSave` is given the fields, of a known customer only those that were changed here, so that what
 * others changed meanwhile stays, and the names of those that were emptied. It gives back why they were refused, or
 * nothing.
 */
export function editCustomer(fields, onSave) {
  save = onSave;
  title.textContent = fields ? "Edit customer" : "New customer";
  fault.textContent = "";
  button.disabled = false;
  name.value = fields?.name ?? "";
  city.value = fields?.city ?? "";
  status.value = fields ? (fields.status ?? "") : "lead";
  score.value = fields ? (fields.score ?? "") : 50;
  shown = fields ? typed() : null;
  dialog.showModal();
  name.focus();
}

/** What the fields hold; null where a customer goes without. */
function typed() {
  const number = score.value === "" ? null : Number(score.value);
  return { name: name.value, city: city.value, status: status.value || null, score: number };
}

export function startDialog() {
  document.getElementById("customer-cancel").addEventListener("click", () => dialog.close());
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    // Enter in a field comes here also while the button is off.
    if (button.disabled) return;
    const changed = Object.entries(typed()).filter(([field, value]) => value !== (shown?.[field] ?? null));
    if (changed.length === 0) return dialog.close();
    const asked = save;
    button.disabled = true;
    const unset = changed.filter(([, value]) => value === null).map(([field]) => field);
    const refused = await save(Object.fromEntries(changed.filter(([, value]) => value !== null)), unset);
    // The dialog may have been closed and opened for another customer.
    if (asked !== save) return;
    button.disabled = false;
    fault.textContent = refused;
    if (!refused) dialog.close();
  });
}
