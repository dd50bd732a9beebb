/** Reads and moves sweeps over the public REST; the only module that knows its addresses. */

/** @typedef {import("./types.js").Sweep} Sweep @typedef {import("./types.js").Trial} Trial */
/** @typedef {import("./types.js").BestDelta} BestDelta @typedef {import("./types.js").Response} Response_ */

const page = document.documentElement.dataset;
const base = new URL(page.root ?? "./", document.baseURI);
const TRIALS_PAGE = 500;
const OPEN = new Set(["WAITING", "RUNNING"]);

/** An answer of 4xx or 5xx, or none at all (status 0), with the sentence to show. */
export class ApiError extends Error {
  /** @param {number} status @param {string} title @param {string} detail */
  constructor(status, title, detail) {
    super(detail || title);
    this.status = status;
    this.title = title;
  }
}

/** @param {string} path below /v1 @returns {string} */
export function address(path) {
  return new URL(`v1/${path}`, base).href;
}

/** @param {string} id @returns {string} the page of a sweep */
export function sweepPage(id) {
  return new URL(`${page.home}/sweeps/${encodeURIComponent(id)}`, document.baseURI).href;
}

/** @param {string} path @param {RequestInit} [options] @returns {Promise<any>} */
async function ask(path, options = {}) {
  let answer;
  try {
    answer = await fetch(address(path), { headers: { Accept: "application/json" }, ...options });
  } catch (error) {
    if (options.signal?.aborted) throw error;
    throw new ApiError(
      0,
      "The service does not answer",
      "The service does not answer; the page tries again by itself.",
    );
  }
  const body = await answer.json().catch(() => null);
  if (!answer.ok) {
    const fields = (body?.errors ?? []).map((/** @type {{message: string}} */ e) => e.message).join(" ");
    throw new ApiError(
      answer.status,
      body?.title ?? answer.statusText,
      [body?.detail, fields].filter(Boolean).join(" "),
    );
  }
  return body;
}

/** @returns {Promise<Sweep[]>} */
export async function listSweeps() {
  const sweeps = [];
  let token = "";
  do {
    const answer = await ask(`sweeps${token ? `?page_token=${encodeURIComponent(token)}` : ""}`);
    sweeps.push(...answer.sweeps);
    token = answer.next_page_token;
  } while (token);
  return sweeps;
}

/** @param {string} id @param {string} [part] */
const of = (id, part = "") => `sweeps/${encodeURIComponent(id)}${part}`;

/** @param {string} id @returns {Promise<Sweep>} */
export const readSweep = (id) => ask(of(id));

/** @param {string} id @returns {Promise<BestDelta>} */
export const readBestDelta = (id) => ask(of(id, "/best-delta"));

/** @param {string} id @returns {Promise<Response_>} */
export const readResponse = (id) => ask(of(id, "/delta-response"));

/** @param {string} id @param {"pause"|"resume"|"stop"|"cancel"} verb @returns {Promise<Sweep>} */
export const move = (id, verb) => ask(of(id, `:${verb}`), { method: "POST" });

/** @param {string} id */
export const eventsAddress = (id) => address(of(id, "/events"));

/**
 * All trials of a sweep. A page whose trials have all ended is not read again: ended trials never change.
 */
export class Trials {
  /** @param {string} id */
  constructor(id) {
    this.id = id;
    /** @type {{token: string, rows: Trial[]}[]} */
    this.pages = [];
  }

  /** @returns {Promise<Trial[]>} in the order of their numbers, read up to now */
  async read() {
    let from = this.pages.findIndex((p) => p.rows.some((t) => OPEN.has(t.state)));
    if (from < 0) from = Math.max(0, this.pages.length - 1);
    let token = this.pages[from]?.token ?? "";
    const fresh = [];
    do {
      const query = new URLSearchParams({ page_size: String(TRIALS_PAGE), ...(token && { page_token: token }) });
      const answer = await ask(of(this.id, `/trials?${query}`));
      fresh.push({ token, rows: answer.trials });
      token = answer.next_page_token;
    } while (token);
    this.pages.splice(from, this.pages.length, ...fresh);
    return this.pages.flatMap((p) => p.rows);
  }
}
