/** What the review says of one step, in the reader's language. */

import { duration, lang, money, number, percent, t } from "./core.js";

const HARDLY_WITHOUT = 50; // from such a lift on, hardly anybody converts without it
const KNOWN = new Set([
  "lifts",
  "everywhere",
  "no_gain",
  "no_lift",
  "weak_lift",
  "no_final",
  "no_conversions",
  "unseen",
  "too_early",
  "thin",
  "unclear",
]);
const UNIT_MS = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000 };

/**
 * The reason of the verdict, what the step is worth, and how its chance moves. A reason that this page does not know is
 * told as the collector tells it.
 * @param {any} step of the answer
 * @param {any} answer of GET /v1/values
 * @param {any} plan
 * @returns {{text: string, lang: string | null}} `lang` where it is another than the page's
 */
export function sentenceOf(step, answer, plan) {
  if (!KNOWN.has(step.reason)) {
    return { text: step.sentence, lang: lang === "en" ? null : "en" };
  }
  const parts = [reason(step, answer, plan)];
  if (step.verdict === "keep" && step.learned !== null) {
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
  const key = step.reason === "lifts" && lift.ratio >= HARDLY_WITHOUT ? "lifts_hardly" : step.reason;
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
  const text = String(plan.values?.horizon ?? "14d");
  return duration(Number.parseInt(text, 10) * (UNIT_MS[text.slice(-1)] ?? Number.NaN));
}
