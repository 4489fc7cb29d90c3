/** All figures of the review, as columns of a table. */

import { breakable, day, h, money, number, percent, t } from "../core/core.js";
import { times } from "./sentences.js";
import { declaredNumber, declaredText, TONES } from "./step.js";

/** @returns {object[]} the columns; a row is a step of the answer with the answer's `currency` */
export function columns() {
  const plain = (name, of, cell = of) => ({ key: name, head: t(`values.col.${name}`), cell, sort: of, csv: of });
  const numeric = (name, of, format = number) => ({
    ...plain(name, of, (row) => format(of(row), row.currency)),
    numeric: true,
  });
  const worth = (name) => ({
    ...numeric(name, (row) => row.learned && Number(row.learned[name === "learned" ? "value" : name]), money),
    csv: (row) => row.learned?.[name === "learned" ? "value" : name] ?? "",
  });
  return [
    { ...plain("event", (row) => row.event), cell: (row) => h("span", { class: "event" }, breakable(row.event)) },
    numeric("step", (row) => row.step),
    {
      ...plain(
        "verdict",
        (row) => row.verdict,
        (row) => h("span", { class: `badge ${TONES[row.verdict] ?? ""}` }, t(`values.${row.verdict}`)),
      ),
      csv: (row) => row.verdict,
    },
    {
      ...numeric("declared", declaredNumber),
      cell: (row) => declaredText(row, row.currency),
      csv: (row) => row.declared ?? "",
    },
    worth("learned"),
    worth("low"),
    worth("high"),
    numeric("chance", (row) => row.learned?.chance ?? null, percent),
    numeric("journeys", (row) => row.journeys),
    numeric("converted", (row) => row.converted),
    numeric("share", (row) => row.share, percent),
    numeric("waiting", (row) => row.waiting),
    { ...numeric("lift", (row) => row.lift?.ratio ?? null), cell: (row) => (row.lift ? times(row.lift.ratio) : "–") },
    numeric("gain", (row) => row.marginal_gain, percent),
    { ...numeric("trend", (row) => row.trend.at(-1)?.chance ?? null), cell: trendCell, csv: trendCell },
    numeric("recent", (row) => row.count_28d),
    plain(
      "owner",
      (row) => row.owner ?? "",
      (row) => row.owner ?? "–",
    ),
    plain(
      "review_by",
      (row) => row.review_by ?? "",
      (row) => (row.review_by ? h("span", { class: "numeric" }, day(row.review_by)) : "–"),
    ),
  ];
}

function trendCell(row) {
  const chances = row.trend.map((period) => percent(period.chance)).join(" → ");
  return row.direction ? `${chances} (${t(`values.${row.direction}`)})` : chances || "–";
}
