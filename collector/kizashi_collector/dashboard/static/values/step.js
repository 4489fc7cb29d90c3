/** One step of the review: what it is called, and what the plan declares of it. */

import { breakable, h, money, t } from "../core/core.js";

/** @type {Record<string, string>} the badge of a verdict */
export const TONES = { keep: "good", prune: "warn", unknown: "" };

/**
 * @param {string} event
 * @param {number | null} [step] its place on the ladder
 * @returns {HTMLElement}
 */
export function named(event, step = null) {
  return h(
    "div",
    {},
    step !== null && [
      h(
        "span",
        { class: "badge", title: t("values.step", { n: step }) },
        h("span", { class: "unseen" }, t("values.step", { n: step })),
        h("span", { "aria-hidden": "true" }, step),
      ),
      " ",
    ],
    h("code", { class: "names" }, breakable(event)),
  );
}

/** @returns {number | null} null where the plan declares nothing, or what the event carries */
export function declaredNumber(step) {
  return step.declared === null || step.declared === "event" ? null : Number(step.declared);
}

/** @returns {string} */
export function declaredText(step, currency) {
  return step.declared === null
    ? t("values.not_declared")
    : step.declared === "event"
      ? t("values.carried")
      : money(step.declared, currency);
}
