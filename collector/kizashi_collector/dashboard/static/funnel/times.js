/** How long actors took between two steps of a funnel. */

import { duration, h, number, panel, t } from "../core/core.js";
import { axis, legend, strip, uneven } from "../core/strips.js";
import { counted, within } from "./figures.js";
import { soft, wordsOfStep } from "./phrases.js";

const COLUMNS = 20;
const [MINUTE, HOUR, DAY] = [60, 3_600, 86_400];
const TICKS_S = [1, 10, MINUTE, 10 * MINUTE, HOUR, 6 * HOUR, DAY, 7 * DAY, 30 * DAY, 365 * DAY];
const FEW_TICKS_S = [1, MINUTE, HOUR, DAY, 30 * DAY, 365 * DAY];
// So many find room on a telephone.
const MOST_TICKS = 6;

/**
 * How long they took: to each step from the one before it, and between the two steps that the answer's histogram is of,
 * which are the first and the last, or others.
 */
export function times(answer, definition) {
  const { bins, from, to } = answer.histogram;
  const last = answer.steps.length - 1;
  const between = {
    from: from === 0 ? t("funnel.time_first") : wordsOfStep(definition, answer, from),
    to: to === last ? t("funnel.time_last") : wordsOfStep(definition, answer, to),
  };
  const all = counted(bins);
  if (all === 0) {
    return panel(t("funnel.time"), h("p", { class: "empty" }, soft(t("funnel.time_empty", between))), byStep(answer, definition));
  }
  const [half, most] = [within(bins, 0.5), within(bins, 0.9)].map((seconds) => duration(seconds * 1000));
  const says = all === 1 ? t("funnel.time_one", { ...between, time: duration(bins[0][0] * 1000) }) : t("funnel.time_says", { ...between, half, most });
  return panel(t("funnel.time"), h("p", {}, soft(says)), byStep(answer, definition), bins.length > 1 && all > 1 ? numbers(merged(bins), t("funnel.time_label", between)) : null);
}

// On a logarithmic scale: the median is seconds for one step and hours for another.
function byStep(answer, definition) {
  const rows = answer.steps.map((step, at) => ({ at, ...step.seconds })).filter((row) => row.at > 0 && row.median !== null);
  if (rows.length === 0) {
    return null;
  }
  const scale = uneven(around(rows.flatMap((row) => [row.median, row.p90 ?? row.median])));
  const item = ({ at, median, p90 }) => {
    const name = `${at + 1}. ${wordsOfStep(definition, answer, at)}`;
    const facts = [t("funnel.median", { time: duration(median * 1000) }), p90 !== null && p90 !== median && t("funnel.p90", { time: duration(p90 * 1000) })];
    const text = facts.filter(Boolean).join(t("funnel.key_between"));
    const words = t("funnel.time_row", { step: name, text });
    return h("li", {}, h("span", {}, soft(name)), strip(scale, { words, low: median, high: p90, value: median }), h("span", { class: "small" }, text));
  };
  return h(
    "div",
    { class: "funnel-paces" },
    h("p", { class: "hint" }, t("funnel.time_hint")),
    legend({ dot: t("funnel.time_key") }),
    h("ul", { class: "strips" }, rows.map(item)),
    h("div", { class: "strips-axis" }, axis(scale, (tick) => duration(tick * 1000))),
  );
}

// The ticks that all of them lie between, two or more.
function around(seconds, ticks = TICKS_S) {
  const above = ticks.findIndex((tick) => tick >= Math.max(...seconds));
  const below = ticks.findLastIndex((tick) => tick <= Math.min(...seconds));
  const last = above < 0 ? ticks.length - 1 : Math.max(above, 1);
  const found = ticks.slice(Math.min(Math.max(below, 0), last - 1), last + 1);
  return found.length > MOST_TICKS ? around(seconds, FEW_TICKS_S) : found;
}

// A few bins for the table, of the many that the shares are read from. The slowest twentieth is one of them, since one who
// came back after a week would put all others into the first.
function merged(bins) {
  const cut = within(bins, 0.95);
  const usual = bins.filter(([edge]) => edge < cut);
  const size = Math.max(1, Math.ceil(usual.length / COLUMNS));
  const found = [];
  for (let at = 0; at < usual.length; at += size) {
    found.push({ from: usual[at][0], to: usual[at + size]?.[0] ?? cut, count: counted(usual.slice(at, at + size)) });
  }
  const rest = counted(bins.slice(usual.length));
  return rest > 0 ? [...found, { from: cut, to: null, count: rest }] : found;
}

function numbers(columns, label) {
  const text = (seconds) => (seconds === null ? "" : duration(seconds * 1000));
  const head = (key) => h("th", { scope: "col", class: "numeric" }, t(key));
  const cell = (words_) => h("td", { class: "numeric" }, words_);
  return h(
    "details",
    { class: "numbers" },
    h("summary", {}, t("funnel.numbers")),
    h(
      "div",
      { class: "scroller", role: "region", "aria-label": label, tabindex: 0 },
      h(
        "table",
        {},
        h("caption", { class: "unseen" }, label),
        h("thead", {}, h("tr", {}, head("funnel.time_from"), head("funnel.time_to"), head("funnel.time_count"))),
        h("tbody", {}, columns.map(({ from, to, count }) => h("tr", {}, h("th", { scope: "row", class: "numeric" }, text(from)), cell(text(to)), cell(number(count))))),
      ),
    ),
  );
}
