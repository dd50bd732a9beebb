/** The marks of the delta response, one ECharts series each, told apart by their ids. */

import * as format from "./format.js";
import { deltaRange } from "./response_scale.js";

/** @typedef {import("./types.js").Response} Response_ @typedef {import("./theme.js").Look} Look */
/** @typedef {import("./response_option.js").View} View @typedef {{low: number, high: number}} Range of the metric */

const { log10 } = Math;

/** @param {Response_} response @param {Look} look @param {View} view @param {Range} range @returns {any[]} back to front */
export function responseSeries(response, look, view, range) {
  return [
    ...background(response, look, view, range),
    ...trialSeries(response, look, range),
    ...anchorSeries(response, look),
    ...bestSeries(response, look),
    chosenSeries(response, look, view, range),
  ];
}

/**
 * The shaded interval, the band, the median and the two limits.
 *
 * @param {Response_} response @param {Look} look @param {View} view @param {Range} range
 */
function background(response, look, view, range) {
  const { band, equivalent } = response;
  const [low, high] = /** @type {[number, number]} */ (deltaRange(response));
  const ends = [Math.max(low, equivalent?.low ?? low), Math.min(high, equivalent?.high ?? high)].map(log10);
  const area = equivalent
    ? [[{ xAxis: ends[0], name: view.narrow ? "" : "as good as the best" }, { xAxis: ends[1] }]]
    : [];
  const x = band.delta.map(log10);
  return [
    {
      id: "equivalent",
      type: "line",
      data: [],
      silent: true,
      markArea: {
        silent: true,
        data: area,
        itemStyle: { color: look.equivalent, opacity: 0.15 },
        label: { position: "insideTop", color: look.muted, fontSize: 11, distance: 17 },
      },
    },
    // One polygon: two stacked areas, the usual way, vanish on a log axis.
    {
      id: "band",
      type: "custom",
      silent: true,
      clip: true,
      data: band.delta.length ? [[x[0], band.median[0]]] : [],
      renderItem: (/** @type {any} */ _params, /** @type {any} */ api) => ({
        type: "polygon",
        style: { fill: look.band, opacity: 0.17 },
        shape: {
          points: [
            ...x.map((d, i) => api.coord([d, band.high[i]])),
            ...x.map((d, i) => api.coord([d, band.low[i]])).reverse(),
          ],
        },
      }),
    },
    {
      id: "median",
      type: "line",
      silent: true,
      showSymbol: false,
      clip: true,
      z: 5,
      data: x.map((d, i) => [d, band.median[i]]),
      lineStyle: { color: look.median, width: 2.2 },
    },
    limits(response, look, range),
  ];
}

/**
 * MSE and MAE: they have no delta of their own, being its limits.
 *
 * @param {Response_} response @param {Look} look @param {Range} range
 */
function limits(response, look, range) {
  const lines = response.anchors
    .filter((a) => a.delta === null && a.value !== null)
    .sort((a, b) => Number(b.value) - Number(a.value));
  const near =
    lines.length > 1 && Math.abs(Number(lines[0].value) - Number(lines[1].value)) < (range.high - range.low) / 12;
  return {
    id: "limits",
    type: "line",
    data: [],
    markLine: {
      silent: true,
      symbol: "none",
      animation: false,
      data: lines.map((a, i) => {
        const color = a.label === "MSE" ? look.mse : look.mae;
        return {
          yAxis: a.value,
          lineStyle: { color, width: 1.6, type: a.label === "MSE" ? [9, 4] : [3, 3] },
          label: {
            formatter: `${a.label} ${format.number(a.value, 4)}`,
            color,
            fontSize: 12,
            fontWeight: 600,
            ...halo(look),
            position: near && i ? "insideEndBottom" : "insideEndTop",
          },
        };
      }),
    },
  };
}

/** @param {Response_} response @param {Look} look @param {Range} range */
function trialSeries(response, look, range) {
  /** @type {Object<string, any[]>} */
  const groups = { complete: [], pruned: [], outside: [], failed: [] };
  const { points } = response;
  // A hair inside, since what lies on the edge itself may be clipped with what lies beyond it.
  const edge = (range.high - range.low) / 1000;
  points.number.forEach((trial, i) => {
    const value = points.value[i];
    if (!(points.delta[i] > 0)) return;
    const x = log10(points.delta[i]);
    if (value === null || value === undefined) {
      if (points.state[i] === "FAILED" || points.state[i] === "TIMED_OUT")
        groups.failed.push([x, range.low + edge, trial]);
    } else if (value > range.high || value < range.low)
      groups.outside.push([x, value > range.high ? range.high - edge : range.low + edge, trial]);
    else groups[points.state[i] === "COMPLETE" ? "complete" : "pruned"].push([x, value, trial]);
  });
  const many = groups.complete.length > 1500;
  const crowded = (/** @type {string} */ id) => (groups[id].length > 60 ? 0.45 : 1);
  const one = (/** @type {string} */ id, /** @type {any} */ more) => ({
    id,
    type: "scatter",
    data: groups[id],
    encode: { x: 0, y: 1 },
    clip: true,
    z: 4,
    ...more,
  });
  return [
    one("complete", {
      symbol: "circle",
      symbolSize: many ? 5 : 8,
      itemStyle: { color: look.trial, opacity: many ? 0.35 : 0.85 },
    }),
    one("pruned", {
      symbol: "circle",
      symbolSize: many ? 4 : 7,
      z: 3,
      itemStyle: { color: "transparent", borderColor: look.pruned, borderWidth: 1.2, opacity: many ? 0.45 : 1 },
    }),
    one("outside", {
      symbol: "triangle",
      symbolSize: 8,
      symbolOffset: [0, 5],
      itemStyle: { color: look.pruned, opacity: crowded("outside") },
    }),
    one("failed", {
      symbol: CROSS,
      symbolSize: 8,
      symbolOffset: [0, -7],
      itemStyle: { color: look.failed, opacity: crowded("failed") },
    }),
  ];
}

const CROSS = "path://M0 1 L1 0 L4 3 L7 0 L8 1 L5 4 L8 7 L7 8 L4 5 L1 8 L0 7 L3 4 Z";

/** @param {Look} look a rim in the ground's colour, so that a label stays readable over dots */
const halo = (look) => ({ textBorderColor: look.card, textBorderWidth: 3 });

/** @param {string} id @param {any[]} data rows [log delta, value, trial, low, high] @param {string} color */
function errorBars(id, data, color) {
  return {
    id,
    type: "custom",
    silent: true,
    clip: true,
    z: 5,
    data: data.filter((row) => row[3] !== null && row[4] !== null),
    renderItem: (/** @type {any} */ _params, /** @type {any} */ api) => {
      const [x, top] = api.coord([api.value(0), api.value(4)]);
      const bottom = api.coord([api.value(0), api.value(3)])[1];
      const part = (
        /** @type {number} */ x1,
        /** @type {number} */ y1,
        /** @type {number} */ x2,
        /** @type {number} */ y2,
      ) => ({ type: "line", shape: { x1, y1, x2, y2 }, style: { stroke: color, lineWidth: 1.8 } });
      return {
        type: "group",
        children: [part(x, top, x, bottom), part(x - 4, top, x + 4, top), part(x - 4, bottom, x + 4, bottom)],
      };
    },
  };
}

/** @param {string} label of an anchor */
const shortName = (label) => label.replace(/^([\d.]+) SIGMA$/, "$1 σ").replace(/^([\d.]+) TARGET$/, "δ = $1");

/** @param {Response_} response @param {Look} look */
function anchorSeries(response, look) {
  const rows = response.anchors.filter((a) => a.delta !== null && a.value !== null);
  const data = rows.map((a) => [log10(Number(a.delta)), a.value, a.trial, a.low, a.high]);
  return [
    errorBars("anchor-bars", data, look.anchor),
    {
      id: "anchors",
      type: "scatter",
      symbol: "diamond",
      symbolSize: 13,
      z: 6,
      data,
      encode: { x: 0, y: 1 },
      itemStyle: { color: look["anchor-fill"], borderColor: look.anchor, borderWidth: 1.5 },
    },
    // Named above their bars, the best below its own: so they stay apart where an anchor is next to the best.
    {
      id: "anchor-names",
      type: "scatter",
      symbol: "circle",
      symbolSize: 1,
      silent: true,
      z: 6,
      data: data.map(([d, v, , , high]) => [d, high ?? v]),
      encode: { x: 0, y: 1 },
      labelLayout: { moveOverlap: "shiftY" },
      label: {
        show: true,
        position: "top",
        distance: 4,
        color: look.anchor,
        fontSize: 12,
        fontWeight: 600,
        ...halo(look),
        formatter: (/** @type {any} */ p) => shortName(rows[p.dataIndex]?.label ?? ""),
      },
    },
  ];
}

/** @param {Response_} response @param {Look} look */
function bestSeries(response, look) {
  const { best } = response;
  const data = best ? [[log10(best.delta), best.value, best.trial, best.low, best.high]] : [];
  return [
    errorBars("best-bar", data, look.best),
    {
      id: "best",
      type: "scatter",
      symbol: "circle",
      symbolSize: 13,
      z: 7,
      data,
      encode: { x: 0, y: 1 },
      itemStyle: { color: look.best, borderColor: look.card, borderWidth: 1.5 },
    },
    {
      id: "best-name",
      type: "scatter",
      symbol: "circle",
      symbolSize: 1,
      silent: true,
      z: 7,
      data: best ? [[log10(best.delta), best.low ?? best.value]] : [],
      encode: { x: 0, y: 1 },
      label: {
        show: true,
        position: "bottom",
        distance: best && best.low === null ? 9 : 3,
        color: look.best,
        fontSize: 12,
        fontWeight: 700,
        ...halo(look),
        formatter: best ? `best ${format.number(best.delta, 3)}` : "",
      },
    },
  ];
}

/**
 * The ring round the trial that the reader chose.
 *
 * @param {Response_} response @param {Look} look @param {View} view @param {Range} range
 */
function chosenSeries(response, look, view, range) {
  const at = response.points.number.indexOf(view.chosen ?? -1);
  const anchor = response.anchors.find((a) => a.trial === view.chosen && a.delta !== null);
  const delta = at >= 0 ? response.points.delta[at] : anchor?.delta;
  const value = at >= 0 ? (response.points.value[at] ?? range.low) : anchor?.value;
  const inside = typeof delta === "number" && delta > 0 && value !== undefined && value !== null;
  return {
    id: "chosen",
    type: "scatter",
    silent: true,
    symbol: "circle",
    symbolSize: 20,
    z: 8,
    data: inside ? [[log10(delta), Math.min(range.high, Math.max(range.low, value))]] : [],
    itemStyle: { color: "transparent", borderColor: look.ink, borderWidth: 2 },
  };
}
