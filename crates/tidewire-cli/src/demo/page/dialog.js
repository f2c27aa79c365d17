// The dialog in which a customer is made or changed. Says what was typed; whether it is taken is for the server.

const dialog = document.getElementById("customer-dialog");
const form = document.getElementById("customer-form");
const title = document.getElementById("customer-dialog-title");
const fault = document.getElementById("customer-fault");
const name = document.getElementById("customer-name");
const city = document.getElementById("customer-city");
const status = document.getElementById("customer-edit-status");
const score = document.getElementById("customer-score");

let save = null;

/** Opens the dialog; `onSave` is given the fields and gives back why they were refused, or nothing. */
export function editCustomer(fields, onSave) {
  save = onSave;
  title.textContent = fields ? "Edit customer" : "New customer";
  fault.textContent = "";
  name.value = fields?.name ?? "";
  city.value = fields?.city ?? "";
  status.value = fields?.status ?? "lead";
  score.value = fields?.score ?? 50;
  dialog.showModal();
  name.focus();
}

export function startDialog() {
  document.getElementById("customer-cancel").addEventListener("click", () => dialog.close());
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const number = Number(score.value);
    const typed = { name: name.value, city: city.value, status: status.value, score: Number.isFinite(number) ? number : 0 };
    fault.textContent = await save(typed);
    if (!fault.textContent) dialog.close();
  });
}
