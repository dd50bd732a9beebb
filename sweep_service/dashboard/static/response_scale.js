/** What the delta response shows of its axes: the range of delta, the range of the metric, and the ticks. */

/** @typedef {import("./types.js").Response} Response_ */

const PADDING_DECADES = 0.04;
const PADDING = 0.06;
// A diverging trial may score a hundred times the others; with it on the scale nobody sees the valley.
const SHOWN_QUANTILE = 0.9;
const FAR = 0.35;

/** @param {(number|null|undefined)[]} values @returns {number[]} */
const finite = (values) =>
  /** @type {number[]} */ (values.filter((v) => v !== null && v !== undefined && Number.isFinite(v)));

/** @param {number[]} values @param {"min"|"max"} which */
function extreme(values, which) {
  // Not Math.min(...values): tens of thousands of arguments overflow the stack.
  return values.reduce((a, b) => Math[which](a, b), which === "min" ? Infinity : -Infinity);
}

/**
 * @param {Response_} response
 * @returns {[number, number]|null} in target units, with a little room; null where there is no delta at all
 */
export function deltaRange(response) {
  const all = finite([
    response.range?.low,
    response.range?.high,
    response.best?.delta,
    ...response.anchors.map((a) => a.delta),
    ...response.points.delta,
  ]).filter((d) => d > 0);
  if (!all.length) return null;
  const low = Math.log10(extreme(all, "min"));
  const high = Math.log10(extreme(all, "max"));
  const pad = Math.max((high - low) * PADDING_DECADES, 0.02);
  return [10 ** (low - pad), 10 ** (high + pad)];
}

/**
 * The range of the metric: anchors, band and best always; trials up to SHOWN_QUANTILE, and the rest too where they lie
 * no further than FAR times that span away, or where the reader asked for all.
 *
 * @param {Response_} response @param {boolean} all
 * @returns {{low: number, high: number, beyond: number}|null} `beyond` counts the trials outside
 */
export function metricRange(response, all) {
  const values = finite(response.points.value).sort((a, b) => a - b);
  const kept = finite([
    ...response.anchors.flatMap((a) => [a.value, a.low, a.high]),
    ...response.band.low,
    ...response.band.high,
    response.best?.value,
    response.best?.low,
    response.best?.high,
  ]);
  if (!values.length && !kept.length) return null;
  const better = response.direction === "MAXIMIZE" ? "max" : "min";
  const at = better === "min" ? SHOWN_QUANTILE : 1 - SHOWN_QUANTILE;
  const usual = values.length ? [values[Math.round(at * (values.length - 1))]] : [];
  const ends = [
    ...kept,
    ...usual,
    ...(values.length ? [better === "min" ? values[0] : values[values.length - 1]] : []),
  ];
  let low = extreme(ends, "min");
  let high = extreme(ends, "max");
  const span = high - low || Math.abs(high) || 1;
  const near = values.filter(
    (v) => all || (v >= low - (better === "max" ? FAR : 0) * span && v <= high + (better === "min" ? FAR : 0) * span),
  );
  low = extreme([low, ...near], "min");
  high = extreme([high, ...near], "max");
  const pad = (high - low || Math.abs(high) || 1) * PADDING;
  return { low: low - pad, high: high + pad, beyond: values.filter((v) => v < low || v > high).length };
}

/**
 * 1-2-5 ticks of a log axis; plain steps once it is zoomed to a fraction of a decade.
 *
 * @param {number} low @param {number} high
 */
export function logTicks(low, high) {
  const decades = Math.log10(high / low);
  if (decades < 0.4) return plainTicks(low, high, 5);
  const steps = decades > 4 ? [1] : decades > 1.5 ? [1, 2, 5] : [1, 1.5, 2, 3, 4, 5, 7];
  const ticks = [];
  for (let power = Math.floor(Math.log10(low)); power <= Math.ceil(Math.log10(high)); power += 1) {
    for (const step of steps) {
      const tick = Number(`${step}e${power}`);
      if (tick >= low && tick <= high) ticks.push(tick);
    }
  }
  return ticks;
}

/** @param {number} low @param {number} high @param {number} about how many */
export function plainTicks(low, high, about) {
  const rough = (high - low) / about;
  const size = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((s) => s * size).find((s) => s >= rough) ?? size;
  const ticks = [];
  for (let i = Math.ceil(low / step); i * step <= high; i += 1) ticks.push(Number((i * step).toPrecision(10)));
  return ticks;
}
