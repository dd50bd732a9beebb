/** Numbers, units, times and states as people read them. */

const MISSING = "–";

/**
 * @param {number|null|undefined} value
 * @param {number} [digits] significant digits
 * @param {boolean} [keep] keeps the zeros at the end, so that numbers one under the other compare
 */
export function number(value, digits = 4, keep = false) {
  if (value === null || value === undefined || !Number.isFinite(value)) return MISSING;
  const size = Math.abs(value);
  if (size !== 0 && (size >= 1e6 || size < 1e-4)) {
    const [mantissa, exponent] = value.toExponential(digits - 1).split("e");
    return `${minus(String(Number(mantissa)))}e${minus(String(Number(exponent)))}`;
  }
  // Digits before the point are never rounded away: 12,345 stays itself at four significant digits.
  const whole = size >= 1 ? Math.floor(Math.log10(size)) + 1 : 0;
  const options =
    whole >= digits
      ? { maximumFractionDigits: 0 }
      : { maximumSignificantDigits: digits, ...(keep && { minimumSignificantDigits: digits }) };
  return minus(value.toLocaleString("en-GB", options));
}

/** @param {number|null|undefined} value with its sign, for differences */
export function signed(value, digits = 3) {
  return `${value !== null && value !== undefined && value > 0 ? "+" : ""}${number(value, digits, true)}`;
}

/** @param {number|null|undefined} value in percent */
export function percent(value, digits = 3) {
  return value === null || value === undefined || !Number.isFinite(value) ? MISSING : `${signed(value, digits)} %`;
}

/** @param {number|null|undefined} value */
export function count(value) {
  return value === null || value === undefined ? MISSING : value.toLocaleString("en-GB");
}

/** @param {any} value a parameter: number, text, truth or list @returns {string} */
export function parameter(value) {
  if (typeof value === "number") return Number.isInteger(value) ? minus(String(value)) : number(value, 4);
  if (Array.isArray(value)) return value.map(parameter).join(", ");
  if (value !== null && typeof value === "object") return JSON.stringify(value);
  return value === null || value === undefined ? MISSING : String(value);
}

/** @param {number|null|undefined} seconds */
export function duration(seconds) {
  if (seconds === null || seconds === undefined || !Number.isFinite(seconds)) return MISSING;
  const s = Math.max(0, Math.round(seconds));
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min ${s % 60} s`;
  return s < 86400
    ? `${Math.floor(s / 3600)} h ${Math.floor((s % 3600) / 60)} min`
    : `${Math.floor(s / 86400)} d ${Math.floor((s % 86400) / 3600)} h`;
}

/** @param {string|null|undefined} time RFC 3339 */
export function moment(time) {
  return time
    ? new Date(time).toLocaleString("en-GB", { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" })
    : MISSING;
}

/** @param {string|null} from @param {string|null} to RFC 3339; without `to`, until now */
export function elapsed(from, to) {
  return from ? ((to ? new Date(to) : new Date()).getTime() - new Date(from).getTime()) / 1000 : null;
}

/** @param {string} word UPPER_SNAKE to words */
export function words(word) {
  const text = word.replaceAll("_", " ").toLowerCase();
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/** @param {string} label of an anchor, as "1.345 SIGMA" */
export function anchorName(label) {
  return label
    .replace(/^([\d.]+) SIGMA$/, "$1 σ")
    .replace(/^([\d.]+) TARGET$/, (_, n) => `${n} target unit${n === "1" ? "" : "s"}`);
}

const TONES = /** @type {Object<string, string>} */ ({
  RUNNING: "info",
  FINALIZING: "info",
  STOPPING: "warn",
  CANCELLING: "warn",
  PAUSED: "warn",
  SUCCEEDED: "good",
  FAILED: "bad",
  CONFIRMED: "good",
  PROVISIONAL: "warn",
  TUNED_DELTA_BETTER: "good",
  ROBUST_LOSS_BETTER: "good",
  NO_DETECTABLE_EFFECT: "info",
  NOT_CONFIRMED: "still",
  COMPLETE: "good",
  TIMED_OUT: "bad",
  PRUNED: "still",
});

/** @param {string} word a state, status or kind @returns {string} the class of its badge */
export function tone(word) {
  return `badge ${TONES[word] ?? "still"}`;
}

/** @param {string} text */
function minus(text) {
  return text.replace("-", "−");
}
