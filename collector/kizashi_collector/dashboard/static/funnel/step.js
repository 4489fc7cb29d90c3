/** One step, as it is composed. */

import { h, number, t } from "../core/core.js";
import { conditions } from "./conditions.js";
import { errorPlace, named, textField } from "./field.js";

/**
 * The row of a step.
 * @param {import("../state.js").Step} step
 * @param {{namesId: string, fieldsId: string, changed: () => void, move: (row: any, by: number, focused: HTMLElement) => void,
 *   remove: (row: any) => void}} of
 * @returns {{element: HTMLElement, event: HTMLInputElement, optional: HTMLInputElement, conditions: ReturnType<typeof conditions>,
 *   numbered(at: number, all: number): void}}
 */
export function stepRow(step, { namesId, fieldsId, changed, move, remove }) {
  const event = textField({ list: namesId, class: "funnel-event" }, step.event);
  const optional = h("input", { type: "checkbox", checked: step.optional });
  const icon = (sign, onclick) => h("button", { type: "button", class: "icon", onclick }, sign);
  const up = icon("↑", () => move(row, -1, up));
  const down = icon("↓", () => move(row, 1, down));
  const drop = icon("✕", () => remove(row));
  const skip = h("label", { class: "funnel-skip" }, optional, h("span", { "aria-hidden": "true" }, t("funnel.optional")));
  const made = conditions(step.where, fieldsId, changed);
  const heading = h("span", { class: "funnel-number", "aria-hidden": "true" });
  const line = h("div", { class: "funnel-step", role: "group" }, heading, event, made.element, skip, h("div", { class: "funnel-buttons" }, up, down, drop));
  const element = h("li", { onkeydown: byKey }, line, errorPlace());
  const row = { element, event, optional, conditions: made, numbered };
  return row;

  function byKey(pressed) {
    if (pressed.altKey && (pressed.key === "ArrowUp" || pressed.key === "ArrowDown")) {
      pressed.preventDefault();
      move(row, pressed.key === "ArrowUp" ? -1 : 1, pressed.target);
    }
  }

  function numbered(at, all) {
    const n = number(at + 1);
    line.setAttribute("aria-label", t("funnel.step", { n }));
    heading.textContent = n;
    for (const [control, key] of [[event, "event_of"], [optional, "optional_of"], [up, "up"], [down, "down"], [drop, "remove"]]) {
      named(control, t(`funnel.${key}`, { n }));
    }
    made.numbered(t("funnel.step_place", { n }));
    up.disabled = at === 0;
    down.disabled = at === all - 1;
    skip.hidden = at === 0 || at === all - 1;
  }
}
