/** Saves the chart: the picture as drawn, the same as a drawing, or its numbers. */

/** @typedef {import("./types.js").Response} Response_ */

/** @param {string} name @param {Blob} content */
export function save(name, content) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(content);
  link.download = name;
  link.click();
  // The browser reads the blob after the click has returned.
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}

/** @param {unknown} value @returns {string} a CSV field; text that a spreadsheet would run as a formula is quoted off */
function field(value) {
  if (value === null || value === undefined) return "";
  const text = typeof value === "string" && /^[=+\-@]/.test(value) ? `'${value}` : String(value);
  return /[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/** @param {Response_} response @returns {string} one line a trial and an anchor; deltas in target units and in sigma */
export function responseCsv(response) {
  const { points, sigma, metric } = response;
  const inSigma = (/** @type {number|null} */ d) => (d !== null && sigma ? d / sigma : null);
  const rows = [["trial", "anchor", "state", "delta_target", "delta_sigma", metric, "low", "high"]];
  const add = (/** @type {unknown[]} */ ...row) => rows.push(row.map(field));
  points.number.forEach((trial, i) =>
    add(
      trial,
      null,
      points.state[i],
      points.delta[i],
      inSigma(points.delta[i]),
      points.value[i],
      points.low[i],
      points.high[i],
    ),
  );
  for (const a of response.anchors) add(a.trial, a.label, null, a.delta, inSigma(a.delta), a.value, a.low, a.high);
  return `${rows.map((r) => r.join(",")).join("\n")}\n`;
}
