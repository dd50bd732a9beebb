/** The page of one sweep: asks for its four answers, shows each, and does so again when something has changed. */

import * as api from "./api.js";
import { addKey, addTools, chartLabel, chartNote, showText } from "./chart_panel.js";
import { byId, el, show } from "./dom.js";
import * as format from "./format.js";
import { follow, showLink, throttled } from "./live.js";
import { ENDED, facts, showControls, showProgress } from "./progress_view.js";
import { withOthers } from "./response_points.js";
import { ResponseChart } from "./response_chart.js";
import { showTrial } from "./trial_details.js";
import { TrialsTable } from "./trials_table.js";
import { showVerdict } from "./verdict_view.js";

/** @typedef {import("./types.js").Trial} Trial @typedef {import("./types.js").Sweep} Sweep */
/** @typedef {import("./progress_view.js").Verb} Verb */

const REST_MS = 1000;
const id = byId("sweep").dataset.sweep ?? "";
const query = new URL(location.href).searchParams;
const reader = new api.Trials(id);
/** @type {Map<number, Trial>} */
const trials = new Map();
/** @type {Sweep|null} */
let sweep = null;
/** @type {import("./types.js").Response|null} as the service answered */
let answered = null;
/** @type {import("./types.js").Response|null} and with the trials that it leaves out */
let response = null;
let chosen = query.has("trial") ? Number(query.get("trial")) : null;

const chart = new ResponseChart(byId("chart"), { trial: (number) => trials.get(number), choose });
const table = new TrialsTable(
  byId("trials"),
  { choose: chooseInTable, sorted: (sort) => remember("sort", sort) },
  query.get("sort") ?? "value",
);
addTools(byId("chart-tools"), chart, () => sweep?.name || id, noteChart);
addKey(byId("chart-key"));

/** What the reader chose stands in the address, so that it can be shared. @param {string} name @param {string|null} value */
function remember(name, value) {
  const here = new URL(location.href);
  if (value === null) here.searchParams.delete(name);
  else here.searchParams.set(name, value);
  history.replaceState(null, "", here);
}

/** @param {number|null} number */
function choose(number) {
  chosen = number;
  remember("trial", number === null ? null : String(number));
  chart.set({ chosen });
  if (number === null) {
    table.chosen = null;
    table.draw();
  } else table.choose(number);
  showTrial(byId("trial"), trials.get(number ?? -1), () => choose(null));
}

/** On a phone the details stand above the table, out of sight. @param {number} number */
function chooseInTable(number) {
  choose(number);
  byId("trial").scrollIntoView({ block: "nearest" });
}

/** @param {string} text @param {string} [tone] */
function tell(text, tone = "bad") {
  show(
    byId("problem"),
    text && el("div", { class: `notice ${tone}`, role: tone === "bad" ? "alert" : "status" }, el("p", {}, text)),
  );
}

/** @param {Verb} verb */
async function move(verb) {
  if (verb === "cancel" && !window.confirm("Cancel this sweep? It ends now, without a conclusion.")) return;
  const buttons = byId("controls").querySelectorAll("button");
  buttons.forEach((b) => {
    b.disabled = true;
  });
  try {
    await api.move(id, verb);
    await refresh();
  } catch (error) {
    tell(error instanceof Error ? error.message : String(error));
  }
  byId("controls")
    .querySelectorAll("button")
    .forEach((b) => {
      b.disabled = false;
    });
}

/** @param {Sweep} now */
function showSweep(now) {
  sweep = now;
  document.title = `${now.name || id} · sweep service`;
  byId("name").textContent = now.name || id;
  show(byId("state"), el("span", { class: format.tone(now.state) }, format.words(now.state)));
  byId("facts").textContent = facts(now);
  showControls(byId("controls"), now, move);
  showProgress(byId("progress"), now);
  if (now.state === "FAILED") tell(`The sweep failed: ${now.error ?? "its trials below may tell why."}`);
  else if (now.state === "CANCELLED") tell("The sweep was cancelled; what it had found until then is below.", "warn");
  else if (now.state === "PAUSED") tell("The sweep is paused: no further trial starts until it is resumed.", "warn");
  else if (now.state === "QUEUED") tell("The sweep waits for a worker.", "info");
  else tell("");
}

function noteChart() {
  if (response) byId("chart-note").textContent = chartNote(response, chart.beyond);
}

function drawChart() {
  if (!answered) return;
  response = withOthers(answered, trials.values());
  const drawn = chart.update(response);
  const empty = byId("chart-empty");
  empty.hidden = drawn;
  empty.parentElement?.classList.toggle("none", !drawn);
  const why = ENDED.has(sweep?.state ?? "")
    ? "No trial was completed, so there is no response to draw."
    : "The first dots appear when a trial is complete.";
  if (!drawn) show(empty, el("p", { class: "muted" }, why));
  for (const part of ["chart-key", "chart-text", "chart-tools", "chart-note"]) byId(part).hidden = !drawn;
  byId("chart").setAttribute("aria-label", chartLabel(response));
  noteChart();
  showText(byId("chart-table"), response);
}

/** A failed part shows its own sentence in its place and leaves the others alone. @param {HTMLElement} place */
const failedIn = (place) => (/** @type {any} */ error) =>
  show(place, el("p", { class: "notice bad", role: "alert" }, error.message));

/** @param {boolean} hidden the parts that there is nothing to say in */
function hideParts(hidden) {
  for (const part of document.querySelectorAll("#sweep > section")) part.toggleAttribute("hidden", hidden);
}

/** @returns {Promise<boolean>} whether the sweep could be read */
async function refreshSweep() {
  try {
    showSweep(await api.readSweep(id));
    hideParts(false);
    return true;
  } catch (error) {
    const gone = error instanceof api.ApiError && error.status === 404;
    if (!sweep) hideParts(true);
    if (gone) unfollow();
    tell(gone ? `There is no sweep ${id}. It may have been deleted.` : String(/** @type {Error} */ (error).message));
    return false;
  }
}

async function refreshResponse() {
  try {
    answered = await api.readResponse(id);
    drawChart();
  } catch (error) {
    byId("chart-empty").hidden = false;
    failedIn(byId("chart-empty"))(error);
  }
}

async function refreshTrials() {
  const rows = await reader.read();
  const first = trials.size === 0;
  for (const trial of rows) trials.set(trial.number, trial);
  drawChart();
  const metric = response?.metric ?? sweep?.spec?.objective?.metric ?? "MAE";
  table.update(rows, metric, response?.best?.trial ?? null);
  if (first && chosen !== null) choose(chosen);
  else if (!rows.length) show(byId("trial"));
  else showTrial(byId("trial"), trials.get(chosen ?? -1), () => choose(null));
}

async function refresh() {
  if (!(await refreshSweep())) return;
  const [answer] = await Promise.all([api.readBestDelta(id).catch(failedIn(byId("verdict"))), refreshResponse()]);
  if (answer) showVerdict(byId("verdict"), answer, response?.target_name ?? "");
  await refreshTrials().catch(failedIn(byId("trials")));
  if (ENDED.has(sweep?.state ?? "")) unfollow();
}

const update = throttled(refresh, REST_MS);
const unfollow = follow(api.eventsAddress(id), { change: update, link: (link) => showLink(byId("live"), link) });
window.addEventListener("pageshow", (event) => event.persisted && location.reload());
await update();
