/** A line over time, with its numbers below it as a table. */

import { h, s, scroller, uniqueId } from "./dom.js";
import { number } from "./format.js";
import { finite, marks, round, scale } from "./scales.js";
import { say, t } from "./words.js";

say({
  en: {
    "line.low": "low",
    "line.high": "high",
    "line.table": "The numbers of this chart",
    "line.empty": "Nothing to draw yet.",
    "line.range": "from {first} to {last}; lowest {low}, highest {high}",
  },
  ja: {
    "line.low": "下限",
    "line.high": "上限",
    "line.table": "グラフの数値を表で見る",
    "line.empty": "まだ表示できるデータがありません。",
    "line.range": "{first}から{last}まで。最小 {low}、最大 {high}",
  },
});

const WIDTH = 1000;
const HEIGHT = 100;

/**
 * A line over time, with its band and with another line beside it; its numbers stand in a table below.
 * @param {{label: string, points: {x: string | number, y: number | null, low?: number | null, high?: number | null}[],
 *   band?: {low: number | null, high: number | null}[], beside?: {label: string, points: {x: string | number,
 *   y: number | null}[]}, name?: string, format?: (y: number) => string, formatX?: (x: string | number) => string,
 *   headX?: string, max?: number, titled?: boolean}} of where y is null the line has a gap. Numbers as x are placed by what they are,
 *   texts evenly. `band[i]` belongs to `points[i]`; so does `beside.points[i]`. With `titled` false
 *   the label is for screen readers alone, as below a heading that says the same
 * @returns {HTMLElement}
 */
export function line({
  label,
  points,
  band,
  beside,
  name,
  format = number,
  formatX = String,
  headX = "",
  max,
  titled = true,
}) {
  const lows = points.map((point, at) => point.low ?? band?.[at]?.low ?? null);
  const highs = points.map((point, at) => point.high ?? band?.[at]?.high ?? null);
  const others = beside?.points ?? [];
  const ys = points.map((point) => point.y).filter(finite);
  if (ys.length === 0) {
    return h("p", { class: "empty" }, t("line.empty"));
  }
  const all = [...ys, ...others.map((point) => point.y), ...lows, ...highs].filter(finite);
  const floor = Math.min(0, ...all);
  const ticks = marks(floor, max ?? Math.max(0, ...all));
  const y = (value) => HEIGHT - scale(ticks[0], ticks.at(-1), HEIGHT)(value);
  const x = places(points.map((point) => point.x));
  const words = t("line.range", {
    first: formatX(points[0].x),
    last: formatX(points.at(-1).x),
    low: format(Math.min(...ys)),
    high: format(Math.max(...ys)),
  });
  const [title, text] = [uniqueId("title"), uniqueId("desc")];
  const picture = s(
    "svg",
    {
      class: "line-plot",
      viewBox: `0 0 ${WIDTH} ${HEIGHT}`,
      preserveAspectRatio: "none",
      role: "img",
      "aria-labelledby": `${title} ${text}`,
    },
    s("title", { id: title }, label),
    s("desc", { id: text }, words),
    ticks.map((tick) => s("path", { class: tick === 0 ? "line-zero" : "line-grid", d: `M0 ${y(tick)}H${WIDTH}` })),
    areas(lows, highs).map((run) => s("path", { class: "line-band", d: around(run, x, y, lows, highs) })),
    runs(others.slice(0, points.length)).map((run) => s("path", { class: "line-beside", d: along(run, x, y, others) })),
    runs(points).map((run) => s("path", { class: "line-line", d: along(run, x, y, points) })),
    runs(points).map((run) =>
      points.length <= 40 || run.length === 1
        ? run.map((at) => s("path", { class: "line-point", d: `M${x(at)} ${y(points[at].y)}h0` }))
        : null,
    ),
  );
  return h(
    "figure",
    { class: "line" },
    h(
      "figcaption",
      {},
      h("span", { class: titled ? "line-label" : "unseen" }, label),
      beside &&
        h(
          "span",
          { class: "line-key" },
          h("span", { class: "key-line" }, name ?? label),
          h("span", { class: "key-beside" }, beside.label),
        ),
    ),
    h(
      "div",
      { class: "line-frame" },
      h(
        "div",
        { class: "line-y", "aria-hidden": "true" },
        [...ticks].reverse().map((tick) => h("span", {}, format(tick))),
      ),
      picture,
      h(
        "div",
        { class: "line-x", "aria-hidden": "true" },
        below(points.map((point) => point.x)).map((at) => h("span", {}, formatX(at))),
      ),
    ),
    numbersOf(),
  );

  function numbersOf() {
    const hasBand = lows.some(finite) || highs.some(finite);
    const heads = [
      headX,
      name ?? label,
      ...(hasBand ? [t("line.low"), t("line.high")] : []),
      ...(beside ? [beside.label] : []),
    ];
    const cell = (value) => h("td", { class: "numeric" }, finite(value) ? format(value) : "–");
    const headOf = (head, at) => (head ? h("th", { scope: "col", class: at > 0 && "numeric" }, head) : h("td"));
    const rowOf = (point, at) =>
      h(
        "tr",
        {},
        h("th", { scope: "row" }, formatX(point.x)),
        cell(point.y),
        hasBand && [cell(lows[at]), cell(highs[at])],
        beside && cell(others[at]?.y),
      );
    return h(
      "details",
      { class: "numbers" },
      h("summary", {}, t("line.table")),
      scroller(
        label,
        h(
          "table",
          {},
          h("caption", { class: "unseen" }, label),
          h("thead", {}, h("tr", {}, heads.map(headOf))),
          h("tbody", {}, points.map(rowOf)),
        ),
      ),
    );
  }
}

function places(xs) {
  if (xs.length === 1) {
    return () => WIDTH / 2;
  }
  if (proportional(xs)) {
    const x = scale(xs[0], xs.at(-1), WIDTH);
    return (at) => x(xs[at]);
  }
  return (at) => round((at / (xs.length - 1)) * WIDTH);
}

function runs(points) {
  return together(points.map((point) => finite(point.y)));
}

function areas(lows, highs) {
  return together(lows.map((low, at) => finite(low) && finite(highs[at])));
}

function together(flags) {
  const found = [];
  flags.forEach((flag, at) => {
    if (flag) {
      if (at > 0 && flags[at - 1]) {
        found.at(-1).push(at);
      } else {
        found.push([at]);
      }
    }
  });
  return found;
}

function along(run, x, y, points) {
  return (
    run.map((at, place) => `${place ? "L" : "M"}${x(at)} ${y(points[at].y)}`).join("") + (run.length === 1 ? "h0" : "")
  );
}

function around(run, x, y, lows, highs) {
  const above = run.map((at, place) => `${place ? "L" : "M"}${x(at)} ${y(highs[at])}`);
  const below = [...run].reverse().map((at) => `L${x(at)} ${y(lows[at])}`);
  return `${[...above, ...below].join("")}Z`;
}

// What stands below the axis: both ends, and the middle where something stands there.
function below(xs) {
  const last = xs.length - 1;
  if (last < 1) {
    return xs;
  }
  if (proportional(xs)) {
    return [xs[0], (xs[0] + xs[last]) / 2, xs[last]];
  }
  const hasMiddle = last >= 4 && (last % 2 === 0 || last >= 12);
  return hasMiddle ? [xs[0], xs[Math.round(last / 2)], xs[last]] : [xs[0], xs[last]];
}

function proportional(xs) {
  return xs.every(finite) && xs.at(-1) > xs[0];
}
