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
 * The interval from `low` to `high` with a mark at the value, on a scale from `min`, or 0, to `max`.
 * @param {{low: number | null, value: number | null, high: number | null, max: number, min?: number,
 *   format?: (x: number) => string}} of `min` and `max` are the same for all that are compared
 * @returns {Element} an SVG image whose title has the numbers, and the value alone where both ends are written alike; a
 *   dash where there is no value
 */
export function interval({ low, value, high, max, min = 0, format = number }) {
  if (!finite(value)) {
    return h("span", { class: "interval-none" }, "–");
  }
  const from = finite(low) ? low : value;
  const to = finite(high) ? high : value;
  const x = scale(min, Math.max(max, min + Number.EPSILON), 200);
  const [least, most] = [x(from), x(to)];
  const amounts = { value: format(value), low: format(from), high: format(to) };
  const words = amounts.low === amounts.high ? amounts.value : t("charts.interval", amounts);
  return s(
    "svg",
    { class: "interval", viewBox: "0 0 200 16", role: "img" },
    s("title", {}, words),
    s("path", { class: "interval-axis", d: `${min > 0 ? "" : `M${x(0)} 1v14`}M0 8h200` }),
    s("rect", { class: "interval-bar", x: least, y: 4, width: most - least, height: 8 }),
    s("path", { class: "interval-line", d: `M${least} 4v8M${most} 4v8` }),
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
