/** The answer first: the verdict in words, the best delta in three units, and the gains over the anchors. */

import { el, show } from "./dom.js";
import * as format from "./format.js";

/** @typedef {import("./types.js").BestDelta} BestDelta */

/** @param {HTMLElement} place @param {BestDelta} answer @param {string} target the target's name, or "" */
export function showVerdict(place, answer, target) {
  const { verdict, status } = answer;
  show(
    place,
    el(
      "div",
      {},
      el("span", { class: format.tone(verdict.kind) }, format.words(verdict.kind)),
      " ",
      status !== "NONE" && el("span", { class: format.tone(status) }, format.words(status)),
    ),
    el("p", { class: "verdict-sentence" }, verdict.sentence),
    answer.delta && el("div", { class: "answers" }, bestDelta(answer, target), gains(answer)),
    answer.warnings.length > 0 &&
      el(
        "ul",
        { class: "warnings", "aria-label": "Warnings" },
        answer.warnings.map((w) => el("li", {}, w)),
      ),
  );
}

/** @param {BestDelta} answer @param {string} target */
function bestDelta(answer, target) {
  const { delta, objective, recommended } = answer;
  const score =
    objective &&
    objective.value !== null &&
    `${objective.metric} ${format.number(objective.value)}${objective.standard_error === null ? "" : ` ± ${format.number(objective.standard_error, 2)} (standard error)`}`;
  return el(
    "div",
    {},
    el("h2", {}, `Best delta${answer.trial === null ? "" : ` (trial ${answer.trial})`}`),
    el(
      "dl",
      { class: "units" },
      el("dt", {}, format.number(delta?.target)),
      el("dd", {}, `target units${target ? ` (${target})` : ""}`),
      el("dt", {}, format.number(delta?.sigma)),
      el("dd", {}, "σ of the residuals"),
      el("dt", {}, format.number(delta?.standardised)),
      el("dd", {}, "standardised units"),
    ),
    score && el("p", {}, score),
    recommended && el("p", {}, el("strong", {}, "Recommended: "), recommended.sentence),
    answer.equivalent && el("p", { class: "muted" }, answer.equivalent.sentence),
  );
}

/** @param {BestDelta} answer */
function gains(answer) {
  if (!answer.gains.length)
    return el(
      "div",
      {},
      el("h2", {}, "Gain over the anchors"),
      el("p", { class: "muted" }, "No anchor has been trained yet."),
    );
  const metric = answer.objective?.metric ?? "value";
  const head = el(
    "tr",
    {},
    el("th", { scope: "col" }, "Anchor"),
    ...[metric, "Gain", "Interval of the gain", "p (Holm)"].map((t) => el("th", { scope: "col", class: "number" }, t)),
  );
  return el(
    "div",
    {},
    el("h2", {}, "Gain over the anchors"),
    el(
      "div",
      { class: "scroll", tabindex: "0", role: "region", "aria-label": "Gain over the anchors" },
      el(
        "table",
        {},
        el("thead", {}, head),
        el(
          "tbody",
          {},
          answer.gains.map((g) =>
            el(
              "tr",
              {},
              el("th", { scope: "row" }, format.anchorName(g.anchor)),
              ...[
                format.number(g.value, 4, true),
                `${format.signed(g.gain)} (${format.percent(g.gain_percent, 2)})`,
                g.interval ? `${format.signed(g.interval[0], 2)} to ${format.signed(g.interval[1], 2)}` : "–",
                format.number(g.p_holm, 2),
              ].map((t) => el("td", { class: "number" }, t)),
            ),
          ),
        ),
      ),
    ),
    answer.apparent_gain !== null &&
      el(
        "p",
        { class: "muted" },
        `Apparent gain in the search ${format.signed(answer.apparent_gain)}; `,
        answer.confirmed_gain === null
          ? "not confirmed on fresh seeds yet."
          : `confirmed on fresh seeds ${format.signed(answer.confirmed_gain)}.`,
      ),
  );
}
