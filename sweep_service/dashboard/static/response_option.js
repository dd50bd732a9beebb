/** The delta response as an ECharts option: what is drawn where, and no chart instance. */

import * as format from "./format.js";
import { responseSeries } from "./response_series.js";
import { deltaRange, logTicks, metricRange, plainTicks } from "./response_scale.js";

/** @typedef {import("./types.js").Response} Response_ @typedef {import("./theme.js").Look} Look */

/**
 * @typedef {{zoom: [number, number], all: boolean, chosen: number|null, narrow: boolean}} View
 *   `zoom` in percent of the axis; `all` shows the outlying trials; `chosen` is a trial's number
 */

// The axis is linear in the logarithm, not ECharts' own log axis: that one zooms in the values themselves, so that
// its middle half lies in the last decade.
const { log10 } = Math;

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
    xAxis: deltaAxes(response, look, view),
    yAxis: metricAxis(response, look, view, range),
    dataZoom: [
      {
        type: "inside",
        xAxisIndex: [0, 1],
        filterMode: "none",
        zoomOnMouseWheel: "ctrl",
        moveOnMouseWheel: false,
        preventDefaultMouseMove: false,
        start: view.zoom[0],
        end: view.zoom[1],
        minSpan: 2,
      },
    ],
    series: responseSeries(response, look, view, range),
  };
}

/** @param {Look} look */
const axisStyle = (look) => ({
  line: { lineStyle: { color: look["line-strong"] }, show: true, onZero: false },
  text: { color: look.muted, fontSize: 12, hideOverlap: true },
  name: { nameLocation: "middle", nameTextStyle: { color: look.ink, fontSize: 12 } },
});

/**
 * Delta in target units below, and the same in sigma above.
 *
 * @param {Response_} response @param {Look} look @param {View} view
 */
export function deltaAxes(response, look, view) {
  const [low, high] = /** @type {[number, number]} */ (deltaRange(response));
  const shown = inSight(response, view);
  const { line, text, name } = axisStyle(look);
  const axis = (/** @type {string} */ id, /** @type {string} */ label, /** @type {number} */ unit) => {
    const ticks = logTicks(shown[0] / unit, shown[1] / unit).map(log10);
    return {
      id,
      type: "value",
      min: log10(low / unit),
      max: log10(high / unit),
      ...name,
      name: label,
      nameGap: 28,
      splitLine: { show: false },
      axisLine: line,
      axisTick: { ...line, customValues: ticks },
      axisLabel: { ...text, customValues: ticks, formatter: (/** @type {number} */ v) => format.number(10 ** v, 3) },
    };
  };
  const target = `δ in target units${response.target_name ? ` (${response.target_name})` : ""}`;
  return [
    { ...axis("target", target, 1), position: "bottom" },
    {
      ...axis("sigma", "δ in σ of the residuals", response.sigma || 1),
      position: "top",
      show: response.sigma !== null,
    },
  ];
}

/** @param {Response_} response @param {Look} look @param {View} view @param {{low: number, high: number}} range */
function metricAxis(response, look, view, range) {
  const { line, text, name } = axisStyle(look);
  const ticks = plainTicks(range.low, range.high, 6);
  return {
    type: "value",
    min: range.low,
    max: range.high,
    ...name,
    name: `validation ${response.metric}`,
    nameGap: view.narrow ? 36 : 50,
    axisLine: line,
    axisTick: { show: false, customValues: ticks },
    axisLabel: { ...text, customValues: ticks, formatter: (/** @type {number} */ v) => format.number(v, 4) },
    splitLine: { show: true, lineStyle: { color: look.line } },
  };
}
