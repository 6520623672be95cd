// Live events: gathered, and handed over once a frame, so that a thousand a second do not freeze a page.

const WAITING_MAX = 2000;

/**
 * Reads server-sent events of `url`. `kinds` are their names; `show` gets what has come since the last frame as
 * `[{kind, id, data}]`, at most the newest 2000, and how many were passed over. Returns a function that ends it.
 */
export function follow(url, kinds, show, state = () => {}) {
  const source = new EventSource(url);
  let waiting = [];
  let missed = 0;
  let asked = false;

  const flush = () => {
    asked = false;
    const events = waiting;
    const lost = missed;
    waiting = [];
    missed = 0;
    show(events, lost);
  };
  const later = () => {
    if (asked) return;
    asked = true;
    // A hidden page draws no frames, and must not gather for ever.
    if (document.hidden) setTimeout(flush, 500);
    else requestAnimationFrame(flush);
  };
  const take = (kind) => (event) => {
    if (waiting.length === WAITING_MAX) {
      waiting.shift();
      missed += 1;
    }
    waiting.push({ kind, id: Number(event.lastEventId), data: JSON.parse(event.data) });
    later();
  };

  for (const kind of kinds) source.addEventListener(kind, take(kind));
  source.addEventListener("missed", (event) => {
    missed += Number(event.data);
    later();
  });
  source.addEventListener("open", () => state("open"));
  source.addEventListener("error", () => state(source.readyState === EventSource.CLOSED ? "closed" : "lost"));
  const end = () => source.close();
  addEventListener("pagehide", end);
  return end;
}

/** Puts `text` into every element marked `data-live="name"`, only where it changes. */
export function set(name, text) {
  for (const element of document.querySelectorAll(`[data-live="${name}"]`)) {
    if (element.textContent !== text) element.textContent = text;
  }
}

const REFRESH_MS = 1500;
let refreshing = false;

/**
 * Takes everything marked `data-refresh` from the page anew, a moment from now and not while it is being read: what
 * stands together is then of one moment.
 */
export function refresh() {
  if (refreshing) return;
  refreshing = true;
  setTimeout(async () => {
    try {
      const answer = await fetch(location.href);
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const fresh = page.querySelectorAll("[data-refresh]");
      document.querySelectorAll("[data-refresh]").forEach((old, place) => {
        const busy = old.contains(document.activeElement) || old.querySelector("details[open]");
        if (fresh[place] && !busy) old.replaceChildren(...fresh[place].childNodes);
      });
    } catch {
      // The program has stopped: the page stays as it is, and says that it is not live.
    }
    refreshing = false;
  }, REFRESH_MS);
}
