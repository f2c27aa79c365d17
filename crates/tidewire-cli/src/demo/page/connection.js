// The connection between the demo's client and its server: status, reason, and the switch that cuts it.

import { ask } from "./feed.js";

const text = document.getElementById("status");
const pill = text.parentElement;
const picture = pill.querySelector("use");
const reason = document.getElementById("status-reason");
const toggle = document.getElementById("switch");

let status = { connection: "connecting", label: "Connecting...", reason: "", online: true };
let nextAttempt = null;

export function showStatus(view) {
  status = view;
  nextAttempt = view.next_ms === null ? null : Date.now() + view.next_ms;
  pill.dataset.connection = view.connection;
  // The text is a live region: it is set only where it changes.
  if (text.textContent !== view.label) text.textContent = view.label;
  const name = view.connection === "stopped" ? "offline" : view.connection;
  picture.setAttribute("href", `#icon-${name}`);
  toggle.setAttribute("aria-checked", String(view.online));
  showReason();
}

function showReason() {
  if (!status.online) reason.textContent = "You cut the connection. Everything here goes on working.";
  else if (nextAttempt !== null) {
    const seconds = Math.max(0, Math.ceil((nextAttempt - Date.now()) / 1000));
    reason.textContent = `${status.reason} \u2013 next attempt in ${seconds} s`;
  } else reason.textContent = status.reason;
}

export function startConnection() {
  toggle.addEventListener("click", () => ask("/api/switch", { online: !status.online }));
  setInterval(() => nextAttempt !== null && showReason(), 1000);
}
