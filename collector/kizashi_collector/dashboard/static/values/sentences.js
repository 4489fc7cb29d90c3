/** What the review says of one step, in the reader's language. */

import { duration, lang, money, number, percent, t } from "../core/core.js";
import { lengthOf } from "../core/recording.js";
import { words } from "./words.js";

const HARDLY_WITHOUT = 50; // from such a lift on, hardly anybody converts without it

/**
 * The reason of the verdict, what the step is worth, and how its chance moves. A reason that this page does not know is
 * told as the collector tells it.
 * @param {any} step of the answer
 * @param {any} answer of GET /v1/values
 * @param {any} plan
 * @returns {{text: string, lang: string | null}} `lang` where it is another than the page's
 */
export function sentenceOf(step, answer, plan) {
  if (!Object.hasOwn(words[lang], `values.reason.${step.reason}`)) {
    return { text: step.sentence, lang: lang === "en" ? null : "en" };
  }
  const parts = [reason(step, answer, plan)];
  if (step.verdict === "keep" && step.learned !== null && !onlyWatched(step)) {
    parts.push(worth(step, answer.currency));
  }
  if (step.direction === "rising" || step.direction === "falling") {
    parts.push(t(`values.trend_${step.direction}`));
  }
  return { text: parts.join(lang === "ja" ? "" : " "), lang: null };
}

/**
 * A ratio as it is told: 0.39, 3.2, 1,234.
 * @param {number} ratio
 * @returns {string}
 */
export function times(ratio) {
  return number(ratio >= 100 ? Math.round(ratio) : ratio >= 0.95 ? Math.round(ratio * 10) / 10 : ratio);
}

function reason(step, answer, plan) {
  const lift = step.lift ?? { ratio: null, low: null, high: null };
  const much = step.reason === "lifts" && lift.ratio >= HARDLY_WITHOUT;
  const key = `${step.reason}${much ? "_hardly" : ""}${step.reason === "lifts" && onlyWatched(step) ? "_sign" : ""}`;
  const ladder = answer.steps.filter((one) => one.step !== null);
  const finals = Object.entries(plan.events ?? {}).filter(([, rule]) => rule.final);
  const next = ladder.find((one) => one.step === step.step + 1)?.event ?? finals.map(([name]) => name).join(", ");
  return t(`values.reason.${key}`, {
    ratio: times(lift.ratio),
    low: times(lift.low),
    high: times(lift.high),
    share: percent(step.share),
    next,
    journeys: number(step.journeys),
    converted: number(step.converted),
    waiting: number(step.waiting),
    horizon: horizonOf(plan),
    enough: number(plan.values?.min_effective_conversions ?? 15),
  });
}

// Nobody ever meant to pay for it: a sign of trouble, as an error in a form, may lift as well, since it happens late.
function onlyWatched(step) {
  return step.step === null && step.declared === null;
}

function worth(step, currency) {
  const { learned, declared } = step;
  const amounts = { learned: money(learned.value, currency), declared: money(declared, currency) };
  if (declared === "event" || declared === null) {
    return t(declared === null ? "values.worth_none" : "values.worth_event", amounts);
  }
  const fit =
    Number(declared) < Number(learned.low) ? "low" : Number(declared) > Number(learned.high) ? "high" : "fits";
  return t(`values.worth_${fit}`, amounts);
}

/**
 * How long a journey has.
 * @param {any} plan
 * @returns {string}
 */
export function horizonOf(plan) {
  return duration(lengthOf(plan.values?.horizon ?? "14d"));
}
