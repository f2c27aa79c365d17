// The line to the demo: its events, and what is asked of it.

/** How long after the demo has refused the line it is asked again. */
const RETRY_MS = 2000;
/** How long an answer may take. */
const ANSWER_MS = 15000;
const fault = document.getElementById("fault");

/**
 * Listens to the demo for as long as the page is seen: a browser allows few connections to one host, and a tab that is
 * not looked at must not keep one. `handlers` are called by the name of the event; `onLost` when the line breaks or is
 * back.
 */
export function listen(handlers, onLost) {
  let source = null;
  let retry;
  function close() {
    clearTimeout(retry);
    source?.close();
    source = null;
  }
  function open() {
    close();
    const opened = new EventSource("/events");
    source = opened;
    opened.addEventListener("open", () => onLost(false));
    opened.addEventListener("error", () => {
      if (source !== opened) return;
      onLost(true);
      // After a refusal the browser does not try again by itself.
      if (opened.readyState === EventSource.CLOSED) retry = setTimeout(open, RETRY_MS);
    });
    for (const [name, handle] of Object.entries(handlers)) {
      opened.addEventListener(name, (event) => source === opened && handle(JSON.parse(event.data)));
    }
  }
  const look = () => {
    if (document.hidden) close();
    else if (!source) open();
  };
  document.addEventListener("visibilitychange", look);
  addEventListener("pagehide", close);
  addEventListener("pageshow", look);
  look();
}

/** Asks for something; where it is refused, the reason stands at the top of the page until something is not. */
export async function askAloud(path, body) {
  const reason = await ask(path, body);
  fault.textContent = reason;
  fault.hidden = !reason;
}

/** Asks for something; gives the reason where it is refused. */
export async function ask(path, body) {
  try {
    const answer = await fetch(path, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(body),
      signal: AbortSignal.timeout(ANSWER_MS),
    });
    return answer.ok ? "" : (await answer.text()).trim() || `refused (${answer.status})`;
  } catch {
    return "the demo cannot be reached";
  }
}
