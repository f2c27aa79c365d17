// The line to the demo: its events, and what is asked of it.

/** Listens to the demo. `handlers` are called by the name of the event; `onLost` when the line breaks or is back. */
export function listen(handlers, onLost) {
  const source = new EventSource("/events");
  source.addEventListener("open", () => onLost(false));
  source.addEventListener("error", () => onLost(true));
  for (const [name, handle] of Object.entries(handlers)) {
    source.addEventListener(name, (event) => handle(JSON.parse(event.data)));
  }
  // A browser allows few connections to one host; a tab that is left must not keep one.
  addEventListener("pagehide", () => source.close());
  addEventListener("pageshow", (event) => event.persisted && location.reload());
}

/** Asks for something; gives the reason where it is refused. */
export async function ask(path, body) {
  try {
    const answer = await fetch(path, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(body),
    });
    return answer.ok ? "" : (await answer.text()).trim() || `refused (${answer.status})`;
  } catch {
    return "the demo cannot be reached";
  }
}
