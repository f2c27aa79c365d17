// The connection between the demo's client and its server: status, reason, and the switch that cuts it.

import { askAloud } from "./feed.js";

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
  showPill(view.connection, view.label);
  toggle.setAttribute("aria-checked", String(view.online));
  showReason();
}

/** The line to the demo is lost: how its client is connected is not known. The next event says it. */
export function showLost() {
  nextAttempt = null;
  reason.textContent = "";
  showPill("offline", "No demo");
}

function showPill(connection, label) {
  pill.dataset.connection = connection;
  // The text is a live region: it is set only where it changes.
  if (text.textContent !== label) text.textContent = label;
  picture.setAttribute("href", `#icon-${connection === "stopped" ? "offline" : connection}`);
}

function showReason() {
  if (!status.online) reason.textContent = "You cut the connection. Everything here goes on working.";
  else if (nextAttempt !== null) {
    const seconds = Math.max(0, Math.ceil((nextAttempt - Date.now()) / 1000));
    reason.textContent = `${status.reason} \u2013 next attempt in ${seconds} s`;
  } else reason.textContent = status.reason;
}

export function startConnection() {
  toggle.addEventListener("click", () => askAloud("/api/switch", { online: !status.online }));
  setInterval(() => nextAttempt !== null && showReason(), 1000);
}
