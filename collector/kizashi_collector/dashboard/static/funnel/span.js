/** From one step to a later one, as it is composed: it stays with its steps when these are moved. */

import { h, number, t } from "../core/core.js";
import { showOptions } from "./field.js";

const LAST = "last";

/**
 * The choice of two steps.
 * @param {{from: string, to: string}} words that stand before the choices; `funnel.span.…`
 * @param {() => void} changed
 * @returns {{element: HTMLElement, from: HTMLSelectElement, to: HTMLSelectElement, show(given: {from?: any, to?: any}, rows: any[]): void,
 *   follow(rows: any[]): boolean, read(rows: any[]): {from?: any, to?: any}}} `rows` are the form's steps, each with its
 *   `event` field; `follow` is called when they changed, and tells whether a step that was chosen is gone: the first or the
 *   last then stands in its place
 */
export function span(words, changed) {
  // A step of the form; null for the last one, whichever that is; or what the address has that is no step.
  let ends = { from: null, to: null };
  let drawn = "";
  const from = h("select", { oninput: chosen });
  const to = h("select", { oninput: chosen });
  const label = (key, control) => h("label", { class: "funnel-span-end" }, h("span", {}, t(`funnel.span.${key}`)), control);
  const element = h("div", { class: "funnel-span" }, label(words.from, from), label(words.to, to));
  let steps = [];
  return { element, from, to, show, follow, read };

  function show(given, rows) {
    const end = (at) => (Number.isInteger(at) && rows[at] ? { row: rows[at] } : { strange: at });
    ends = { from: end(given.from ?? 0), to: given.to === undefined ? null : end(given.to) };
    drawn = "";
    follow(rows);
  }

  function follow(rows) {
    steps = rows;
    const gone = (end) => end?.row !== undefined && !rows.includes(end.row);
    const lost = gone(ends.from) || gone(ends.to);
    ends = { from: gone(ends.from) ? { row: rows[0] } : ends.from, to: gone(ends.to) ? null : ends.to };
    const options = rows.map((row, at) => [String(at), `${number(at + 1)}. ${row.event.value.trim()}`]);
    const signature = JSON.stringify([options, value(ends.from), value(ends.to)]);
    if (signature !== drawn) {
      drawn = signature;
      draw(from, options.slice(0, Math.max(1, rows.length - 1)), ends.from, options);
      draw(to, [[LAST, t("funnel.span.last")], ...options.slice(1)], ends.to, options);
    }
    return lost;
  }

  function draw(select, offered, end, options) {
    const now = value(end);
    const strange = offered.some(([one]) => one === now) ? [] : [options.find(([one]) => one === now) ?? [now, Number.isInteger(end.strange) ? number(end.strange + 1) : now]];
    showOptions(select, [...offered, ...strange], now);
  }

  function value(end) {
    return end === null ? LAST : end.row ? String(steps.indexOf(end.row)) : `?${JSON.stringify(end.strange)}`;
  }

  function chosen() {
    const end = (select, was) => (select.value === value(was) ? was : select.value === LAST ? null : { row: steps[Number(select.value)] });
    ends = { from: end(from, ends.from), to: end(to, ends.to) };
    changed();
  }

  function read(rows) {
    // A step that is still empty is none: what is between begins or ends where the next one does.
    const at = (end) => (end.row ? (rows.includes(end.row) ? rows.indexOf(end.row) : rows.filter((row) => steps.indexOf(row) < steps.indexOf(end.row)).length) : end.strange);
    const first = at(ends.from);
    return { ...(first === 0 ? {} : { from: first }), ...(ends.to === null ? {} : { to: at(ends.to) }) };
  }
}
