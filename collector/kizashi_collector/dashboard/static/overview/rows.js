/** The table: a row for each campaign, or whatever the window is broken down by. */

import { breakable, h, money, number, table, t } from "../core/core.js";
import { fieldName } from "../core/names.js";
import { eventsOf, finalsOf, isBeyond, range } from "./tiles.js";


/**
 * @param {object} of
 * @param {string[]} of.by
 * @param {string[]} of.finals names of the plan's final conversions
 * @param {number} of.least the plan's min_effective_conversions
 * @param {string} of.file name of the CSV
 * @param {(reason: string) => void} of.onreason leads to what is said of a reason
 * @returns {HTMLElement & {show(answer: any): void}}
 */
export function rowsTable({ by, finals, least, file, onreason }) {
  let currency = null;
  let max = 0;
  const amount = (key) => ({
    numeric: true,
    cell: (row) => money(row[key], currency),
    sort: (row) => numeral(row[key]),
    csv: (row) => row[key],
  });
  const count = (of) => ({ numeric: true, cell: (row) => number(of(row)), sort: of, csv: of });
  const keys = by.map((field) => ({
    key: field,
    head: fieldName(field),
    cell: (row) => name(row.key[field]),
    sort: (row) => row.key[field],
    csv: (row) => row.key[field],
  }));
  const valued = [
    { key: "expected", head: t("overview.expected"), hint: t("overview.expected_hint"), ...amount("expected_value") },
    {
      key: "range",
      head: t("overview.range"),
      hint: t("overview.range_hint"),
      cell: (row) => h("div", { class: "overview-range" }, range(row, max, currency), row.low !== null && h("small", {}, between(row)), beyond(row)),
      parts: ["low", "high"].map((end) => ({ head: t(`overview.range_${end}`), of: (row) => row[end] })),
    },
    { key: "brought", head: t("overview.brought"), hint: t("overview.brought_hint"), ...amount("brought_value") },
    { key: "actors", head: t("overview.actors"), ...count((row) => row.actors) },
    { key: "finals", head: t("overview.finals_column"), hint: t("overview.finals_hint"), ...count((row) => finalsOf(row, finals)) },
    {
      key: "evidence",
      head: t("overview.evidence"),
      hint: t("overview.evidence_hint"),
      numeric: true,
      cell: evidence,
      sort: (row) => row.effective_conversions,
      csv: (row) => row.effective_conversions,
    },
    { key: "ready", head: t("overview.ready"), cell: ready, sort: (row) => `${row.ready ? 0 : 1} ${reasonWords(row)}`, csv: reasonWords },
    { key: "bid", head: t("overview.bid"), hint: t("overview.bid_hint"), ...amount("bid_value") },
  ];
  const counted = [
    { key: "events", head: t("overview.events"), ...count(eventsOf) },
    { key: "actors", head: t("overview.actors"), ...count((row) => row.actors) },
  ];
  const element = table({
    caption: t("overview.caption"),
    columns: [...keys, ...(finals.length > 0 ? valued : counted)],
    rows: [],
    csv: file,
    filter: (row) => [...by.map((field) => row.key[field] || t("overview.nothing")), finals.length > 0 ? reasonWords(row) : ""].join(" "),
    sort: { key: finals.length > 0 ? "expected" : "events", down: true },
    state: "",
  });
  return Object.assign(element, { show });

  function show(answer) {
    currency = answer.currency;
    max = Math.max(0, ...answer.rows.map((row) => Math.max(Number(row.high ?? 0), Number(row.expected_value ?? 0))));
    // Rows are drawn anew; a reader whose focus is on a reason keeps it.
    const held = document.activeElement?.closest?.("tr")?.contains(document.activeElement) && element.contains(document.activeElement);
    const place = held ? document.activeElement.dataset.row : undefined;
    element.update(answer.rows);
    if (place !== undefined) {
      [...element.querySelectorAll("[data-row]")].find((one) => one.dataset.row === place)?.focus({ preventScroll: true });
    }
  }

  function between(row) {
    const [low, high] = [money(row.low, currency), money(row.high, currency)];
    return low === high ? low : t("overview.between", { low, high });
  }

  function beyond(row) {
    return isBeyond(row) && h("small", { title: t("overview.beyond_what") }, t("overview.beyond"));
  }

  function evidence(row) {
    const borrowed = row.evidence?.borrowed ?? 0;
    const words = number(row.effective_conversions);
    return borrowed > 0 ? [words, h("small", { class: "overview-borrowed" }, t("overview.borrowed", { n: number(borrowed) }))] : words;
  }

  function ready(row) {
    if (row.ready) {
      return h("span", { class: "badge good" }, t("overview.is_ready"));
    }
    return h(
      "button",
      { type: "button", class: "plain overview-reason", "data-row": JSON.stringify(row.key), onclick: () => onreason(row.reason) },
      reasonWords(row),
    );
  }

  function reasonWords(row) {
    if (row.ready) {
      return t("overview.is_ready");
    }
    const few = row.reason === "thin" && row.effective_conversions !== null && row.effective_conversions < least;
    return few ? t("overview.thin_of", { n: number(row.effective_conversions), least: number(least) }) : t(`overview.${row.reason}`);
  }
}

// Signs that are not seen and would turn what is written around, or break it.
const UNSEEN = /[\u0000-\u001f\u007f\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;
const LONG = 80;

function name(text) {
  if (!text) {
    return h("span", { class: "muted" }, t("overview.nothing"));
  }
  const shown = text.replace(UNSEEN, "\ufffd");
  return h("bdi", { class: "overview-name", title: text.length > LONG && shown }, breakable(shown));
}

function numeral(amount) {
  return amount === null ? null : Number(amount);
}
