/** What is known of the chosen trial. */

import { definitions, el, show } from "./dom.js";
import * as format from "./format.js";

/** @typedef {import("./types.js").Trial} Trial */

/** @param {HTMLElement} place @param {Trial|undefined} trial @param {() => void} close */
export function showTrial(place, trial, close) {
  place.classList.toggle("none", !trial);
  if (!trial) {
    show(place, el("p", { class: "muted" }, "Choose a trial in the chart or the table to see its parameters."));
    return;
  }
  const { delta, engine } = trial;
  const rows = (/** @type {Object<string, any>} */ of) =>
    /** @type {[string, string][]} */ (
      Object.entries(of).map(([k, v]) => [k.replaceAll("_", " "), format.parameter(v)])
    );
  const own = Object.fromEntries(Object.entries(trial.parameters).filter(([name]) => name !== "delta"));
  show(
    place,
    el(
      "div",
      { class: "card-head" },
      el("h3", {}, trial.anchor ? `Anchor ${format.anchorName(trial.anchor)}` : `Trial ${trial.number}`),
      el("button", { type: "button", "data-key": "close", onclick: close }, "Close"),
    ),
    el(
      "p",
      {},
      el("span", { class: format.tone(trial.state) }, format.words(trial.state)),
      ` ${format.words(trial.loss)} loss, generation ${trial.generation}`,
      trial.anchor && `, trial ${trial.number}`,
      trial.excluded && ", excluded",
    ),
    trial.reason && el("p", { class: "reason" }, trial.reason),
    delta &&
      definitions([
        ["δ, target units", format.number(delta.target)],
        ["δ / σ", format.number(delta.sigma)],
        ["δ, standardised", format.number(delta.standardised)],
      ]),
    el("h3", {}, "Values"),
    Object.keys(trial.values).length
      ? definitions(Object.entries(trial.values).map(([k, v]) => [k, format.number(v, 5)]))
      : el("p", { class: "muted" }, "none yet"),
    el("h3", {}, "Parameters"),
    definitions(rows(own)),
    Object.keys(engine ?? {}).length > 0 && el("details", {}, el("summary", {}, "Engine"), definitions(rows(engine))),
  );
}
