/** Calls back when something of a sweep has changed: by the event stream, else by asking now and then. */

// The stream names its events; EventSource tells only the names that it was given. An unnamed event arrives as "message".
const KINDS = [
  "message",
  "SWEEP_CREATED",
  "SWEEP_STATE",
  "GENERATION_PLANNED",
  "PACK_STARTED",
  "PACK_ENDED",
  "TRIALS_ENDED",
  "TASK_REQUEUED",
  "CONCLUDED",
];
const POLL_MS = 5000;
// While the stream is there, it is trusted but for kinds that a newer server may have.
const TRUST_MS = 20000;
const FIRST_RETRY_MS = 1000;
const LAST_RETRY_MS = 30000;

/**
 * Makes many calls into few: at once when quiet, at most one at a time, and after each a rest of at least `rest` ms
 * and five times as long as the call took, so that a slow server or a large sweep is not asked without pause.
 *
 * @param {() => Promise<void>} work
 * @param {number} rest
 */
export function throttled(work, rest) {
  let running = false;
  let again = false;
  return async function run() {
    if (running) {
      again = true;
      return;
    }
    running = true;
    do {
      again = false;
      const start = performance.now();
      await work();
      await new Promise((done) => setTimeout(done, Math.max(rest, 5 * (performance.now() - start))));
    } while (again);
    running = false;
  };
}

/** @typedef {"on"|"retry"|"poll"|"off"} Link how the page learns of changes */

/**
 * @param {string} address of the event stream
 * @param {{change: () => void, link: (link: Link) => void}} to
 * @returns {() => void} stops it
 */
export function follow(address, to) {
  /** @type {EventSource|null} */
  let source = null;
  let retry = FIRST_RETRY_MS;
  let lost = false;
  let timer = 0;
  let stopped = false;
  let heard = Date.now();

  function changed() {
    heard = Date.now();
    to.change();
  }

  const poll = window.setInterval(() => {
    if (document.hidden) return;
    if (lost || Date.now() - heard > TRUST_MS) changed();
  }, POLL_MS);

  function stop() {
    stopped = true;
    window.clearInterval(poll);
    window.clearTimeout(timer);
    source?.close();
    to.link("off");
  }

  function open() {
    if (stopped || typeof EventSource === "undefined") {
      lost = true;
      to.link("poll");
      return;
    }
    source = new EventSource(address);
    source.onopen = () => {
      // What happened while the stream was away is asked for once.
      if (lost) changed();
      lost = false;
      retry = FIRST_RETRY_MS;
      to.link("on");
    };
    for (const kind of KINDS) source.addEventListener(kind, changed);
    source.onerror = () => {
      if (stopped) return;
      lost = true;
      to.link(retry >= LAST_RETRY_MS ? "poll" : "retry");
      // A closed source (an answer that was no stream) does not come back by itself; a cut one does.
      if (source?.readyState !== EventSource.CLOSED) return;
      timer = window.setTimeout(open, retry);
      retry = Math.min(LAST_RETRY_MS, retry * 2);
    };
  }

  open();
  window.addEventListener("pagehide", stop, { once: true });
  return stop;
}

/** @param {HTMLElement} place @param {Link} link */
export function showLink(place, link) {
  place.className = `live ${link}`;
  place.textContent = { on: "Live", retry: "Connecting again", poll: "Asking every 5 s", off: "" }[link];
}
