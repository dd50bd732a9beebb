/** The chart's colours, read from tokens.css, so that page and chart are one set, light or dark. */

const NAMES = /** @type {const} */ ([
  "card",
  "ink",
  "muted",
  "line",
  "line-strong",
  "trial",
  "pruned",
  "failed",
  "median",
  "band",
  "best",
  "mse",
  "mae",
  "anchor",
  "anchor-fill",
  "equivalent",
  "font",
]);

/** @typedef {Object<string, string>} Look colours and font by the token's name */

/** @returns {Look} */
export function look() {
  const style = getComputedStyle(document.documentElement);
  return Object.fromEntries(NAMES.map((name) => [name, style.getPropertyValue(`--${name}`).trim()]));
}

/** @param {() => void} changed called when the reader's device goes from light to dark or back */
export function onThemeChange(changed) {
  window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", changed);
}
