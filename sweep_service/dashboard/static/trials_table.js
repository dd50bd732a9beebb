/** The trials as a sortable table in pages; choosing a row chooses the trial everywhere. */

import { el, show } from "./dom.js";
import * as format from "./format.js";

/** @typedef {import("./types.js").Trial} Trial */
/** @typedef {{name: string, key: string, number: boolean, of: (t: Trial) => any, text: (t: Trial) => string}} Column */

const PAGE = 25;

export class TrialsTable {
  /**
   * @param {HTMLElement} place
   * @param {{choose: (number: number) => void, sorted: (sort: string) => void}} to
   * @param {string} sort a column's key, with a minus for the other way: "value", "-number"
   */
  constructor(place, to, sort) {
    this.place = place;
    this.to = to;
    /** @type {Trial[]} */
    this.trials = [];
    this.metric = "MAE";
    this.best = /** @type {number|null} */ (null);
    this.chosen = /** @type {number|null} */ (null);
    this.page = 0;
    this.descending = sort.startsWith("-");
    this.key = sort.replace("-", "");
  }

  /** @param {Trial[]} trials @param {string} metric @param {number|null} best */
  update(trials, metric, best) {
    Object.assign(this, { trials, metric, best });
    this.draw();
  }

  /** @param {number} number chooses a trial and turns to its page */
  choose(number) {
    this.chosen = number;
    const at = this.ordered().findIndex((t) => t.number === number);
    if (at >= 0) this.page = Math.floor(at / PAGE);
    this.draw();
  }

  /** @returns {Column[]} */
  columns() {
    const names = new Set(this.trials.slice(0, 200).flatMap((t) => Object.keys(t.parameters)));
    names.delete("delta");
    const varying = [...names].filter((n) => new Set(this.trials.map((t) => JSON.stringify(t.parameters[n]))).size > 1);
    const value = (/** @type {Trial} */ t) => t.values[this.metric];
    // A pruned trial's value is of fewer epochs: it is shown, and ranked behind those that went all the way.
    const rank = (/** @type {Trial} */ t) => (t.state === "COMPLETE" ? value(t) : undefined);
    return [
      { name: "Trial", key: "number", number: true, of: (t) => t.number, text: (t) => String(t.number) },
      { name: "State", key: "state", number: false, of: (t) => t.state, text: (t) => t.state },
      { name: this.metric, key: "value", number: true, of: rank, text: (t) => format.number(value(t), 5, true) },
      {
        name: "δ",
        key: "delta",
        number: true,
        of: (t) => t.delta?.target,
        text: (t) => (t.delta ? format.number(t.delta.target, 4, true) : t.loss),
      },
      {
        name: "δ / σ",
        key: "sigma",
        number: true,
        of: (t) => t.delta?.sigma,
        text: (t) => format.number(t.delta?.sigma, 4, true),
      },
      ...varying.map((n) => ({
        name: n.replaceAll("_", " "),
        key: `parameters.${n}`,
        number: typeof this.trials.find((t) => n in t.parameters)?.parameters[n] === "number",
        of: (/** @type {Trial} */ t) => t.parameters[n],
        text: (/** @type {Trial} */ t) => format.parameter(t.parameters[n]),
      })),
    ];
  }

  /** @returns {Trial[]} trials without a value in the sorted column come last, whichever way */
  ordered() {
    const column = this.columns().find((c) => c.key === this.key) ?? this.columns()[0];
    const way = this.descending ? -1 : 1;
    const missing = (/** @type {any} */ v) => v === null || v === undefined;
    return [...this.trials].sort((a, b) => {
      const [x, y] = [column.of(a), column.of(b)];
      if (missing(x) || missing(y)) return Number(missing(x)) - Number(missing(y)) || a.number - b.number;
      return (x < y ? -way : x > y ? way : 0) || a.number - b.number;
    });
  }

  draw() {
    if (!this.trials.length) {
      show(
        this.place,
        el(
          "p",
          { class: "muted" },
          "No trial has been planned yet. They appear here as soon as a worker takes the sweep up.",
        ),
      );
      return;
    }
    const columns = this.columns();
    const rows = this.ordered();
    const pages = Math.ceil(rows.length / PAGE);
    this.page = Math.min(this.page, pages - 1);
    const shown = rows.slice(this.page * PAGE, (this.page + 1) * PAGE);
    show(
      this.place,
      el(
        "div",
        { class: "scroll", tabindex: "0", role: "region", "aria-label": "Trials, scrollable" },
        el(
          "table",
          { class: "trials" },
          el(
            "thead",
            {},
            el(
              "tr",
              {},
              columns.map((c) => this.heading(c)),
            ),
          ),
          el(
            "tbody",
            {},
            shown.map((t) => this.row(t, columns)),
          ),
        ),
      ),
      pages > 1 &&
        el(
          "div",
          { class: "pager" },
          this.turn("previous", "Previous", -1, this.page === 0),
          el(
            "span",
            { role: "status" },
            `${format.count(this.page * PAGE + 1)} to ${format.count(this.page * PAGE + shown.length)} of ${format.count(rows.length)}`,
          ),
          this.turn("next", "Next", 1, this.page >= pages - 1),
        ),
    );
  }

  /** @param {string} key @param {string} name @param {number} by @param {boolean} disabled */
  turn(key, name, by, disabled) {
    return el(
      "button",
      {
        type: "button",
        "data-key": key,
        disabled,
        onclick: () => {
          this.page += by;
          this.draw();
        },
      },
      name,
    );
  }

  /** @param {Column} column */
  heading(column) {
    const now = this.key === column.key;
    const sort = () => {
      this.descending = now && !this.descending;
      this.key = column.key;
      this.page = 0;
      this.draw();
      this.to.sorted(`${this.descending ? "-" : ""}${this.key}`);
    };
    return el(
      "th",
      {
        scope: "col",
        class: column.number ? "number" : null,
        "aria-sort": now ? (this.descending ? "descending" : "ascending") : "none",
      },
      el("button", { type: "button", "data-key": `sort-${column.key}`, onclick: sort }, column.name),
    );
  }

  /** @param {Trial} trial @param {Column[]} columns */
  row(trial, columns) {
    const chosen = trial.number === this.chosen;
    const pick = () => this.to.choose(trial.number);
    const names = ["row", chosen && "chosen", trial.number === this.best && "best"].filter(Boolean).join(" ");
    return el(
      "tr",
      { class: names, "aria-current": chosen ? "true" : null, onclick: pick },
      columns.map((column) => {
        if (column.key === "number") {
          const link = el(
            "button",
            {
              type: "button",
              class: "row-link",
              "data-key": `trial-${trial.number}`,
              "aria-label": `Trial ${trial.number}`,
            },
            String(trial.number),
          );
          return el("td", { class: "number" }, link);
        }
        if (column.key === "state") {
          return el(
            "td",
            {},
            el("span", { class: format.tone(trial.state) }, format.words(trial.state)),
            trial.anchor && ` ${format.anchorName(trial.anchor)}`,
          );
        }
        return el("td", { class: column.number ? "number" : null }, column.text(trial));
      }),
    );
  }
}
