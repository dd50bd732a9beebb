/** The list of sweeps, kept up by asking now and then. */

import { address, listSweeps, sweepPage } from "./api.js";
import { byId, el, show } from "./dom.js";
import * as format from "./format.js";
import { throttled } from "./live.js";
import { ENDED } from "./progress_view.js";

/** @typedef {import("./types.js").Sweep} Sweep */

const BUSY_MS = 3000;
const QUIET_MS = 15000;
const query = new URL(location.href).searchParams;
const find = /** @type {HTMLInputElement} */ (byId("find"));
const state = /** @type {HTMLSelectElement} */ (byId("state"));
/** @type {Sweep[]} */
let sweeps = [];

/** @param {Sweep} sweep */
function dataset(sweep) {
  const of = sweep.dataset;
  return typeof of === "string" ? of : (of?.name ?? "–");
}

/** @param {Sweep} sweep */
function row(sweep) {
  const { best, progress } = sweep;
  const percent = Math.round(100 * progress.fraction);
  return el(
    "tr",
    {},
    el("td", { class: "name" }, el("a", { href: sweepPage(sweep.id), "data-key": sweep.id }, sweep.name || sweep.id)),
    el("td", {}, el("span", { class: format.tone(sweep.state) }, format.words(sweep.state))),
    el("td", { "data-name": "Dataset" }, dataset(sweep)),
    el(
      "td",
      { class: "bar" },
      el("progress", {
        class: sweep.state === "FAILED" ? "bad" : null,
        max: 100,
        value: percent,
        "aria-label": `${percent} % done`,
      }),
      el(
        "small",
        { class: "muted" },
        ENDED.has(sweep.state)
          ? `${format.count(sweep.counters.trials_complete)} trials complete`
          : sweep.state === "QUEUED"
            ? "waits for a worker"
            : `${percent} %, ${format.words(progress.phase).toLowerCase()}`,
      ),
    ),
    el("td", { class: "number", "data-name": "Best δ" }, best ? format.number(best.delta_target) : "–"),
    el("td", { class: "number", "data-name": "In σ" }, best ? `${format.number(best.delta_sigma, 3)} σ` : "–"),
    el(
      "td",
      { "data-name": "Verdict" },
      best
        ? [
            el("span", { class: format.tone(best.verdict_kind) }, format.words(best.verdict_kind)),
            " ",
            best.verdict_kind !== "NOT_CONFIRMED" &&
              best.status === "PROVISIONAL" &&
              el("span", { class: format.tone(best.status) }, format.words(best.status)),
          ]
        : "–",
    ),
    el("td", { "data-name": "Posted" }, format.moment(sweep.created_at)),
  );
}

/** The first sweep, to paste into a shell. */
function empty() {
  const command = `curl -X POST '${address("sweeps")}' \\\n  -H 'Content-Type: application/json' \\\n  -d '{"dataset": "diabetes"}'`;
  return el(
    "div",
    { class: "card empty" },
    el("h2", {}, "No sweep yet"),
    el(
      "p",
      {},
      "Post the first one; everything but the dataset has a default, and the page shows it as soon as it is there:",
    ),
    el("pre", { tabindex: "0", "aria-label": "Command that posts the first sweep" }, command),
  );
}

function draw() {
  const words = find.value.trim().toLowerCase();
  const shown = sweeps.filter(
    (s) =>
      (!state.value || s.state === state.value) &&
      (!words || `${s.name} ${s.id} ${dataset(s)}`.toLowerCase().includes(words)),
  );
  byId("filters").hidden = sweeps.length === 0;
  byId("count").textContent =
    shown.length === sweeps.length
      ? `${format.count(sweeps.length)} sweeps`
      : `${format.count(shown.length)} of ${format.count(sweeps.length)} sweeps`;
  const heads = [
    ["Sweep", ""],
    ["State", ""],
    ["Dataset", ""],
    ["Progress", ""],
    ["Best δ", "number"],
    ["in σ", "number"],
    ["Verdict", ""],
    ["Posted", ""],
  ];
  if (!sweeps.length) show(byId("sweeps"), empty());
  else if (!shown.length) show(byId("sweeps"), el("p", { class: "muted" }, "No sweep fits what is looked for."));
  else
    show(
      byId("sweeps"),
      el(
        "div",
        { class: "card scroll", tabindex: "0", role: "region", "aria-label": "Sweeps, scrollable" },
        el(
          "table",
          { class: "sweeps" },
          el(
            "thead",
            {},
            el(
              "tr",
              {},
              heads.map(([name, kind]) => el("th", { scope: "col", class: kind || null }, name)),
            ),
          ),
          el("tbody", {}, shown.map(row)),
        ),
      ),
    );
}

/** The states that occur, and the one looked for. */
function drawStates() {
  const wanted = state.value || query.get("state") || "";
  const found = [...new Set([...sweeps.map((s) => s.state), ...(wanted ? [wanted] : [])])].sort();
  const options = [["", "all"], ...found.map((s) => [s, format.words(s)])];
  if (options.length === state.options.length) return;
  state.replaceChildren(...options.map(([value, name]) => el("option", { value, selected: value === wanted }, name)));
}

function remember() {
  const here = new URL(location.href);
  for (const [name, value] of [
    ["find", find.value],
    ["state", state.value],
  ]) {
    if (value) here.searchParams.set(name, value);
    else here.searchParams.delete(name);
  }
  history.replaceState(null, "", here);
  draw();
}

async function refresh() {
  try {
    sweeps = await listSweeps();
    show(byId("problem"));
    drawStates();
    draw();
  } catch (error) {
    if (!sweeps.length) show(byId("sweeps"));
    show(
      byId("problem"),
      el("div", { class: "notice bad", role: "alert" }, el("p", {}, /** @type {Error} */ (error).message)),
    );
  }
}

find.value = query.get("find") ?? "";
find.addEventListener("input", remember);
state.addEventListener("change", remember);
const update = throttled(refresh, 500);
/** Asks sooner while a sweep is on its way, and not at all while nobody looks. */
function later() {
  const busy = sweeps.some((s) => !ENDED.has(s.state));
  setTimeout(
    async () => {
      if (!document.hidden) await update();
      later();
    },
    busy ? BUSY_MS : QUIET_MS,
  );
}
await refresh();
later();
