/** How a funnel counts, as it is composed: its order and time at once, what is rarely changed behind a summary. */

import { h, t } from "../core/core.js";
import { errorPlace, named, showOptions, textField } from "./field.js";
import { span } from "./span.js";
import { DEFAULT_CONVERSION_WINDOW, USUAL_BINS } from "./state.js";

// The first of each is what counts where nothing is said.
const CHOICES = { order: ["", "strict", "unordered"], count: ["", "attempts"], entry: ["", "first"], exclusion: ["", "actor", "attempt"] };

/**
 * The rules of a funnel.
 * @param {string} id that ids of fields begin with
 * @param {() => void} changed
 * @returns {{element: HTMLElement, show(definition: import("../state.js").Definition, steps: any[]): void, follow(steps: any[]): boolean,
 *   read(steps: any[]): Record<string, any>}} `steps` are those of the form; `read` gives these keys of a definition
 */
export function rules(id, changed) {
  const choices = Object.fromEntries(Object.keys(CHOICES).map((rule) => [rule, h("select", { id: `${id}-${rule}` })]));
  const length = textField({ id: `${id}-conversion_window`, size: 6, placeholder: DEFAULT_CONVERSION_WINDOW, "aria-describedby": `${id}-window-hint` });
  const trend = h("input", { type: "checkbox", id: `${id}-trend` });
  const timed = h("input", { type: "checkbox", id: `${id}-histogram`, onchange: reveal });
  const between = span({ from: "from", to: "to" }, changed);
  named(between.from, t("funnel.histogram_from"));
  named(between.to, t("funnel.histogram_to"));
  const bins = h("input", { id: `${id}-bins`, type: "number", min: 1, max: 1000, step: 1, placeholder: USUAL_BINS });
  const times = h(
    "div",
    { class: "row funnel-times", role: "group", "aria-label": t("funnel.histogram_what") },
    between.element,
    h("label", { class: "funnel-span-end" }, h("span", {}, t("funnel.bins")), bins),
  );
  const more = h(
    "details",
    { class: "stack funnel-more" },
    h("summary", {}, t("funnel.more_rules")),
    h("div", { class: "controls" }, field("count"), field("entry"), field("exclusion")),
    h("div", { class: "stack", "data-field": "histogram" }, check(timed, "histogram"), times, errorPlace()),
    h("div", { "data-field": "trend" }, check(trend, "trend"), errorPlace()),
  );
  const element = h("div", { class: "stack" }, h("div", { class: "controls" }, field("order"), window_()), more);
  return { element, show, follow: between.follow, read };

  function show(definition, steps) {
    const { histogram } = definition;
    length.value = definition.conversion_window;
    for (const [rule, select] of Object.entries(choices)) {
      const options = CHOICES[rule].map((value) => [value, t(`funnel.${rule}_${value || "usual"}`)]);
      showOptions(select, options, definition[rule]);
    }
    trend.checked = definition.trend;
    timed.checked = histogram !== null;
    between.show(histogram ?? {}, steps);
    bins.value = histogram?.bins ?? "";
    reveal();
    more.open = ["count", "entry", "exclusion"].some((rule) => definition[rule] !== "") || histogram !== null || definition.trend;
  }

  function read(steps) {
    const chosen = Object.fromEntries(Object.entries(choices).map(([rule, select]) => [rule, select.value]));
    const many = bins.value.trim() === "" || Number(bins.value) === USUAL_BINS ? {} : { bins: Number(bins.value) };
    return { ...chosen, conversion_window: length.value.trim(), trend: trend.checked, histogram: timed.checked ? { ...between.read(steps), ...many } : null };
  }

  function reveal() {
    times.hidden = !timed.checked;
  }

  function window_() {
    return h(
      "div",
      { class: "field", "data-field": "conversion_window" },
      h("label", { for: length.id }, t("funnel.conversion_window")),
      length,
      h("span", { class: "hint", id: `${id}-window-hint` }, t("funnel.conversion_window_hint")),
      errorPlace(),
    );
  }

  function field(rule) {
    return h("div", { class: "field", "data-field": rule }, h("label", { for: choices[rule].id }, t(`funnel.${rule === "exclusion" ? "exclusion_rule" : rule}`)), choices[rule], errorPlace());
  }

  function check(box, key) {
    return h("label", { class: "funnel-check" }, box, h("span", {}, t(`funnel.${key}_what`)));
  }
}
