/** The delta response on the page: draws, updates in place, zooms, answers pointer and choice, and saves itself. */

import * as echarts from "./vendor/echarts.esm.min.js";
import { responseCsv, save } from "./chart_export.js";
import { definitions, el } from "./dom.js";
import * as format from "./format.js";
import { deltaAxes, responseOption } from "./response_option.js";
import { deltaRange, metricRange } from "./response_scale.js";
import { look, onThemeChange } from "./theme.js";

/** @typedef {import("./types.js").Response} Response_ @typedef {import("./types.js").Trial} Trial */

const NARROW = 560;
const WHOLE = /** @type {[number, number]} */ ([0, 100]);

export class ResponseChart {
  /**
   * @param {HTMLElement} place an element with a size
   * @param {{trial: (number: number) => Trial|undefined, choose: (number: number) => void}} to
   */
  constructor(place, to) {
    this.place = place;
    this.to = to;
    /** @type {Response_|null} */
    this.response = null;
    this.view = { zoom: WHOLE, all: false, chosen: /** @type {number|null} */ (null), narrow: false };
    this.chart = echarts.init(place);
    this.chart.setOption({
      tooltip: { trigger: "item", confine: true, formatter: (/** @type {any} */ p) => this.tip(p) },
    });
    this.chart.on("click", (/** @type {any} */ p) => typeof p.data?.[2] === "number" && to.choose(p.data[2]));
    this.chart.on("datazoom", () => {
      const zoom = /** @type {any} */ (this.chart.getOption()).dataZoom[0];
      this.view.zoom = [zoom.start, zoom.end];
      this.redrawTicks();
    });
    new ResizeObserver(() => {
      this.chart.resize();
      this.draw();
    }).observe(place);
    onThemeChange(() => this.draw());
  }

  /** @param {Response_} response @returns {boolean} whether there was anything to draw */
  update(response) {
    this.response = response;
    return this.draw();
  }

  /** @param {Partial<typeof ResponseChart.prototype.view>} change */
  set(change) {
    Object.assign(this.view, change);
    this.draw();
  }

  /** @param {number} factor below 1 comes nearer */
  zoom(factor) {
    const [start, end] = this.view.zoom;
    const middle = (start + end) / 2;
    const half = Math.min(50, Math.max(1, ((end - start) / 2) * factor));
    const from = Math.min(Math.max(0, middle - half), 100 - 2 * half);
    this.set({ zoom: [from, from + 2 * half] });
  }

  /** @param {number} by percent of what is in sight */
  pan(by) {
    const [start, end] = this.view.zoom;
    const step = Math.min(Math.max(((end - start) * by) / 100, -start), 100 - end);
    this.set({ zoom: [start + step, end + step] });
  }

  draw() {
    const { response } = this;
    if (!response || !deltaRange(response) || !metricRange(response, true)) return false;
    this.view.narrow = this.place.clientWidth < NARROW;
    const colours = look();
    const tooltip = {
      backgroundColor: colours.card,
      borderColor: colours["line-strong"],
      textStyle: { color: colours.ink },
    };
    this.chart.setOption({ tooltip, ...responseOption(response, colours, this.view) });
    return true;
  }

  /** A drag calls this many times a second: the marks have been moved by then, and only the ticks are to be chosen anew. */
  redrawTicks() {
    if (this.response) this.chart.setOption({ xAxis: deltaAxes(this.response, look(), this.view) });
  }

  /** How many trials lie outside the range of the metric that is shown. */
  get beyond() {
    return this.response ? (metricRange(this.response, this.view.all)?.beyond ?? 0) : 0;
  }

  /** @param {any} p what ECharts says of the mark under the pointer @returns {HTMLElement|string} */
  tip(p) {
    const number = p.data?.[2];
    if (typeof number !== "number") return "";
    const trial = this.to.trial(number);
    const metric = this.response?.metric ?? "";
    if (!trial) return el("div", { class: "tip" }, el("strong", {}, `Trial ${number}`));
    const rows = /** @type {[string, string][]} */ ([
      ...(trial.values[metric] === undefined ? [] : [[metric, format.number(trial.values[metric], 5)]]),
      ...(trial.delta
        ? [
            ["δ", format.number(trial.delta.target)],
            ["δ / σ", format.number(trial.delta.sigma)],
          ]
        : []),
      ...Object.entries(trial.parameters)
        .filter(([name]) => name !== "delta")
        .map(([name, value]) => [name, format.parameter(value)]),
    ]);
    return el(
      "div",
      { class: "tip" },
      el(
        "strong",
        {},
        trial.anchor ? `Anchor ${format.anchorName(trial.anchor)} (trial ${number})` : `Trial ${number}`,
      ),
      " ",
      el("span", { class: format.tone(trial.state) }, format.words(trial.state)),
      trial.reason && el("p", { class: "reason" }, trial.reason),
      definitions(rows),
    );
  }

  /** @param {"png"|"svg"|"csv"} kind @param {string} name of the sweep */
  save(kind, name) {
    const { response } = this;
    if (!response) return;
    const file = `${name}-delta-response.${kind}`;
    if (kind === "csv") return save(file, new Blob([responseCsv(response)], { type: "text/csv" }));
    const colours = look();
    if (kind === "png") {
      const picture = pictureOf(this.chart.getDataURL({ type: "png", pixelRatio: 2, backgroundColor: colours.card }));
      return save(file, picture);
    }
    const drawing = echarts.init(null, null, {
      renderer: "svg",
      ssr: true,
      width: this.place.clientWidth,
      height: this.place.clientHeight,
    });
    drawing.setOption({ ...responseOption(response, colours, this.view), backgroundColor: colours.card });
    save(file, new Blob([drawing.renderToSVGString()], { type: "image/svg+xml" }));
    drawing.dispose();
  }
}

/** A data address to a blob by hand: the page's policy allows no fetch but of this origin. @param {string} address */
function pictureOf(address) {
  const [head, content] = address.split(",");
  const bytes = Uint8Array.from(atob(content), (c) => c.charCodeAt(0));
  return new Blob([bytes], { type: head.slice(5, head.indexOf(";")) });
}
