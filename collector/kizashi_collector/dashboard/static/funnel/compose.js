/** The form in which a funnel is composed. */

import { h, number, t } from "../core/core.js";
import { exclusions } from "./exclusions.js";
import { errorPlace, showError } from "./field.js";
import { planText } from "./plan_text.js";
import { rules } from "./rules.js";
import { definitionOf, isEmpty, requestOf } from "./state.js";
import { stepRow } from "./step.js";
import "./compose_words.js";

const MOST_STEPS = 64;
const NO_STEP = { event: "", where: {}, optional: false };

let forms = 0;

/**
 * A form that holds a funnel. `onapply(definition)` is called with what it says when it is sent.
 * @param {{names: string[], fields: string[], onapply: (definition: import("../state.js").Definition) => void}} of
 *   `names` and `fields` are offered for events and for conditions; any other may be typed
 * @returns {{element: HTMLElement, show(definition: import("../state.js").Definition): void,
 *   tell(found: {field: string, at?: number, part?: string, says: string, detail: string} | null, focus: boolean): boolean}} `tell`
 *   shows an error beside its field (null: none); false where the form has no such field
 */
export function composer({ names, fields, onapply }) {
  const id = `compose-${(forms += 1)}`;
  const ids = { namesId: `${id}-names`, fieldsId: `${id}-fields`, changed: describe };
  let rows = [];
  let sent = [];
  let shown = definitionOf({ steps: [] });
  const list = h("ol", { class: "steps funnel-steps" });
  const excluded = exclusions(ids);
  const ruled = rules(id, describe);
  const said = h("p", { class: "unseen", role: "status" });
  const add = h("button", { type: "button", onclick: addStep }, `＋ ${t("funnel.add")}`);
  const most = h("p", { class: "hint", hidden: true }, t("funnel.most"));
  const toml = h("code", {});
  const element = h(
    "form",
    { class: "stack", novalidate: true, onsubmit: send, oninput: describe },
    h("datalist", { id: ids.namesId }, [...names, "*"].map((name) => h("option", { value: name }))),
    h("datalist", { id: ids.fieldsId }, fields.map((name) => h("option", { value: name }))),
    h("p", { class: "hint" }, t("funnel.compose_hint")),
    h("div", { "data-field": "steps" }, list, errorPlace()),
    h("div", { class: "row" }, add, most, h("span", { class: "hint funnel-keys" }, t("funnel.keys"))),
    excluded.element,
    ruled.element,
    h("div", { class: "row" }, h("button", { class: "primary" }, t("funnel.apply")), h("button", { type: "button", onclick: reset }, t("funnel.reset"))),
    h("details", { class: "small stack" }, h("summary", {}, t("funnel.declare")), h("p", { class: "hint" }, t("funnel.declare_hint")), h("pre", { tabindex: 0 }, toml)),
    said,
  );
  return { element, show, tell };

  // What the form says already is left as it is, with the focus in it.
  function show(asked) {
    const same = rows.length > 0 && JSON.stringify(requestOf(asked)) === JSON.stringify(requestOf(definition()));
    shown = asked;
    tell(null, false);
    if (!same) {
      fill(asked);
    }
  }

  function fill(definition) {
    rows = (definition.steps.length > 0 ? definition.steps : [NO_STEP]).map(rowOf);
    excluded.show(definition.exclude, rows);
    ruled.show(definition, rows);
    place();
    sent = rows;
  }

  function reset() {
    tell(null, false);
    fill(shown);
  }

  /** @returns {import("../state.js").Definition} */
  function definition() {
    const filled = rows.filter((row) => row.event.value.trim() !== "" || !isEmpty(row.conditions.where()));
    const steps = filled.map((row, at) => ({
      event: row.event.value.trim(),
      where: row.conditions.where(),
      optional: row.optional.checked && at > 0 && at < filled.length - 1,
    }));
    sent = filled;
    return { name: "", steps, exclude: excluded.read(filled), ...ruled.read(filled) };
  }

  function send(event) {
    event.preventDefault();
    const made = definition();
    const wrong = mistake(made);
    if (wrong) {
      tell(wrong, true);
    } else {
      onapply(made);
    }
  }

  // What could not even be asked.
  function mistake(made) {
    if (made.steps.length === 0) {
      sent = rows;
      return { field: "steps", at: 0, says: t("funnel.error.steps"), detail: "" };
    }
    const [step, exclusion] = [sent.findIndex((row) => row.conditions.repeated()), excluded.repeated()];
    const [field, at] = step >= 0 ? ["steps", step] : ["exclude", exclusion];
    return at >= 0 ? { field, at, part: "where", says: t("funnel.error.repeated"), detail: "" } : null;
  }

  function describe() {
    const lost = [excluded.follow(rows), ruled.follow(rows)].includes(true);
    toml.textContent = planText(requestOf(definition()));
    return lost;
  }

  // The rows stand in their order, and everything that names their number says the right one.
  function place(keep = document.activeElement) {
    rows.forEach((row, at) => row.numbered(at, rows.length));
    const elements = rows.map((row) => row.element);
    if (elements.length !== list.children.length || elements.some((one, at) => list.children[at] !== one)) {
      list.replaceChildren(...elements);
    }
    add.disabled = rows.length >= MOST_STEPS;
    most.hidden = !add.disabled;
    if (keep && element.contains(keep)) {
      keep.focus();
    }
    return describe();
  }

  function rowOf(step) {
    return stepRow(step, { ...ids, move: moveStep, remove: removeStep });
  }

  function addStep() {
    rows.push(rowOf(NO_STEP));
    place(null);
    rows.at(-1).event.focus();
    said.textContent = t("funnel.added", { n: number(rows.length) });
  }

  function removeStep(row) {
    const at = rows.indexOf(row);
    rows.splice(at, 1);
    if (rows.length === 0) {
      rows.push(rowOf(NO_STEP));
    }
    const lost = place(null);
    (rows[at] ?? rows.at(-1)).event.focus();
    said.textContent = [t("funnel.removed", { n: number(at + 1), left: number(rows.length) }), lost ? t("funnel.removed_end") : ""].join(" ").trim();
  }

  function moveStep(row, by, focused) {
    const from = rows.indexOf(row);
    const to = from + by;
    if (to < 0 || to >= rows.length) {
      return;
    }
    rows.splice(from, 1);
    rows.splice(to, 0, row);
    place(focused);
    // At the end of the way the button that was pressed can do no more.
    if (focused.disabled) {
      row.event.focus();
    }
    said.textContent = t("funnel.moved", { from: number(from + 1), to: number(to + 1) });
  }

  function tell(found, focus) {
    for (const old of element.querySelectorAll(".field-error")) {
      showError(old, null, element.querySelectorAll(`[aria-errormessage="${old.id}"]`));
    }
    if (found === null) {
      return true;
    }
    const name = found.field === "optional" ? "steps" : found.field;
    const row = found.at === undefined ? undefined : name === "steps" ? sent[found.at]?.element : name === "exclude" ? excluded.row(found.at) : undefined;
    const holder = row ?? element.querySelector(`[data-field="${CSS.escape(name)}"]`);
    if (!holder) {
      return false;
    }
    const hidden = holder.closest("details.funnel-more");
    if (hidden) {
      hidden.open = true;
    }
    const part = { where: ".funnel-where input" }[found.part];
    const wrong = (part && holder.querySelector(part)) || holder.querySelector("input, select, button");
    showError(holder.querySelector(":scope > .field-error"), found, wrong ? [wrong] : []);
    if (focus) {
      wrong?.focus();
    }
    return true;
  }
}
