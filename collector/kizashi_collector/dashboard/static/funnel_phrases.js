/** What is put into words by itself: windows, steps, conditions, fields, numbers of actors. */

import { lang, t } from "./core.js";
import "./funnel_words.js";

const JAPANESE_UNITS = { s: "秒間", m: "分間", h: "時間", d: "日間", w: "週間" };
const UNITS = { s: "second", m: "minute", h: "hour", d: "day", w: "week" };

/**
 * A window such as `7d` in words: 7 days.
 * @param {string} window
 * @returns {string} what it is where it is no window
 */
export function lengthWords(window) {
  const [, count, unit] = /^(\d{1,9})([smhdw])$/.exec(window) ?? [];
  if (count === undefined) {
    return window;
  }
  if (lang === "ja") {
    return `${Number(count)}${JAPANESE_UNITS[unit]}`;
  }
  return new Intl.NumberFormat(lang, { style: "unit", unit: UNITS[unit], unitDisplay: "long" }).format(Number(count));
}

const FIELDS = ["campaign", "campaign_id", "ad_group", "keyword", "creative", "channel", "device"];

/**
 * A source field in words; any other as it is called.
 * @param {string} key
 * @returns {string}
 */
export function fieldWords(key) {
  return FIELDS.includes(key) ? t(`funnel.field.${key}`) : key;
}

/**
 * A step in words, with its condition.
 * @param {import("./funnel_state.js").Step} step
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
