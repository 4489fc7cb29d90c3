/** The figures of the whole window, each beside the same of the window that it is compared with. */

import { h, interval, money, number, percent, t } from "./core.js";

/**
 * @typedef {object} Tile
 * @property {string} name
 * @property {string} figure
 * @property {string} note what the figure is
 * @property {{way: "up" | "down" | "same" | "", words: string} | null} [compared]
 * @property {import("./dom.js").Child} [picture]
 * @property {import("./dom.js").Child} [warning]
 */

/**
 * The tiles of an answer.
 * @param {any} answer of GET /v1/summary
 * @param {string[]} finals names of the plan's final conversions
 * @param {{then: any, today: any} | "counting" | null} beside what it is compared with
 * @returns {HTMLElement}
 */
export function tiles(answer, finals, beside) {
  const { total, currency, plan } = answer;
  const valued = total.journeys !== null && finals.length > 0;
  const shown = valued ? [expected, brought, conversions, actors] : [events, actors];
  return h("dl", { class: "tiles overview-tiles" }, shown.map((make) => drawn(make())));

  /** @returns {Tile} */
  function expected() {
    const { expected_value: value, low, high } = total;
    const known = value !== null;
    return {
      name: t("overview.expected"),
      figure: money(value, currency),
      note: t(known && low !== null ? "overview.expected_note" : "overview.expected_note_bare", {
        journeys: number(total.journeys),
        low: money(low, currency),
        high: money(high, currency),
      }),
      compared: against(value, (other) => other.today.expected_value, (amount) => money(amount, currency)),
      picture: known && ranges(),
      warning: !total.ready && t("overview.not_ready", { reason: t(`overview.${total.reason}`) }),
    };
  }

  function brought() {
    return {
      name: t("overview.brought"),
      figure: money(total.brought_value, currency),
      note: t("overview.brought_note", { open: number(total.open) }),
      compared: against(total.brought_value, (other) => other.then.brought_value, (amount) => money(amount, currency)),
    };
  }

  function conversions() {
    return {
      name: t("overview.finals"),
      figure: number(finalsOf(total, finals)),
      note: t("overview.finals_note", {
        names: finals.length > 3 ? `${finals.slice(0, 3).join(", ")} …` : finals.join(", "),
        value: money(total.final_value, currency),
      }),
      compared: against(finalsOf(total, finals), (other) => finalsOf(other.then, finals), number),
    };
  }

  function actors() {
    return {
      name: t("overview.actors"),
      figure: number(total.actors),
      note: t(plan === null ? "overview.actors_note_any" : "overview.actors_note"),
      compared: against(total.actors, (other) => other.then.actors, number),
    };
  }

  function events() {
    return {
      name: t("overview.events"),
      figure: number(eventsOf(total)),
      note: t(plan === null ? "overview.events_note" : "overview.events_note_planned"),
      compared: against(eventsOf(total), (other) => eventsOf(other.then), number),
    };
  }

  function against(now, pick, format) {
    if (beside === "counting") {
      return { way: "", words: t("overview.comparing") };
    }
    const then = beside === null ? null : pick(beside);
    return now === null || then === null || then === undefined ? null : change(Number(now), Number(then), format(then));
  }

  function ranges() {
    const rows = [["overview.now", total]];
    if (beside !== null && beside !== "counting" && beside.today.expected_value !== null) {
      rows.push(["overview.then", beside.today]);
    }
    const max = Math.max(...rows.flatMap(([, one]) => [Number(one.expected_value), Number(one.high ?? 0)]));
    return [
      h(
        "div",
        { class: "overview-ranges" },
        rows.map(([word, one]) => [h("span", {}, t(word)), range(one, max, currency)]),
      ),
      rows.length > 1 && rows.every(([, one]) => one.low !== null) && h("p", { class: "small" }, t(standing(total, beside.today))),
    ];
  }
}

/**
 * A row's expected value with its interval, on a scale that ends at `max`.
 * @param {any} row
 * @param {number} max
 * @param {string | null} currency
 * @returns {Element}
 */
export function range(row, max, currency) {
  const [low, value, high] = [row.low, row.expected_value, row.high].map((amount) => (amount === null ? null : Number(amount)));
  return interval({ low, value, high, max, format: (amount) => money(amount, currency) });
}

/**
 * How many final conversions a row has.
 * @param {any} row
 * @param {string[]} finals
 * @returns {number}
 */
export function finalsOf(row, finals) {
  return finals.reduce((sum, name) => sum + (row.events[name]?.count ?? 0), 0);
}

/**
 * How many events a row has.
 * @param {any} row
 * @returns {number}
 */
export function eventsOf(row) {
  return Object.values(row.events).reduce((sum, event) => sum + event.count, 0);
}

function change(now, then, words) {
  const by = then === 0 ? null : now / then - 1;
  if (by === null ? now === 0 : Math.abs(by) < 0.0005) {
    return { way: "same", words: t("overview.same", { then: words }) };
  }
  if (by === null) {
    return { way: "up", words: t("overview.from_none") };
  }
  const way = by > 0 ? "up" : "down";
  return { way, words: t(by > 0 ? "overview.above" : "overview.below", { by: share(Math.abs(by)), then: words }) };
}

// A tenth of a percent at most, and none where the change is large: more digits than mean something mislead.
function share(by) {
  return percent(by < 0.1 ? Math.round(by * 1000) / 1000 : Math.round(by * 100) / 100);
}

// What the two will have brought, and no more: the ranges hold the luck that is still to come, not that which has been had.
// `high` may lie below the expected value, which is a mean: each range reaches at least to its own.
function standing(one, other) {
  const low = (row) => Math.min(Number(row.low), Number(row.expected_value));
  const high = (row) => Math.max(Number(row.high), Number(row.expected_value));
  if (low(one) > high(other)) {
    return "overview.ahead";
  }
  return high(one) < low(other) ? "overview.behind" : "overview.overlap";
}

/** @param {Tile} tile */
function drawn({ name, figure, note, compared, picture, warning }) {
  return h(
    "div",
    { class: picture ? "tile overview-main" : "tile" },
    h("dt", {}, name),
    h("dd", { class: "figure" }, figure),
    warning && h("dd", {}, h("span", { class: "badge warn" }, warning)),
    compared && h("dd", { class: `delta ${compared.way}` }, compared.words),
    picture && h("dd", {}, picture),
    h("dd", { class: "note" }, note),
  );
}
