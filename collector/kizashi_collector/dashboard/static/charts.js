/** Intervals and bars, with their numbers beside them as text. */

import { h, s } from "./dom.js";
import { number } from "./format.js";
import { finite, scale } from "./scales.js";
import { say, t } from "./words.js";

say({
  en: {
    "charts.interval": "{value}, between {low} and {high}",
    "charts.empty": "Nothing to draw yet.",
  },
  ja: {
    "charts.interval": "{value}（{low}～{high}）",
    "charts.empty": "まだ表示できるデータがありません。",
  },
});

const WIDTH = 1000;

/** @typedef {import("./dom.js").Child} Child */

/**
 * A value with the interval that it lies in, on a scale from 0 (or the least of them) to `max`.
 * @param {{low: number | null, value: number | null, high: number | null, max: number, min?: number,
 *   format?: (x: number) => string}} of `max` is the same for all that are compared
 * @returns {Element} an SVG image whose title has the numbers; a dash where there is no value
 */
export function interval({ low, value, high, max, min = 0, format = number }) {
  if (!finite(value)) {
    return h("span", { class: "interval-none" }, "–");
  }
  const from = finite(low) ? low : value;
  const to = finite(high) ? high : value;
  const x = scale(Math.min(0, min), Math.max(max, min + Number.EPSILON), 200);
  const words = t("charts.interval", { value: format(value), low: format(from), high: format(to) });
  return s(
    "svg",
    { class: "interval", viewBox: "0 0 200 16", role: "img", "aria-label": words },
    s("title", {}, words),
    s("rect", { class: "interval-bar", x: x(0), y: 3, width: Math.max(0, x(value) - x(0)), height: 10 }),
    s("line", { class: "interval-axis", x1: x(0), x2: x(0), y1: 0, y2: 16 }),
    s("line", { class: "interval-line", x1: x(from), x2: x(to), y1: 8, y2: 8 }),
    s("line", { class: "interval-line", x1: x(from), x2: x(from), y1: 4, y2: 12 }),
    s("line", { class: "interval-line", x1: x(to), x2: x(to), y1: 4, y2: 12 }),
    s("circle", { class: "interval-value", cx: x(value), cy: 8, r: 4 }),
  );
}

/**
 * Bars below each other, each with its words: the steps of a funnel, the shares of a whole.
 * @param {{label: string, items: {label: Child, value: number, text?: Child, note?: Child, mark?: string, beside?: number,
 *   between?: Child}[], max?: number, format?: (x: number) => string}} of `text` stands in place of the number, `note`
 *   below the bar, `mark` (words) makes it stand out, `beside` is a thinner bar of what it is compared with, `between`
 *   stands between this bar and the next
 * @returns {HTMLElement}
 */
export function bars({ label, items, max, format = number }) {
  const most = max ?? Math.max(0, ...items.flatMap((item) => [item.value, item.beside ?? 0]));
  const length = (value) => (most > 0 && finite(value) ? Math.max(0, Math.min(WIDTH, (value / most) * WIDTH)) : 0);
  if (items.length === 0) {
    return h("p", { class: "empty" }, t("charts.empty"));
  }
  return h(
    "figure",
    { class: "bars" },
    h("figcaption", { class: "unseen" }, label),
    h(
      "ol",
      {},
      items.map((item) =>
        h(
          "li",
          { class: item.mark ? "bar marked" : "bar" },
          h(
            "div",
            { class: "bar-head" },
            h("span", { class: "bar-label" }, item.label),
            item.mark && h("span", { class: "badge bad" }, item.mark),
            h("span", { class: "bar-text" }, item.text ?? format(item.value)),
          ),
          s(
            "svg",
            { class: "bar-track", viewBox: `0 0 ${WIDTH} 24`, preserveAspectRatio: "none", "aria-hidden": "true" },
            s("rect", { class: "bar-ground", width: WIDTH, height: 24 }),
            s("rect", { class: "bar-fill", width: length(item.value), height: item.beside === undefined ? 24 : 16 }),
            item.beside !== undefined &&
              s("rect", { class: "bar-beside", y: 18, width: length(item.beside), height: 6 }),
          ),
          item.note && h("div", { class: "bar-note" }, item.note),
          item.between && h("div", { class: "bar-between" }, item.between),
        ),
      ),
    ),
  );
}
