/** The trials that the response leaves out, since they have no whole value: pruned and failed ones are drawn too. */

/** @typedef {import("./types.js").Response} Response_ @typedef {import("./types.js").Trial} Trial */

const SHOWN = new Set(["PRUNED", "FAILED", "TIMED_OUT"]);

/**
 * @param {Response_} response
 * @param {Iterable<Trial>} trials
 * @returns {Response_} with a point for each ended trial that has a delta; one that failed has no value
 */
export function withOthers(response, trials) {
  const { points, metric } = response;
  const known = new Set(points.number);
  const others = [...trials].filter((t) => !known.has(t.number) && t.anchor === null && t.delta && SHOWN.has(t.state));
  const value = (/** @type {Trial} */ t) => (t.state === "PRUNED" ? (t.values[metric] ?? null) : null);
  return {
    ...response,
    points: {
      number: [...points.number, ...others.map((t) => t.number)],
      delta: [...points.delta, ...others.map((t) => Number(t.delta?.target))],
      value: [...points.value, ...others.map(value)],
      low: [...points.low, ...others.map(() => null)],
      high: [...points.high, ...others.map(() => null)],
      state: [...points.state, ...others.map((t) => t.state)],
    },
  };
}
