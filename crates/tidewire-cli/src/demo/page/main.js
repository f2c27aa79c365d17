// Joins the parts of the page: each kind of event goes to the part that shows it.

import { showActivities } from "./activities.js";
import { showLost, showStatus, startConnection } from "./connection.js";
import { openTab, showCustomers, startCustomers } from "./customers.js";
import { startDialog } from "./dialog.js";
import { listen } from "./feed.js";
import { showMetrics } from "./metrics.js";
import { showProcesses } from "./processes.js";
import { showQueue } from "./queue.js";

const lists = { metrics: showMetrics, processes: showProcesses, activities: showActivities, customers: showCustomers };

function showList(view) {
  lists[view.list](view);
  const trust = document.querySelector(`[data-trust-of="${view.list}"]`);
  if (!trust) return;
  trust.textContent = view.trust;
  trust.dataset.trust = view.trust;
}

startConnection();
startCustomers();
startDialog();
listen(
  { hello: openTab, status: showStatus, queue: showQueue, page: showList, diff: showList },
  (isLost) => {
    document.getElementById("lost").hidden = !isLost;
    if (isLost) showLost();
  },
);
