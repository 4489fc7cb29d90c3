/** The figures of the whole window, each beside the same of the window that it is compared with. */

import { h, interval, money, number, percent, roughly, s, t } from "../core/core.js";
import { percentOf } from "./targets.js";

/**
 * @typedef {object} Tile
 * @property {string} name
 * @property {string} figure
 * @property {import("../core/dom.js").Child} note what the figure is
 * @property {{way: "up" | "down" | "same" | "", words: string} | null} [compared]
 * @property {import("../core/dom.js").Child} [picture]
 * @property {import("../core/dom.js").Child} [warning]
 * @property {import("../core/dom.js").Child} [target]
 */

/**
 * The tiles of an answer.
 * @param {any} answer of GET /v1/summary
 * @param {string[]} finals names of the plan's final conversions
 * @param {{then: any, today: any} | "counting" | null} beside what it is compared with
 * @param {{expected_value?: number, brought_value?: number, finals?: number, actors?: number}} [targets] of the plan for
 *   this window
 * @returns {HTMLElement}
 */
export function tiles(answer, finals, beside, targets = {}) {
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
      note: [
        t(known && low !== null && money(low, currency) !== money(high, currency) ? "overview.expected_note" : "overview.expected_note_bare", {
          journeys: number(total.journeys),
          low: money(low, currency),
          high: money(high, currency),
        }),
        isBeyond(total) && [t("overview.space"), t("overview.beyond_what")],
      ],
      compared: undecided(against(value, (other) => other.today.expected_value, (amount) => money(amount, currency))),
      target: towards(value, targets.expected_value, (amount) => money(amount, currency)),
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
      target: towards(total.brought_value, targets.brought_value, (amount) => money(amount, currency)),
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
      target: towards(finalsOf(total, finals), targets.finals, number),
    };
  }

  function actors() {
    return {
      name: t("overview.actors"),
      figure: number(total.actors),
      note: t(plan === null ? "overview.actors_note_any" : "overview.actors_note"),
      compared: against(total.actors, (other) => other.then.actors, number),
      target: towards(total.actors, targets.actors, number),
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

  // Where either may end above the other, no colour takes sides.
  function undecided(change) {
    const known = change !== null && beside !== null && beside !== "counting" && total.low !== null && beside.today.low !== null;
    return known && standing(total, beside.today) === "overview.overlap" ? { ...change, way: "same" } : change;
  }

  function ranges() {
    const rows = [["overview.now", total]];
    if (beside !== null && beside !== "counting" && beside.today.expected_value !== null) {
      rows.push(["overview.then", beside.today]);
    }
    const ends = rows.map(([, one]) => [lowest(one), highest(one)]);
    const max = Math.max(...ends.map(([, high]) => high));
    // Two ranges are compared with each other, and not with nothing: from 0 they would be two dots.
    const least = Math.min(...ends.map(([low]) => low));
    const room = (max - least) / 8;
    const scale = rows.length > 1 && least > room ? { min: least - room, max: max + room } : { min: 0, max };
    return [
      h(
        "div",
        { class: "overview-ranges" },
        rows.map(([word, one]) => [h("span", {}, t(word)), range(one, scale.max, currency, scale.min)]),
      ),
      rows.length > 1 && rows.every(([, one]) => one.low !== null) && h("p", { class: "small" }, t(standing(total, beside.today))),
    ];
  }
}

/**
 * A row's expected value with its interval, on a scale from `min` to `max`.
 * @param {any} row
 * @param {number} max
 * @param {string | null} currency
 * @param {number} [min]
 * @returns {Element}
 */
export function range(row, max, currency, min = 0) {
  const [low, value, high] = [row.low, row.expected_value, row.high].map((amount) => (amount === null ? null : Number(amount)));
  return interval({ low, value, high, min, max, format: (amount) => money(amount, currency) });
}

/**
 * Whether a row's expected value, which is a mean, lies outside the interval of what is likely.
 * @param {any} row
 * @returns {boolean}
 */
export function isBeyond(row) {
  return row.low !== null && (Number(row.expected_value) > Number(row.high) || Number(row.expected_value) < Number(row.low));
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
  return { way, words: t(by > 0 ? "overview.above" : "overview.below", { by: roughly(Math.abs(by)), then: words }) };
}

function towards(now, target, format) {
  if (now === null || target === undefined) {
    return null;
  }
  const whole = percentOf(now, target);
  const words = t(whole < 100 ? "overview.target" : "overview.target_reached", { by: percent(whole / 100), target: format(target) });
  return [words, reached(Number(now) / target)];
}

function reached(by) {
  const part = (className, width) => s("rect", { class: className, width, height: 4, rx: 2 });
  const parts = [part("track", 100), by > 0 && part("filled", 100 * Math.min(1, by))];
  return s("svg", { class: "overview-target", viewBox: "0 0 100 4", preserveAspectRatio: "none", "aria-hidden": "true" }, parts);
}

// What the two will have brought, and no more: the ranges hold the luck that is still to come, not that which has been had.
// `high` may lie below the expected value, which is a mean: each range reaches at least to its own.
function standing(one, other) {
  if (lowest(one) > highest(other)) {
    return "overview.ahead";
  }
  return highest(one) < lowest(other) ? "overview.behind" : "overview.overlap";
}

function lowest(row) {
  return Math.min(Number(row.low ?? row.expected_value), Number(row.expected_value));
}

function highest(row) {
  return Math.max(Number(row.high ?? row.expected_value), Number(row.expected_value));
}

/** @param {Tile} tile */
function drawn({ name, figure, note, compared, picture, warning, target }) {
  return h(
    "div",
    { class: picture ? "tile overview-main" : "tile" },
    h("dt", {}, name),
    h("dd", { class: "figure" }, figure),
    warning && h("dd", {}, h("span", { class: "badge warn" }, warning)),
    compared && h("dd", { class: `delta ${compared.way}` }, compared.words),
    target && h("dd", { class: "small" }, target),
    picture && h("dd", {}, picture),
    h("dd", { class: "note" }, note),
  );
}
