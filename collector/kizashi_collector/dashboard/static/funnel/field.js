/** Fields of the funnel page, and the errors that stand beside them. */

import { h } from "../core/core.js";

let places = 0;

/** An empty place for the error of the field that it stands with. */
export function errorPlace() {
  places += 1;
  return h("div", { class: "field-error", id: `field-error-${places}`, role: "alert", hidden: true });
}

/**
 * Show an error in its place, and mark the fields that it is about.
 * @param {HTMLElement} place
 * @param {{says: string, detail: string} | null} found null: none
 * @param {HTMLElement[]} fields
 */
export function showError(place, found, fields) {
  place.hidden = found === null;
  place.replaceChildren(...(found ? [h("p", {}, found.says)] : []), ...(found?.detail ? [h("p", { lang: "en", class: "problem-detail" }, found.detail)] : []));
  for (const field of fields) {
    if (found) {
      field.setAttribute("aria-invalid", "true");
      field.setAttribute("aria-errormessage", place.id);
    } else {
      field.removeAttribute("aria-invalid");
      field.removeAttribute("aria-errormessage");
    }
  }
}

/**
 * A field for a name or a value, of which the browser is to know nothing better.
 * @param {Record<string, any>} attributes
 * @param {string} [value]
 * @returns {HTMLInputElement}
 */
export function textField(attributes, value = "") {
  const field = h("input", { autocomplete: "off", autocapitalize: "off", spellcheck: "false", ...attributes });
  field.value = value;
  return field;
}

/**
 * Give a choice its options, and choose one. What no option is came by the address: it is shown, so that the error beside
 * it can be understood.
 * @param {HTMLSelectElement} select
 * @param {[string, string][]} options values, each with its words
 * @param {string} chosen
 */
export function showOptions(select, options, chosen) {
  const strange = options.some(([value]) => value === chosen) ? [] : [[chosen, chosen]];
  select.replaceChildren(...[...options, ...strange].map(([value, words]) => h("option", { value }, words)));
  select.value = chosen;
}

/**
 * Say what a control does, to the eye by its title where it shows a sign alone.
 * @param {HTMLElement} control
 * @param {string} words
 */
export function named(control, words) {
  control.setAttribute("aria-label", words);
  if (control.classList.contains("icon")) {
    control.title = words;
  }
}
