/** Marks on one scale, a strip for each thing that is compared: values, lifts, lags. */

import { h, s } from "./core.js";

const HEIGHT = 28;
const MIDDLE = HEIGHT / 2;

/**
 * @typedef {object} Scale where a value lies, and which values are written below
 * @property {(value: number) => number} at 0 to 100; what lies outside stands at its end
 * @property {number[]} ticks
 */

/**
 * From 0, in equal steps.
 * @param {number[]} values all that must find room
 * @param {number} [least] no step is smaller, such as the smallest coin
 * @returns {Scale}
 */
export function linear(values, least = 0) {
  const most = Math.max(0, ...values.filter(Number.isFinite)) || 1;
  const rough = Math.max(least, most / 4);
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((size) => size >= rough * (1 - 1e-9)) ?? rough;
  const end = step * Math.ceil((most / step) * (1 - 1e-9));
  const ticks = Array.from({ length: Math.round(end / step) + 1 }, (_, at) => Number((at * step).toPrecision(12)));
  return { at: (value) => placed(value / end), ticks };
}

/**
 * Each tick as far from the next, as powers of ten are, or minutes, hours and days.
 * @param {number[]} ticks two or more, rising, above 0
 * @returns {Scale}
 */
export function uneven(ticks) {
  const logs = ticks.map(Math.log);
  const whole = logs.at(-1) - logs[0];
  return { at: (value) => placed(value > 0 ? (Math.log(value) - logs[0]) / whole : 0), ticks };
}

/**
 * One strip: a bar from `low` to `high`, a dot at `value`, a diamond at `beside`, a line at `mark`. What is null is left
 * out.
 * @param {Scale} scale
 * @param {{words: string, low?: number | null, high?: number | null, value?: number | null, beside?: number | null,
 *   mark?: number | null}} of `words` says all of it
 * @returns {SVGElement}
 */
export function strip(scale, { words, low, high, value, beside, mark }) {
  const x = (number) => `${scale.at(number)}%`;
  const drawn = (number) => number !== null && number !== undefined && Number.isFinite(number);
  return s(
    "svg",
    { class: "strip", width: "100%", height: HEIGHT, role: "img", "aria-label": words },
    s("title", {}, words),
    scale.ticks.map((tick) => s("line", { class: "strip-grid", x1: x(tick), x2: x(tick), y1: 0, y2: HEIGHT })),
    drawn(mark) && s("line", { class: "strip-mark", x1: x(mark), x2: x(mark), y1: 0, y2: HEIGHT }),
    drawn(low) &&
      drawn(high) && [
        s("line", { class: "strip-bar", x1: x(low), x2: x(high), y1: MIDDLE, y2: MIDDLE }),
        [low, high].map((end) =>
          s("line", { class: "strip-end", x1: x(end), x2: x(end), y1: MIDDLE - 5, y2: MIDDLE + 5 }),
        ),
      ],
    drawn(value) && s("circle", { class: "strip-value", cx: x(value), cy: MIDDLE, r: 5.5 }),
    drawn(beside) && s("svg", { x: x(beside), y: MIDDLE, width: 1, height: 1, overflow: "visible" }, diamond()),
  );
}

/**
 * The words below the strips.
 * @param {Scale} scale
 * @param {(tick: number) => string} format
 * @returns {SVGElement}
 */
export function axis(scale, format) {
  return s(
    "svg",
    { class: "strip-axis", width: "100%", height: 20, "aria-hidden": "true" },
    scale.ticks.map((tick) => {
      const at = scale.at(tick);
      const anchor = at < 5 ? "start" : at > 95 ? "end" : "middle";
      return s("text", { x: `${at}%`, y: 15, "text-anchor": anchor }, format(tick));
    }),
  );
}

/**
 * What the marks mean.
 * @param {{dot?: string, diamond?: string}} words
 * @returns {HTMLElement}
 */
export function legend({ dot, diamond: other }) {
  const picture = (...marks) => s("svg", { width: 28, height: 14, "aria-hidden": "true", class: "strip" }, marks);
  const bar = s("line", { class: "strip-bar", x1: 2, x2: 26, y1: 7, y2: 7 });
  const middle = s("circle", { class: "strip-value", cx: 14, cy: 7, r: 5.5 });
  return h(
    "p",
    { class: "strip-legend small muted" },
    dot && h("span", {}, picture(bar, middle), " ", dot),
    other && h("span", {}, picture(s("svg", { x: 14, y: 7, overflow: "visible" }, diamond())), " ", other),
  );
}

function diamond() {
  return s("path", { class: "strip-beside", d: "M0 -6.5L6.5 0L0 6.5L-6.5 0Z" });
}

function placed(part) {
  return Math.round(Math.min(1, Math.max(0, part)) * 10_000) / 100;
}
