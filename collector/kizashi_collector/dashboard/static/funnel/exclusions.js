/** The events that must not fall between two steps, as they are composed. */

import { h, number, t } from "../core/core.js";
import { conditions } from "./conditions.js";
import { errorPlace, named, textField } from "./field.js";
import { span } from "./span.js";
import { isEmpty } from "./state.js";

const MOST = 64;

/**
 * The exclusions of a funnel.
 * @param {{namesId: string, fieldsId: string, changed: () => void}} of `namesId` and `fieldsId` are those of the datalists
 *   of events and of fields
 * @returns {{element: HTMLElement, show(list: import("../state.js").Exclusion[], steps: any[]): void, follow(steps: any[]): boolean,
 *   read(steps: any[]): import("../state.js").Exclusion[], row(at: number): HTMLElement | undefined, repeated(): number}} `steps`
 *   are the form's; `row` is that of the exclusion that `read` last gave at this place; `repeated` is the first with a field
 *   in two conditions, or −1
 */
export function exclusions({ namesId, fieldsId, changed }) {
  let rows = [];
  let steps = [];
  let given = [];
  const list = h("ul", { class: "plain stack funnel-exclusions" });
  const add = h("button", { type: "button", onclick: another }, `＋ ${t("funnel.exclude_add")}`);
  const hint = h("p", { class: "hint" }, t("funnel.exclude_hint"));
  const element = h("div", { class: "stack", role: "group", "aria-label": t("funnel.exclusions"), "data-field": "exclude" }, hint, list, h("div", {}, add), errorPlace());
  draw();
  return { element, show, follow, read, row: (at) => given[at]?.element, repeated };

  function show(all, rows_) {
    steps = rows_;
    rows = all.map((one) => exclusionRow(one));
    given = rows;
    draw();
  }

  function follow(rows_) {
    steps = rows_;
    return rows.map((row) => row.span.follow(steps)).includes(true);
  }

  function read(filled) {
    given = rows.filter((row) => row.event.value.trim() !== "" || !isEmpty(row.conditions.where()));
    return given.map((row) => {
      const where = row.conditions.where();
      return { event: row.event.value.trim(), ...(isEmpty(where) ? {} : { where }), ...row.span.read(filled) };
    });
  }

  function repeated() {
    return given.findIndex((row) => row.conditions.repeated());
  }

  function draw() {
    list.replaceChildren(...rows.map((row) => row.element));
    list.hidden = rows.length === 0;
    hint.hidden = rows.length === 0;
    add.disabled = rows.length >= MOST;
    rows.forEach((row, at) => row.numbered(number(at + 1)));
  }

  function another() {
    rows.push(exclusionRow({ event: "" }));
    draw();
    rows.at(-1).event.focus();
    changed();
  }

  function exclusionRow(one) {
    const event = textField({ list: namesId, class: "funnel-event" }, one.event);
    const between = span({ from: "after", to: "before" }, changed);
    between.show(one, steps);
    const made = conditions(one.where ?? {}, fieldsId, changed);
    const remove = h("button", { type: "button", class: "icon", onclick: drop }, "✕");
    const line = h("div", { class: "funnel-exclusion", role: "group" }, event, between.element, made.element, h("div", { class: "funnel-buttons" }, remove));
    const element_ = h("li", {}, line, errorPlace());
    const row = { element: element_, event, span: between, conditions: made, numbered };
    return row;

    function numbered(n) {
      line.setAttribute("aria-label", t("funnel.exclusion", { n }));
      named(event, t("funnel.exclude_event", { n }));
      named(between.from, t("funnel.exclude_from", { n }));
      named(between.to, t("funnel.exclude_to", { n }));
      named(remove, t("funnel.exclude_remove", { n }));
      made.numbered(t("funnel.exclusion_place", { n }));
    }

    function drop() {
      rows = rows.filter((other) => other !== row);
      draw();
      add.focus();
      changed();
    }
  }
}
