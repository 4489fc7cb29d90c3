/** The form in which a funnel is composed. */

import { h, number, t } from "./core.js";
import { DEFAULT_CONVERSION_WINDOW, definitionOf, isEmpty, planText, requestOf } from "./funnel_state.js";
import { whereWords } from "./funnel_phrases.js";

const MOST_STEPS = 64;
const SCALAR = /^(?:true|false|null|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?)$/;

let forms = 0;

/**
 * A form that holds a funnel. `onapply(definition)` is called with what it says when it is sent.
 * @param {{names: string[], fields: string[], onapply: (definition: import("./funnel_state.js").Definition) => void}} of
 *   `names` and `fields` are offered for events and for conditions; any other may be typed
 * @returns {{element: HTMLElement, show(definition: import("./funnel_state.js").Definition): void,
 *   tell(found: {field: string, at?: number, part?: string, says: string, detail: string} | null, focus: boolean): boolean}} `tell`
 *   shows an error beside its field (null: none); false where the form has no such field
 */
export function composer({ names, fields, onapply }) {
  const id = `compose-${(forms += 1)}`;
  let rows = [];
  let shown = definitionOf({ steps: [] });
  let exclude = [];
  const list = h("ol", { class: "steps funnel-steps" });
  const excluded = h("ul", { class: "plain stack" });
  const said = h("p", { class: "unseen", role: "status" });
  const add = h("button", { type: "button", onclick: addStep }, `＋ ${t("funnel.add")}`);
  const most = h("p", { class: "hint", hidden: true }, t("funnel.most"));
  const window_ = h("input", {
    id: `${id}-conversion_window`,
    autocomplete: "off",
    spellcheck: "false",
    size: 6,
    placeholder: DEFAULT_CONVERSION_WINDOW,
    "aria-describedby": `${id}-window-hint`,
  });
  const rules = {
    order: select("order", ["ordered", "strict", "unordered"]),
    count: select("count", ["actors", "attempts"]),
    entry: select("entry", ["latest", "first"]),
  };
  const toml = h("code", {});
  const element = h(
    "form",
    { class: "stack", novalidate: true, onsubmit: send, oninput: describe },
    h("datalist", { id: `${id}-names` }, [...names, "*"].map((name) => h("option", { value: name }))),
    h("datalist", { id: `${id}-fields` }, fields.map((name) => h("option", { value: name }))),
    h("p", { class: "hint" }, t("funnel.compose_hint")),
    h("div", { "data-field": "steps" }, list, errorPlace()),
    h("div", { class: "row" }, add, most, h("span", { class: "hint funnel-keys" }, t("funnel.keys"))),
    h("div", { "data-field": "exclude" }, excluded, errorPlace()),
    h(
      "div",
      { class: "controls" },
      ruleField("order", rules.order),
      h(
        "div",
        { class: "field", "data-field": "conversion_window" },
        h("label", { for: window_.id }, t("funnel.conversion_window")),
        window_,
        h("span", { class: "hint", id: `${id}-window-hint` }, t("funnel.conversion_window_hint")),
        errorPlace(),
      ),
      ruleField("count", rules.count),
      ruleField("entry", rules.entry),
    ),
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
    exclude = definition.exclude;
    rows = (definition.steps.length > 0 ? definition.steps : [{ event: "", where: {}, optional: false }]).map(stepRow);
    window_.value = definition.conversion_window;
    for (const [rule, field] of Object.entries(rules)) {
      field.value = definition[rule] || field.options[0].value;
      if (field.selectedIndex < 0) {
        // What no option is came by the address: it is shown, so that the error beside it can be understood.
        field.append(h("option", { value: definition[rule] }, definition[rule]));
        field.value = definition[rule];
      }
    }
    drawExclusions();
    place();
  }

  function reset() {
    tell(null, false);
    fill(shown);
  }

  function definition() {
    const steps = rows.map((row, at) => ({ ...row.step(), optional: row.optional.checked && between(at) })).filter((step) => step.event !== "" || !isEmpty(step.where));
    const chosen = Object.fromEntries(Object.entries(rules).map(([rule, field]) => [rule, field.value === field.options[0].value ? "" : field.value]));
    return { ...shown, name: "", steps, ...chosen, conversion_window: window_.value.trim(), exclude };
  }

  function send(event) {
    event.preventDefault();
    const made = definition();
    if (made.steps.length === 0) {
      tell({ field: "steps", at: 0, says: t("funnel.error.steps"), detail: "" }, true);
      return;
    }
    onapply(made);
  }

  function describe() {
    toml.textContent = planText(requestOf(definition()));
  }

  function between(at) {
    return at > 0 && at < rows.length - 1;
  }

  // The rows stand in their order, and everything in them that names their number says the right one.
  function place(keep = document.activeElement) {
    rows.forEach((row, at) => row.numbered(at));
    const elements = rows.map((row) => row.element);
    if (elements.length !== list.children.length || elements.some((one, at) => list.children[at] !== one)) {
      list.replaceChildren(...elements);
    }
    add.disabled = rows.length >= MOST_STEPS;
    most.hidden = !add.disabled;
    if (keep && element.contains(keep)) {
      keep.focus();
    }
    describe();
  }

  function addStep() {
    rows.push(stepRow({ event: "", where: {}, optional: false }));
    place(null);
    rows.at(-1).event.focus();
    said.textContent = t("funnel.added", { n: number(rows.length) });
  }

  function removeStep(row) {
    const at = rows.indexOf(row);
    rows.splice(at, 1);
    if (rows.length === 0) {
      rows.push(stepRow({ event: "", where: {}, optional: false }));
    }
    place(null);
    (rows[at] ?? rows.at(-1)).event.focus();
    said.textContent = t("funnel.removed", { n: number(at + 1), left: number(rows.length) });
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

  function stepRow(step) {
    const event = h("input", { list: `${id}-names`, autocomplete: "off", autocapitalize: "off", spellcheck: "false", class: "funnel-event" });
    event.value = step.event;
    const optional = h("input", { type: "checkbox", checked: step.optional });
    const up = h("button", { type: "button", class: "icon", onclick: () => moveStep(row, -1, up) }, "↑");
    const down = h("button", { type: "button", class: "icon", onclick: () => moveStep(row, 1, down) }, "↓");
    const remove = h("button", { type: "button", class: "icon", onclick: () => removeStep(row) }, "✕");
    const skip = h("label", { class: "funnel-skip" }, optional, h("span", { "aria-hidden": "true" }, t("funnel.optional")));
    const condition = conditionOf(step.where, `${id}-fields`, describe);
    const heading = h("span", { class: "funnel-number", "aria-hidden": "true" });
    const line = h("div", { class: "funnel-step", role: "group" }, heading, event, condition.element, skip, h("div", { class: "funnel-buttons" }, up, down, remove));
    const element = h("li", { onkeydown: byKey }, line, errorPlace());
    const row = { element, event, optional, step: () => ({ event: event.value.trim(), where: condition.where() }), numbered };
    return row;

    function byKey(pressed) {
      if (pressed.altKey && (pressed.key === "ArrowUp" || pressed.key === "ArrowDown")) {
        pressed.preventDefault();
        moveStep(row, pressed.key === "ArrowUp" ? -1 : 1, pressed.target);
      }
    }

    function numbered(at) {
      const n = number(at + 1);
      line.setAttribute("aria-label", t("funnel.step", { n }));
      heading.textContent = n;
      for (const [control, key] of [[event, "event_of"], [optional, "optional_of"], [up, "up"], [down, "down"], [remove, "remove"]]) {
        control.setAttribute("aria-label", t(`funnel.${key}`, { n }));
      }
      for (const [button, key] of [[up, "up"], [down, "down"], [remove, "remove"]]) {
        button.title = t(`funnel.${key}`, { n });
      }
      condition.numbered(n);
      up.disabled = at === 0;
      down.disabled = at === rows.length - 1;
      skip.hidden = !between(at);
    }
  }

  function drawExclusions() {
    excluded.replaceChildren(
      ...exclude.map((one) => {
        const name = `${one.event}${isEmpty(one.where ?? {}) ? "" : ` ${whereWords(one.where)}`}`;
        const words = t("funnel.exclude", { from: number((one.from ?? 0) + 1), to: number((one.to ?? shown.steps.length - 1) + 1), event: name });
        const drop = () => {
          exclude = exclude.filter((other) => other !== one);
          drawExclusions();
          describe();
          add.focus();
        };
        return h("li", { class: "row" }, words, h("button", { type: "button", class: "icon", "aria-label": t("funnel.exclude_remove", { event: name }), onclick: drop }, "✕"));
      }),
    );
    excluded.parentElement?.toggleAttribute("hidden", exclude.length === 0);
  }

  function tell(found, focus) {
    for (const control of element.querySelectorAll("[aria-invalid]")) {
      control.removeAttribute("aria-invalid");
      control.removeAttribute("aria-errormessage");
    }
    for (const old of element.querySelectorAll(".field-error")) {
      old.replaceChildren();
      old.hidden = true;
    }
    if (found === null) {
      return true;
    }
    const name = found.field === "optional" ? "steps" : found.field;
    const holder = found.at !== undefined && name === "steps" ? rows[found.at]?.element : element.querySelector(`[data-field="${CSS.escape(name)}"]`);
    if (!holder) {
      return false;
    }
    const notice = holder.querySelector(":scope > .field-error");
    notice.hidden = false;
    notice.replaceChildren(h("p", {}, found.says), ...(found.detail ? [h("p", { lang: "en", class: "problem-detail" }, found.detail)] : []));
    const wrong = (found.part === "where" && holder.querySelector(".funnel-where input")) || holder.querySelector("input, select, button");
    wrong?.setAttribute("aria-invalid", "true");
    wrong?.setAttribute("aria-errormessage", notice.id);
    if (focus) {
      wrong?.focus();
    }
    return true;
  }

  function select(rule, values) {
    return h("select", { id: `${id}-${rule}` }, values.map((value) => h("option", { value }, t(`funnel.${rule}_${value}`))));
  }

  function ruleField(rule, field) {
    return h("div", { class: "field", "data-field": rule }, h("label", { for: field.id }, t(`funnel.${rule}`)), field, errorPlace());
  }
}

let places = 0;

/** An empty place for the error of the field that it stands with. */
export function errorPlace() {
  places += 1;
  return h("div", { class: "field-error", id: `field-error-${places}`, role: "alert", hidden: true });
}

// One condition can be written here. More of them, or lists, which a plan may have, are shown and can be removed.
function conditionOf(where, fieldsId, changed) {
  const keys = Object.keys(where);
  const simple = keys.length === 0 || (keys.length === 1 && textOf(where[keys[0]]) !== null);
  let kept = where;
  let n = "";
  const element = h("div", { class: "funnel-where" });
  const key = h("input", { list: fieldsId, autocomplete: "off", autocapitalize: "off", spellcheck: "false", placeholder: "properties.sku", oninput: edited });
  const value = h("input", { autocomplete: "off", autocapitalize: "off", spellcheck: "false", placeholder: "A-1", oninput: edited });
  const open = h("button", { type: "button", class: "plain", onclick: () => draw(true, key) }, `＋ ${t("funnel.condition")}`);
  const close = h("button", { type: "button", class: "icon", onclick: clear }, "✕");
  if (simple && keys.length === 1) {
    [key.value, value.value] = [keys[0], textOf(where[keys[0]])];
  }
  draw(keys.length > 0);
  return { element, where: () => kept, numbered };

  function edited() {
    const name = key.value.trim();
    kept = name === "" && value.value === "" ? {} : { [name]: valueOf(name, value.value) };
  }

  function clear() {
    kept = {};
    [key.value, value.value] = ["", ""];
    draw(false, open);
    changed();
  }

  function draw(opened, focus) {
    if (!opened) {
      element.replaceChildren(open);
    } else if (simple || isEmpty(kept)) {
      element.replaceChildren(key, h("span", { "aria-hidden": "true" }, "="), value, close);
    } else {
      element.replaceChildren(h("span", { class: "small" }, whereWords(kept)), close);
    }
    numbered(n);
    focus?.focus();
  }

  function numbered(text) {
    n = text;
    for (const [control, word] of [[key, "condition_key"], [value, "condition_value"], [open, "add_condition"], [close, "remove_condition"]]) {
      control.setAttribute("aria-label", t(`funnel.${word}`, { n }));
    }
  }
}

// Properties are texts, numbers or booleans, and who types 2 need not know which: both count.
function valueOf(key, text) {
  return key.startsWith("properties.") && SCALAR.test(text) ? [text, JSON.parse(text)] : text;
}

function textOf(wanted) {
  if (Array.isArray(wanted)) {
    const both = wanted.length === 2 && typeof wanted[0] === "string" && SCALAR.test(wanted[0]);
    return both && JSON.parse(wanted[0]) === wanted[1] ? wanted[0] : null;
  }
  return typeof wanted === "string" ? wanted : JSON.stringify(wanted);
}
