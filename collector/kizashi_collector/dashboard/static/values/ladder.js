/** The ladder: what each step was learned to be worth, on one scale with what the plan declares. */

import { h, money, panel, percent, t } from "../core/core.js";
import { axis, legend, linear, strip } from "../core/strips.js";
import { declaredNumber, declaredText, named } from "./step.js";

/**
 * @param {{answer: any, plan: any}} seen the review, and the plan that it is of
 * @returns {HTMLElement}
 */
export function ladder({ answer, plan }) {
  const on = answer.steps.filter((step) => step.step !== null).sort((one, other) => one.step - other.step);
  const off = answer.steps.filter((step) => step.step === null);
  const amounts = answer.steps.flatMap((step) => [declaredNumber(step), step.learned && Number(step.learned.high)]);
  const scale = linear(
    amounts.filter((amount) => amount !== null),
    coin(answer.currency),
  );
  const format = (tick) => money(tick, answer.currency);
  const rows = (steps) => steps.map((step) => rung(step, plan, scale, answer.currency));
  const list = (tag, steps) =>
    h("div", {}, h(tag, { class: "strips" }, rows(steps)), h("div", { class: "strips-axis" }, axis(scale, format)));
  return panel(
    t("values.ladder"),
    h("p", { class: "hint" }, t("values.ladder_hint")),
    legend({ dot: t("values.key_learned"), diamond: t("values.key_declared") }),
    on.length > 0 && list("ol", on),
    off.length > 0 && on.length > 0 && h("h3", {}, t("values.beside")),
    off.length > 0 && list("ul", off),
  );
}

function rung(step, plan, scale, currency) {
  const { learned } = step;
  const amount = learned === null ? t("values.not_learned") : money(learned.value, currency);
  const range =
    learned && t("values.range", { low: money(learned.low, currency), high: money(learned.high, currency) });
  const declared = declaredText(step, currency);
  const rule = plan.events?.[step.event] ?? {};
  return h(
    "li",
    {},
    h(
      "div",
      {},
      named(step.event, step.step),
      rule.description && h("div", { class: "small muted" }, rule.description),
    ),
    strip(scale, {
      words: t("values.picture", { event: step.event, learned: range ? `${amount} (${range})` : amount, declared }),
      low: learned && Number(learned.low),
      high: learned && Number(learned.high),
      value: learned && Number(learned.value),
      beside: declaredNumber(step),
    }),
    h(
      "dl",
      { class: "figures" },
      h("dt", {}, t("values.learned")),
      h("dd", {}, h("strong", {}, amount), range && [" ", h("span", { class: "muted" }, `(${range})`)]),
      learned && h("dd", { class: "muted" }, t("values.chance", { chance: percent(learned.chance) })),
      h("dt", {}, t("values.declared")),
      h("dd", {}, declared, " ", fitting(step)),
      rule.use === "learned" && h("dd", { class: "muted" }, t("values.use_learned")),
    ),
  );
}

function fitting(step) {
  const declared = declaredNumber(step);
  if (declared === null || step.learned === null || step.verdict !== "keep") {
    return null; // of what is to be pruned or not known, no number fits
  }
  const [key, tone] =
    declared < Number(step.learned.low)
      ? ["too_low", "warn"]
      : declared > Number(step.learned.high)
        ? ["too_high", "warn"]
        : ["fits", "good"];
  return h("span", { class: `badge ${tone}` }, t(`values.${key}`));
}

// The smallest amount that is written: of steps below it, two would be written alike.
function coin(currency) {
  return 10 ** -new Intl.NumberFormat("en", { style: "currency", currency }).resolvedOptions().maximumFractionDigits;
}
