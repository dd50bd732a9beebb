/** How far a sweep is, in what state, and the buttons that move it. */

import { el, show } from "./dom.js";
import * as format from "./format.js";

/** @typedef {import("./types.js").Sweep} Sweep @typedef {"pause"|"resume"|"stop"|"cancel"} Verb */

export const ENDED = new Set(["SUCCEEDED", "FAILED", "CANCELLED"]);
const VERBS = /** @type {[Verb, string, string, string[]][]} */ ([
  ["pause", "Pause", "Queued trials wait; those running are finished", ["QUEUED", "RUNNING"]],
  ["resume", "Resume", "Goes on where it was paused", ["PAUSED"]],
  ["stop", "Stop", "Samples no more trials, then confirms and concludes", ["QUEUED", "RUNNING", "PAUSED"]],
  [
    "cancel",
    "Cancel",
    "Ends the sweep now, without a conclusion",
    ["QUEUED", "RUNNING", "PAUSED", "STOPPING", "FINALIZING"],
  ],
]);

/** @param {HTMLElement} place @param {Sweep} sweep @param {(verb: Verb) => void} move */
export function showControls(place, sweep, move) {
  const open = VERBS.filter(([, , , states]) => states.includes(sweep.state));
  show(
    place,
    open.map(([verb, name, title]) =>
      el(
        "button",
        {
          type: "button",
          title,
          "data-key": verb,
          class: verb === "cancel" ? "danger" : null,
          onclick: () => move(verb),
        },
        name,
      ),
    ),
  );
}

/** @param {HTMLElement} place @param {Sweep} sweep */
export function showProgress(place, sweep) {
  const { counters: c, progress: p, state } = sweep;
  const ended = ENDED.has(state);
  const percent = Math.round(100 * p.fraction);
  const phase =
    ended || state === "QUEUED"
      ? format.words(state)
      : state === "RUNNING"
        ? format.words(p.phase)
        : `${format.words(state)}, ${format.words(p.phase).toLowerCase()}`;
  const items = /** @type {[string, string][]} */ ([
    [
      format.count(c.trials_complete),
      `complete of ${format.count(sweep.spec?.budget?.max_trials ?? c.trials_planned)} trials and ${format.count(c.anchors)} anchors`,
    ],
    [format.count(c.trials_pruned), "pruned"],
    [format.count(c.trials_failed), "failed"],
    [
      format.count(p.runs_done),
      `runs${p.runs_expected > p.runs_done ? ` of about ${format.count(p.runs_expected)}` : ""}`,
    ],
  ]);
  show(
    place,
    steps(sweep),
    el("progress", {
      class: state === "FAILED" ? "bad" : null,
      max: 100,
      value: percent,
      "aria-label": `${phase}, ${percent} % done`,
    }),
    el(
      "ul",
      { class: "counts" },
      el("li", {}, el("b", {}, `${percent} %`), ended ? "" : ` ${phase.toLowerCase()}`),
      items.map(([value, name]) => el("li", {}, el("b", {}, value), ` ${name}`)),
    ),
  );
}

/** Where the sweep is on its way. @param {Sweep} sweep */
function steps(sweep) {
  const { state } = sweep;
  const at =
    state === "QUEUED"
      ? 0
      : ENDED.has(state)
        ? 3
        : state === "FINALIZING" || ["CONFIRM", "FINAL"].includes(sweep.progress.phase)
          ? 2
          : 1;
  const end = { SUCCEEDED: "Succeeded", FAILED: "Failed", CANCELLED: "Cancelled" }[state] ?? "Done";
  // A sweep that failed or was cancelled has not been confirmed, though it has ended.
  const skipped = state === "FAILED" || state === "CANCELLED";
  const names = [
    `Queued ${format.moment(sweep.created_at)}`,
    state === "PAUSED" ? "Search (paused)" : "Search",
    "Confirm and conclude",
    sweep.ended_at ? `${end} ${format.moment(sweep.ended_at)}` : end,
  ];
  return el(
    "ol",
    { class: "steps", "aria-label": "States" },
    names.map((name, i) =>
      el(
        "li",
        {
          class: i === at ? "now" : i < at && !(i === 2 && skipped) ? "past" : null,
          "aria-current": i === at ? "step" : null,
        },
        name,
      ),
    ),
  );
}

/** What it was asked, in a line. @param {Sweep} sweep */
export function facts(sweep) {
  const spec = sweep.spec ?? {};
  const dataset = spec.dataset ?? sweep.dataset;
  const name =
    typeof dataset === "string"
      ? dataset
      : dataset && `${dataset.name}${dataset.version ? ` v${dataset.version}` : ""}`;
  const took = format.elapsed(sweep.started_at, sweep.ended_at);
  return [
    name && `dataset ${name}`,
    spec.objective?.metric && `objective ${spec.objective.metric}`,
    spec.sampler?.name && `sampler ${spec.sampler.name}`,
    sweep.started_at && `${ENDED.has(sweep.state) ? "took" : "running for"} ${format.duration(took)}`,
    sweep.end_reason && `ended by ${format.words(sweep.end_reason).toLowerCase()}`,
    ...Object.entries(sweep.labels ?? {}).map(([k, v]) => `${k}: ${v}`),
    `id ${sweep.id}`,
  ]
    .filter(Boolean)
    .join(" · ");
}
