/** The conditions of a step or of an exclusion, as they are composed: fields, each with the values that fit. */

import { h, number, t } from "../core/core.js";
import { whereWords } from "./phrases.js";
import { named, textField } from "./field.js";

const SCALAR = /^(?:true|false|null|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?)$/;
// Longer lists come from a plan or a program: they are shown and kept, not typed.
const MOST_FIELDS = 20;

/**
 * The conditions, all of which must hold.
 * @param {import("../state.js").Where} where
 * @param {string} fieldsId of the datalist that offers fields
 * @param {() => void} changed is called when something was added or removed; what is typed is told by the form
 * @returns {{element: HTMLElement, where(): import("../state.js").Where, repeated(): boolean, numbered(place: string): void}}
 *   `repeated`: a field stands in two conditions, of which only one could count; `place` names what they belong to
 */
export function conditions(where, fieldsId, changed) {
  let place = "";
  let all = Object.entries(where).map(([key, wanted]) => condition(key, wanted, fieldsId, remove, renumber));
  const add = h("button", { type: "button", class: "plain", onclick: another }, `＋ ${t("funnel.condition")}`);
  const element = h("div", { class: "funnel-where" });
  draw();
  return { element, where: read, repeated, numbered };

  function read() {
    return Object.fromEntries(all.filter((one) => !one.isEmpty()).map((one) => [one.name(), one.wanted()]));
  }

  function repeated() {
    const names = all.filter((one) => !one.isEmpty()).map((one) => one.name());
    return new Set(names).size < names.length;
  }

  function numbered(text) {
    place = text;
    named(add, t("funnel.add_condition", { place }));
    all.forEach((one, at) => one.numbered(place, number(at + 1)));
  }

  function renumber() {
    numbered(place);
    changed();
  }

  function draw() {
    element.replaceChildren(...all.map((one) => one.element), add);
    numbered(place);
  }

  function another() {
    const made = condition("", "", fieldsId, remove, renumber);
    all.push(made);
    draw();
    made.focus();
  }

  function remove(one) {
    all = all.filter((other) => other !== one);
    draw();
    add.focus();
    changed();
  }
}

function condition(name, wanted, fieldsId, remove, changed) {
  const entries = entriesOf(wanted);
  const long = entries.length > MOST_FIELDS;
  let numbers = ["", ""];
  // As it was given, until something of it is typed anew: a list of one is not the same as what stands in it.
  let kept = name === "" ? undefined : wanted;
  const key = textField({ list: fieldsId, placeholder: "properties.sku", class: "funnel-key", oninput: edited }, name);
  const values = long ? [] : (entries.length > 0 ? entries : [entryOf("")]).map(valueField);
  const more = h("button", { type: "button", class: "plain", onclick: another }, `＋ ${t("funnel.or")}`);
  const drop = h("button", { type: "button", class: "icon", onclick: () => remove(self) }, "✕");
  const element = h("div", { class: "funnel-condition" });
  draw();
  const self = { element, name: () => key.value.trim(), wanted: read, isEmpty, numbered, focus: () => key.focus() };
  return self;

  function isEmpty() {
    return key.value.trim() === "" && !long && values.every((one) => one.field.value === "");
  }

  function read() {
    if (kept !== undefined) {
      return kept;
    }
    const texts = long ? entries : values.map((one) => one.entry).filter((one, at) => at === 0 || one.text !== "");
    const found = texts.flatMap((one) => one.values ?? valuesOf(key.value.trim(), one.text));
    return found.length === 1 ? found[0] : found;
  }

  function edited() {
    kept = undefined;
  }

  function valueField(entry) {
    const made = { entry, field: textField({ placeholder: "A-1", class: "funnel-value", oninput: typed }, entry.text) };
    return made;

    function typed() {
      edited();
      made.entry = entryOf(made.field.value);
    }
  }

  function another() {
    values.push(valueField(entryOf("")));
    draw();
    changed();
    values.at(-1).field.focus();
  }

  function draw() {
    const choice = (one, at) => h("span", { class: "funnel-choice-of" }, h("span", { class: "small quiet", "aria-hidden": "true" }, at === 0 ? "=" : t("funnel.or")), one.field);
    element.replaceChildren(
      ...(long ? [h("span", { class: "small" }, t("funnel.many_values", { key: name, n: number(entries.length) }))] : [key, ...values.map(choice), more]),
      drop,
    );
    element.title = long ? whereWords({ [name]: wanted }).slice(0, 300) : "";
    numbered(...numbers);
  }

  function numbered(place, c) {
    numbers = [place, c];
    named(key, t("funnel.condition_key", { place, c }));
    values.forEach((one, at) => named(one.field, t("funnel.condition_value", { place, c, v: number(at + 1) })));
    named(more, t("funnel.add_value", { place, c }));
    named(drop, t("funnel.remove_condition", { place, c }));
  }
}

// What is typed: `values` is what it stands for where that was given otherwise than it would be typed.
function entryOf(text, values) {
  return { text, values };
}

function entriesOf(wanted) {
  if (!Array.isArray(wanted)) {
    return [entryOf(textOf(wanted), [wanted])];
  }
  const found = [];
  for (let at = 0; at < wanted.length; at += 1) {
    const both = typeof wanted[at] === "string" && SCALAR.test(wanted[at]) && at + 1 < wanted.length && JSON.parse(wanted[at]) === wanted[at + 1];
    found.push(entryOf(textOf(wanted[at]), both ? [wanted[at], wanted[at + 1]] : [wanted[at]]));
    at += both ? 1 : 0;
  }
  return found;
}

function textOf(value) {
  return typeof value === "string" ? value : JSON.stringify(value);
}

// Properties are texts, numbers or booleans, and who types 2 need not know which: both count.
function valuesOf(key, text) {
  return key.startsWith("properties.") && SCALAR.test(text) ? [text, JSON.parse(text)] : [text];
}
