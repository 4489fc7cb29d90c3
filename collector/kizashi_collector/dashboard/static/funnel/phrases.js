/** What is put into words by itself: steps, conditions, numbers of actors. */

import { h, lang, t } from "../core/core.js";
import "./words.js";

/**
 * A step in words, with its condition.
 * @param {import("../state.js").Step} step
 * @returns {string}
 */
export function stepWords(step) {
  const conditions = whereWords(step.where);
  const name = step.event === "*" ? t("funnel.any") : step.event;
  return conditions ? (lang === "ja" ? `${name}（${conditions}）` : `${name} ${conditions}`) : name;
}

/**
 * A step's conditions in words.
 * @param {Record<string, any>} where
 * @returns {string} empty where there are none
 */
export function whereWords(where) {
  const words = Object.entries(where).map(([key, wanted]) => {
    const texts = [...new Set((Array.isArray(wanted) ? wanted : [wanted]).map((one) => (typeof one === "string" ? one : JSON.stringify(one))))];
    const value = texts.length === 1 ? texts[0] : t("funnel.one_of", { values: texts.join(", ") });
    return t("funnel.is", { key, value: value === "" ? t("funnel.none") : value });
  });
  return words.length > 0 ? t("funnel.where", { all: words.join(t("funnel.and")) }) : "";
}

/**
 * So many actors, or attempts where these are counted.
 * @param {string} count `attempts`, or anything else for actors
 * @param {number} n
 * @param {string} text the number as it is written
 * @returns {string}
 */
export function many(count, n, text) {
  const what = count === "attempts" ? "funnel.attempts" : "funnel.actors";
  return n === 1 ? t(`${what}_one`) : t(what, { n: text });
}

/**
 * A step of an answer in words.
 * @param {import("../state.js").Definition} definition
 * @param {any} answer
 * @param {number} at
 * @returns {string}
 */
export function wordsOfStep(definition, answer, at) {
  return stepWords(definition.steps[at] ?? { event: answer.steps[at].event, where: {} });
}

/**
 * A text whose names may break after their underscores and dots, rather than within a word.
 * @param {string} text
 * @returns {(string | Node)[]}
 */
export function soft(text) {
  return text.split(/(?<=_(?=\w)|[a-z]\.(?=[a-z]))/).flatMap((one, at) => (at === 0 ? [one] : [h("wbr"), one]));
}
