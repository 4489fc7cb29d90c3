/** A funnel broken down: its rows side by side. */

import { h, money, number, panel, percent, s, t, table } from "../core/core.js";
import { fieldName } from "../core/names.js";
import { bottleneck, brought, farBelow, losses } from "./figures.js";
import { soft, wordsOfStep } from "./phrases.js";

const ROWS_AT_FIRST = 10;

/** The breakdown: a row for each key, and of each step the share that came to it from the step before as a small bar. */
export function breakdown(answer, definition) {
  const keys = Object.keys(answer.groups[0]?.key ?? {});
  const rows = answer.groups.map((group) => ({ ...group, worst: bottleneck(losses(group.steps, definition.steps)) }));
  rows.sort((one, other) => other.steps[0].count - one.steps[0].count);
  const below = farBelow(rows, definition.steps);
  const last = answer.steps.length - 1;
  const columns = [
    ...keys.map((key) => ({
      key,
      head: fieldName(key),
      cell: (row) => row.key[key] || t("funnel.none"),
      sort: (row) => row.key[key],
      csv: (row) => row.key[key],
    })),
    { key: "entered", head: t("funnel.entered"), numeric: true, cell: (row) => number(row.steps[0].count), sort: (row) => row.steps[0].count, csv: (row) => row.steps[0].count },
    ...answer.steps.slice(1).map((_, index) => stepColumn(index + 1)),
    ...(last > 0
      ? [{ key: "conversion", head: t("funnel.conversion"), numeric: true, cell: (row) => percent(row.steps[last].rate), sort: (row) => row.steps[last].rate, csv: (row) => row.steps[last].rate }]
      : []),
    ...(answer.currency && answer.steps.every((step) => step.value.final !== null)
      ? [{ key: "brought", head: t("funnel.brought"), numeric: true, cell: (row) => money(brought(row), answer.currency), sort: (row) => Number(brought(row)), csv: brought }]
      : []),
  ];
  const few = rows.length > ROWS_AT_FIRST + 2;
  const filter = few ? (row) => Object.values(row.key).join(" ") : undefined;
  const element = table({ caption: t("funnel.breakdown"), columns, rows, csv: "funnel-breakdown", filter, empty: t("funnel.breakdown_empty") });
  // The rest is there, only not seen, so that order and filter are those of all rows.
  const place = h("div", { class: few ? "stack funnel-groups few" : "stack funnel-groups" }, element);
  if (few) {
    place.append(h("button", { type: "button", class: "table-more", onclick: reveal }, t("funnel.more")));
  }
  const far = below && h("p", { class: "note-box bad" }, soft(farWords()));
  return panel(t("funnel.breakdown"), far, h("p", { class: "hint" }, t("funnel.breakdown_hint")), place);

  function farWords() {
    const { row, at, from, rate, others } = below;
    return t("funnel.below_says", {
      row: keys.map((key) => rows[row].key[key] || t("funnel.none")).join(t("funnel.key_between")),
      from: wordsOfStep(definition, answer, from),
      to: wordsOfStep(definition, answer, at),
      share: percent(rate),
      others: percent(others),
    });
  }

  function reveal(event) {
    place.classList.remove("few");
    event.currentTarget.remove();
    element.querySelector(".scroller")?.focus({ preventScroll: true });
  }

  function stepColumn(at) {
    return {
      key: `step${at}`,
      numeric: true,
      head: `${at + 1}. ${wordsOfStep(definition, answer, at)}`,
      cell: (row) => shareCell(row, at, below?.at === at && rows[below.row] === row),
      sort: (row) => row.steps[at].step_rate,
      csv: (row) => row.steps[at].count,
    };
  }
}

function shareCell(row, at, below) {
  const { count, step_rate: rate } = row.steps[at];
  const worst = row.worst === at;
  const length = rate === null ? 0 : Math.min(100, rate * 100);
  return h(
    "div",
    { class: `share${worst ? " worst" : ""}${below ? " below" : ""}` },
    h("span", { class: "share-text" }, h("span", {}, percent(rate)), h("span", { class: "quiet" }, number(count))),
    s(
      "svg",
      { class: "share-bar", viewBox: "0 0 100 6", preserveAspectRatio: "none", "aria-hidden": "true" },
      s("rect", { class: "bar-ground", width: 100, height: 6 }),
      s("rect", { class: "bar-fill", width: length, height: 6 }),
    ),
    worst && h("div", { class: "share-mark" }, t("funnel.bottleneck")),
    below && h("div", { class: "share-mark" }, t("funnel.below")),
  );
}
