/** The delta response as an ECharts option: what is drawn where, and no chart instance. */

import * as format from "./format.js";
import { deltaRange, logTicks, metricRange, plainTicks } from "./response_scale.js";

/** @typedef {import("./types.js").Response} Response_ @typedef {import("./theme.js").Look} Look */

/**
 * @typedef {{zoom: [number, number], all: boolean, chosen: number|null, narrow: boolean}} View
 *   `zoom` in percent of the log axis; `all` shows the outlying trials; `chosen` is a trial's number
 */

/** @param {Response_} response @param {View} view @returns {[number, number]} the range of delta in sight */
function inSight(response, view) {
  const [low, high] = /** @type {[number, number]} */ (deltaRange(response));
  const at = (/** @type {number} */ percent) => low * (high / low) ** (percent / 100);
  return [at(view.zoom[0]), at(view.zoom[1])];
}

/**
 * @param {Response_} response with at least one delta and one value
 * @param {Look} look @param {View} view
 * @returns {any} an ECharts option; series are told apart by their ids, so that it can be merged over the one before
 */
export function responseOption(response, look, view) {
  const range = /** @type {{low: number, high: number}} */ (metricRange(response, view.all));
  return {
    animation: false,
    backgroundColor: "transparent",
    textStyle: { fontFamily: look.font, color: look.ink },
    grid: { left: view.narrow ? 50 : 72, right: view.narrow ? 12 : 22, top: 58, bottom: 50, outerBoundsMode: "none" },
    ...axes(response, look, view, range),
    dataZoom: [{ type: "inside", xAxisIndex: [0, 1], filterMode: "none", zoomOnMouseWheel: "ctrl", moveOnMouseWheel: false,
      preventDefaultMouseMove: false, start: view.zoom[0], end: view.zoom[1], minSpan: 2 }],
    series: [
      ...background(response, look, range),
      ...trialSeries(response, look, range),
      ...anchorSeries(response, look),
      ...bestSeries(response, look),
      chosenSeries(response, look, view, range),
    ],
  };
}

/** @param {Response_} response @param {Look} look @param {View} view @param {{low: number, high: number}} range */
function axes(response, look, view, range) {
  const [low, high] = /** @type {[number, number]} */ (deltaRange(response));
  const shown = inSight(response, view);
  const sigma = response.sigma || 1;
  const line = { lineStyle: { color: look["line-strong"] } };
  const text = { color: look.muted, fontSize: 12, hideOverlap: true, formatter: (/** @type {number} */ v) => format.number(v, 3) };
  const name = { nameLocation: "middle", nameTextStyle: { color: look.ink, fontSize: 12 } };
  const logAxis = (/** @type {number} */ unit) => {
    const ticks = logTicks(shown[0] / unit, shown[1] / unit);
    return { type: "log", min: low / unit, max: high / unit, axisLine: { ...line, onZero: false }, minorTick: { show: false },
      axisTick: { ...line, customValues: ticks }, axisLabel: { ...text, customValues: ticks }, ...name };
  };
  const ticks = plainTicks(range.low, range.high, 6);
  return {
    xAxis: [
      { ...logAxis(1), id: "target", position: "bottom", name: `δ in target units${response.target_name ? ` (${response.target_name})` : ""}`,
        nameGap: 28, splitLine: { show: false } },
      { ...logAxis(sigma), id: "sigma", position: "top", show: response.sigma !== null, name: "δ in σ of the residuals", nameGap: 28,
        splitLine: { show: false } },
    ],
    yAxis: { type: "value", min: range.low, max: range.high, name: `validation ${response.metric}`, nameGap: view.narrow ? 36 : 50, ...name,
      axisLabel: { ...text, customValues: ticks, formatter: (/** @type {number} */ v) => format.number(v, 4) },
      axisTick: { show: false, customValues: ticks }, splitLine: { show: true, lineStyle: { color: look.line } } },
  };
}

/** The shaded interval, the band, the median and the two limits. @param {Response_} response @param {Look} look @param {{low: number, high: number}} range */
function background(response, look, range) {
  const { band, equivalent } = response;
  const [low, high] = /** @type {[number, number]} */ (deltaRange(response));
  const area = equivalent ? [[{ xAxis: equivalent.low ?? low, name: "as good as the best" }, { xAxis: equivalent.high ?? high }]] : [];
  return [
    { id: "equivalent", type: "line", data: [], silent: true, markArea: { silent: true, data: area, itemStyle: { color: look.equivalent, opacity: 0.15 },
      label: { position: "insideTop", color: look.muted, fontSize: 11, distance: 17 } } },
    // One polygon: two stacked areas, the usual way, vanish on a log axis.
    { id: "band", type: "custom", silent: true, clip: true, data: band.delta.length ? [[band.delta[0], band.median[0]]] : [],
      renderItem: (/** @type {any} */ _params, /** @type {any} */ api) => ({ type: "polygon", style: { fill: look.band, opacity: 0.17 },
        shape: { points: [...band.delta.map((d, i) => api.coord([d, band.high[i]])), ...band.delta.map((d, i) => api.coord([d, band.low[i]])).reverse()] } }) },
    { id: "median", type: "line", silent: true, showSymbol: false, clip: true, z: 5, data: band.delta.map((d, i) => [d, band.median[i]]),
      lineStyle: { color: look.median, width: 2.2 } },
    limits(response, look, range),
  ];
}

/** MSE and MAE: they have no delta of their own, being its limits. @param {Response_} response @param {Look} look @param {{low: number, high: number}} range */
function limits(response, look, range) {
  const lines = response.anchors.filter((a) => a.delta === null && a.value !== null).sort((a, b) => Number(b.value) - Number(a.value));
  const near = (lines.length > 1 && Math.abs(Number(lines[0].value) - Number(lines[1].value)) < (range.high - range.low) / 12);
  return { id: "limits", type: "line", data: [], markLine: { silent: true, symbol: "none", animation: false, data: lines.map((a, i) => {
    const color = a.label === "MSE" ? look.mse : look.mae;
    return { yAxis: a.value, lineStyle: { color, width: 1.6, type: a.label === "MSE" ? [9, 4] : [3, 3] },
      label: { formatter: `${a.label} ${format.number(a.value, 4)}`, color, fontSize: 12, fontWeight: 600, ...halo(look),
        position: near && i ? "insideEndBottom" : "insideEndTop" } };
  }) } };
}

/** @param {Response_} response @param {Look} look @param {{low: number, high: number}} range */
function trialSeries(response, look, range) {
  /** @type {Object<string, any[]>} */
  const groups = { complete: [], pruned: [], outside: [], failed: [] };
  const { points } = response;
  // A hair inside, since what lies on the edge itself may be clipped with what lies beyond it.
  const edge = (range.high - range.low) / 1000;
  points.number.forEach((trial, i) => {
    const value = points.value[i];
    if (!(points.delta[i] > 0)) return;
    if (value === null || value === undefined) {
      if (points.state[i] === "FAILED" || points.state[i] === "TIMED_OUT") groups.failed.push([points.delta[i], range.low + edge, trial]);
    } else if (value > range.high || value < range.low) groups.outside.push([points.delta[i], value > range.high ? range.high - edge : range.low + edge, trial]);
    else groups[points.state[i] === "COMPLETE" ? "complete" : "pruned"].push([points.delta[i], value, trial]);
  });
  const many = groups.complete.length > 1500;
  const crowded = (/** @type {string} */ id) => (groups[id].length > 60 ? 0.45 : 1);
  const one = (/** @type {string} */ id, /** @type {any} */ more) => ({ id, type: "scatter", data: groups[id], encode: { x: 0, y: 1 }, clip: true, z: 4, ...more });
  return [
    one("complete", { symbol: "circle", symbolSize: many ? 5 : 8, itemStyle: { color: look.trial, opacity: many ? 0.35 : 0.85 } }),
    one("pruned", { symbol: "circle", symbolSize: many ? 4 : 7, z: 3, itemStyle: { color: "transparent", borderColor: look.pruned, borderWidth: 1.2, opacity: many ? 0.45 : 1 } }),
    one("outside", { symbol: "triangle", symbolSize: 8, symbolOffset: [0, 5], itemStyle: { color: look.pruned, opacity: crowded("outside") } }),
    one("failed", { symbol: CROSS, symbolSize: 8, symbolOffset: [0, -7], itemStyle: { color: look.failed, opacity: crowded("failed") } }),
  ];
}

const CROSS = "path://M0 1 L1 0 L4 3 L7 0 L8 1 L5 4 L8 7 L7 8 L4 5 L1 8 L0 7 L3 4 Z";

/** @param {Look} look a rim in the ground's colour, so that a label stays readable over dots */
const halo = (look) => ({ textBorderColor: look.card, textBorderWidth: 3 });

/** @param {string} id @param {any[]} data rows [delta, value, trial, low, high] @param {string} color */
function errorBars(id, data, color) {
  return { id, type: "custom", silent: true, clip: true, z: 5, data: data.filter((row) => row[3] !== null && row[4] !== null),
    renderItem: (/** @type {any} */ _params, /** @type {any} */ api) => {
      const [x, top] = api.coord([api.value(0), api.value(4)]);
      const bottom = api.coord([api.value(0), api.value(3)])[1];
      const part = (/** @type {number} */ x1, /** @type {number} */ y1, /** @type {number} */ x2, /** @type {number} */ y2) =>
        ({ type: "line", shape: { x1, y1, x2, y2 }, style: { stroke: color, lineWidth: 1.8 } });
      return { type: "group", children: [part(x, top, x, bottom), part(x - 4, top, x + 4, top), part(x - 4, bottom, x + 4, bottom)] };
    } };
}

/** @param {Response_} response @param {Look} look */
function anchorSeries(response, look) {
  const rows = response.anchors.filter((a) => a.delta !== null && a.value !== null);
  const data = rows.map((a) => [a.delta, a.value, a.trial, a.low, a.high]);
  return [errorBars("anchor-bars", data, look.anchor), {
    id: "anchors", type: "scatter", symbol: "diamond", symbolSize: 13, z: 6, data, encode: { x: 0, y: 1 },
    itemStyle: { color: look["anchor-fill"], borderColor: look.anchor, borderWidth: 1.5 } },
  // Named above their bars, the best below its own: so they stay apart where an anchor is next to the best.
  { id: "anchor-names", type: "scatter", symbol: "circle", symbolSize: 1, silent: true, z: 6, data: data.map(([d, v, , , high]) => [d, high ?? v]), encode: { x: 0, y: 1 },
    labelLayout: { moveOverlap: "shiftY" },
    label: { show: true, position: "top", distance: 4, color: look.anchor, fontSize: 12, fontWeight: 600, ...halo(look),
      formatter: (/** @type {any} */ p) => format.anchorName(rows[p.dataIndex]?.label ?? "") } }];
}

/** @param {Response_} response @param {Look} look */
function bestSeries(response, look) {
  const { best } = response;
  const data = best ? [[best.delta, best.value, best.trial, best.low, best.high]] : [];
  return [errorBars("best-bar", data, look.best), {
    id: "best", type: "scatter", symbol: "circle", symbolSize: 13, z: 7, data, encode: { x: 0, y: 1 },
    itemStyle: { color: look.best, borderColor: look.card, borderWidth: 1.5 } },
  { id: "best-name", type: "scatter", symbol: "circle", symbolSize: 1, silent: true, z: 7, data: best ? [[best.delta, best.low ?? best.value]] : [], encode: { x: 0, y: 1 },
    label: { show: true, position: "bottom", distance: best && best.low === null ? 9 : 3, color: look.best, fontSize: 12, fontWeight: 700, ...halo(look),
      formatter: best ? `best ${format.number(best.delta, 3)}` : "" } }];
}

/** The ring round the trial that the reader chose. @param {Response_} response @param {Look} look @param {View} view @param {{low: number, high: number}} range */
function chosenSeries(response, look, view, range) {
  const at = response.points.number.indexOf(view.chosen ?? -1);
  const anchor = response.anchors.find((a) => a.trial === view.chosen && a.delta !== null);
  const delta = at >= 0 ? response.points.delta[at] : anchor?.delta;
  const value = at >= 0 ? response.points.value[at] ?? range.low : anchor?.value;
  const inside = delta !== undefined && value !== undefined && value !== null;
  return { id: "chosen", type: "scatter", silent: true, symbol: "circle", symbolSize: 20, z: 8,
    data: inside ? [[delta, Math.min(range.high, Math.max(range.low, value))]] : [],
    itemStyle: { color: "transparent", borderColor: look.ink, borderWidth: 2 } };
}
