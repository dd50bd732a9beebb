/** Round the chart: its tools, its key, and the same content as text. */

import { el, show } from "./dom.js";
import * as format from "./format.js";

/** @typedef {import("./types.js").Response} Response_ @typedef {import("./response_chart.js").ResponseChart} ResponseChart */

/** @param {HTMLElement} place @param {ResponseChart} chart @param {() => string} name @param {() => void} redrawn */
export function addTools(place, chart, name, redrawn) {
  const button = (/** @type {string} */ text, /** @type {string} */ label, /** @type {() => void} */ act) =>
    el("button", { type: "button", "aria-label": label, title: label, onclick: act }, text);
  const all = el(
    "button",
    {
      type: "button",
      "aria-pressed": "false",
      title: "Also show trials far outside the usual range",
      id: "all-values",
      onclick: () => {
        chart.set({ all: !chart.view.all });
        all.setAttribute("aria-pressed", String(chart.view.all));
        redrawn();
      },
    },
    "All values",
  );
  place.append(
    all,
    button("+", "Zoom in", () => chart.zoom(0.6)),
    button("−", "Zoom out", () => chart.zoom(1 / 0.6)),
    button("←", "Move left", () => chart.pan(-25)),
    button("→", "Move right", () => chart.pan(25)),
    button("Reset", "Reset the zoom", () => chart.set({ zoom: [0, 100] })),
    .../** @type {const} */ (["png", "svg", "csv"]).map((kind) =>
      button(kind.toUpperCase(), `Save as ${kind.toUpperCase()}`, () => chart.save(kind, name())),
    ),
  );
}

const KEY = [
  ["Complete trial", "trial", "dot"],
  ["Pruned trial", "pruned", "ring"],
  ["Failed trial", "failed", "cross"],
  ["Median and its band", "median", "band"],
  ["Best, with its interval", "best", "dot"],
  ["Anchor", "anchor", "diamond"],
  ["MSE limit", "mse", "dashes"],
  ["MAE limit", "mae", "dots"],
  ["As good as the best", "equivalent", "area"],
];

const SHAPES = /** @type {Object<string, [string, Object<string, string>][]>} */ ({
  dot: [["circle", { cx: "11", cy: "7", r: "4.5", fill: "C" }]],
  ring: [["circle", { cx: "11", cy: "7", r: "4", fill: "none", stroke: "C", "stroke-width": "1.4" }]],
  cross: [["path", { d: "M7 3 L15 11 M15 3 L7 11", stroke: "C", "stroke-width": "2" }]],
  band: [
    ["rect", { x: "0", y: "1", width: "22", height: "12", fill: "C", opacity: "0.2" }],
    ["path", { d: "M0 7 H22", stroke: "C", "stroke-width": "2.2" }],
  ],
  diamond: [
    ["path", { d: "M11 1 L17 7 L11 13 L5 7 Z", fill: "var(--anchor-fill)", stroke: "C", "stroke-width": "1.5" }],
  ],
  dashes: [["path", { d: "M0 7 H22", stroke: "C", "stroke-width": "2", "stroke-dasharray": "9 4" }]],
  dots: [["path", { d: "M0 7 H22", stroke: "C", "stroke-width": "2", "stroke-dasharray": "3 3" }]],
  area: [["rect", { x: "0", y: "1", width: "22", height: "12", fill: "C", opacity: "0.3" }]],
});

/** @param {HTMLElement} place */
export function addKey(place) {
  for (const [name, colour, shape] of KEY) {
    const mark = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    mark.setAttribute("viewBox", "0 0 22 14");
    mark.setAttribute("aria-hidden", "true");
    for (const [tag, attributes] of SHAPES[shape]) {
      const part = document.createElementNS("http://www.w3.org/2000/svg", tag);
      for (const [k, v] of Object.entries(attributes)) part.setAttribute(k, v === "C" ? `var(--${colour})` : v);
      mark.append(part);
    }
    place.append(el("li", {}, mark, name));
  }
}

/** @param {Response_} response @param {number} beyond */
export function chartNote(response, beyond) {
  const better = response.direction === "MAXIMIZE" ? "higher" : "lower";
  const hidden = beyond
    ? ` ${format.count(beyond)} ${beyond === 1 ? "trial lies" : "trials lie"} outside the range shown (grey triangles).`
    : "";
  return `Validation ${response.metric} against δ: ${better} is better. One dot a trial; the band is the interval of the median.${hidden}`;
}

/** @param {Response_} response @returns {string} the chart in a sentence, for those who do not see it */
export function chartLabel(response) {
  const { best, points } = response;
  const limits = response.anchors
    .filter((a) => a.delta === null)
    .map((a) => `${a.label} ${format.number(a.value)}`)
    .join(", ");
  return `Delta response: ${response.metric} of ${format.count(points.number.length)} trials against delta on a logarithmic axis. ${
    best ? `Best: trial ${best.trial} at delta ${format.number(best.delta)} with ${format.number(best.value)}. ` : ""
  }${limits ? `Limits: ${limits}.` : ""}`;
}

/** The marks but for the single trials, which stand in the table below. @param {HTMLElement} place @param {Response_} response */
export function showText(place, response) {
  const { best, band, sigma } = response;
  const line = (
    /** @type {string} */ name,
    /** @type {number|null} */ delta,
    /** @type {number|null} */ value,
    /** @type {number|null} */ low,
    /** @type {number|null} */ high,
  ) =>
    el(
      "tr",
      {},
      el("th", { scope: "row" }, name),
      ...[
        format.number(delta),
        format.number(delta !== null && sigma ? delta / sigma : null),
        format.number(value),
        low === null ? "–" : `${format.number(low)} to ${format.number(high)}`,
      ].map((t) => el("td", { class: "number" }, t)),
    );
  const every = Math.max(1, Math.floor(band.delta.length / 10));
  show(
    place,
    el(
      "div",
      { class: "scroll", tabindex: "0", role: "region", "aria-label": "The chart as a table" },
      el(
        "table",
        {},
        el(
          "thead",
          {},
          el(
            "tr",
            {},
            ...["Mark", "δ", "δ / σ", response.metric, "Interval"].map((t, i) =>
              el("th", { scope: "col", class: i ? "number" : null }, t),
            ),
          ),
        ),
        el(
          "tbody",
          {},
          best && line(`Best (trial ${best.trial})`, best.delta, best.value, best.low, best.high),
          response.anchors.map((a) => line(`Anchor ${format.anchorName(a.label)}`, a.delta, a.value, a.low, a.high)),
          band.delta.map((d, i) =>
            i % every === 0 ? line("Median", d, band.median[i], band.low[i], band.high[i]) : null,
          ),
        ),
      ),
    ),
  );
}
