/**
 * The REST's JSON shapes as the pages use them; nothing runs here.
 *
 * @typedef {{target: number, standardised: number, sigma: number}} Delta the same delta in three units
 * @typedef {{low: number|null, high: number|null}} Interval
 * @typedef {{kind: string, sentence: string}} Verdict
 * @typedef {{delta_target: number, delta_sigma: number, status: string, verdict_kind: string}} ShortBest
 * @typedef {{fraction: number, phase: string, runs_done: number, runs_expected: number}} Progress
 * @typedef {{id: string, name: string, state: string, end_reason: string|null, error: string|null, priority: number,
 *   labels: Object<string, string>, description?: string, spec?: any, dataset?: any, best?: ShortBest|null,
 *   counters: Object<string, number>, progress: Progress, created_at: string, started_at: string|null,
 *   ended_at: string|null}} Sweep
 * @typedef {{number: number, generation: number, group: number, anchor: string|null, loss: string, state: string,
 *   reason: string|null, parameters: Object<string, any>, delta: Delta|null, values: Object<string, number>,
 *   engine: Object<string, any>, excluded: boolean, created_at: string, ended_at: string|null}} Trial
 * @typedef {{anchor: string, trial: number, value: number, gain: number, gain_percent: number,
 *   interval: [number, number]|null, t: number|null, p_value: number|null, p_holm: number|null}} Gain
 * @typedef {{status: string, delta: Delta|null, sigma: number|null, trial: number|null,
 *   objective: {metric: string, direction: string, value: number|null, standard_error: number|null}|null,
 *   equivalent: {sentence: string}|null, gains: Gain[], recommended: {delta: Delta|null, default: boolean, sentence: string}|null,
 *   verdict: Verdict, apparent_gain: number|null, confirmed_gain: number|null, warnings: string[]}} BestDelta
 * @typedef {{number: number[], delta: number[], value: (number|null)[], low: (number|null)[], high: (number|null)[],
 *   state: string[]}} Points one entry a sampled trial; deltas in target units
 * @typedef {{label: string, trial: number, delta: number|null, value: number|null, low: number|null, high: number|null}} Anchor
 * @typedef {{metric: string, direction: string, sigma: number|null, target_name: string|null, points: Points, anchors: Anchor[],
 *   band: {delta: number[], median: number[], low: number[], high: number[]},
 *   best: {trial: number, delta: number, value: number, low: number|null, high: number|null}|null,
 *   equivalent: Interval|null, range: Interval|null, verdict: Verdict}} Response
 */
export {};
