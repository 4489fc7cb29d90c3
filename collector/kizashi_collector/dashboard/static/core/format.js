/** Numbers, money and times as the reader's language writes them. What is not known is a dash. */

import { lang } from "./words.js";

const DASH = "–";
const SECOND = 1000;
/** @type {[string, number][]} */
const UNITS = [
  ["day", 86_400 * SECOND],
  ["hour", 3_600 * SECOND],
  ["minute", 60 * SECOND],
  ["second", SECOND],
];

let zone = document.querySelector("main")?.dataset.zone || undefined;
/** @type {Map<string, any>} Intl formatters by what they are for */
const made = new Map();

/**
 * Name the zone that `when` and `day` count in; until then it is the browser's. `get("/v1/plan")` does it.
 * @param {string} name an IANA name; one that the browser does not know changes nothing
 */
export function inZone(name) {
  try {
    new Intl.DateTimeFormat(lang, { timeZone: name });
  } catch {
    return;
  }
  zone = name;
}

/**
 * A number with at most two decimals.
 * @param {number | string | null | undefined} x
 * @returns {string}
 */
export function number(x) {
  return known(x) ? numbers("plain", { maximumFractionDigits: 2 }).format(x) : DASH;
}

/**
 * An amount, exact however long its text is, in the currency's own decimals.
 * @param {string | number | null | undefined} text a decimal, as `money=string` has it
 * @param {string | null | undefined} [currency] ISO 4217; without it the bare number
 * @returns {string}
 */
export function money(text, currency) {
  if (!known(text)) {
    return DASH;
  }
  // The full-width sign that Japanese gets is wider than the figures beside it.
  return currency ? numbers(currency, { style: "currency", currency }).format(text).replace("￥", "¥") : number(text);
}

/**
 * A share: 0.1234 is 12.3%. Only all is 100%: what lacks a little is 99.9%.
 * @param {number | string | null | undefined} x
 * @returns {string}
 */
export function percent(x) {
  if (!known(x)) {
    return DASH;
  }
  const shown = Number(x) < 1 ? Math.min(Number(x), 0.999) : x;
  return numbers("percent", { style: "percent", maximumSignificantDigits: 3 }).format(shown);
}

/**
 * By how much something changed: in tenths of a percent at most, and in whole ones where it is much. More digits than mean
 * something mislead.
 * @param {number} x a share
 * @returns {string}
 */
export function roughly(x) {
  return percent(x < 0.1 ? Math.round(x * 1000) / 1000 : Math.round(x * 100) / 100);
}

/**
 * A length of time in its two greatest units: 3 min 20 s.
 * @param {number | null | undefined} ms
 * @returns {string}
 */
export function duration(ms) {
  if (!known(ms)) {
    return DASH;
  }
  const length = Math.abs(Number(ms));
  const sign = Number(ms) < 0 ? "−" : "";
  if (length > 0 && length < SECOND) {
    return sign + unit("millisecond", Math.round(length));
  }
  const at = UNITS.findIndex(([, size]) => length >= size);
  if (at < 0) {
    return unit("second", 0);
  }
  const [name, size] = UNITS[at];
  const [lesser, part] = UNITS[at + 1] ?? [name, size];
  // Rounded in the lesser unit first, so that 59.9 s never becomes "60 s".
  const rounded = Math.round(length / part) * part;
  if (at > 0 && rounded >= UNITS[at - 1][1]) {
    return sign + unit(UNITS[at - 1][0], 1);
  }
  const whole = Math.floor(rounded / size);
  const rest = Math.round((rounded - whole * size) / part);
  const words = [unit(name, whole), ...(rest > 0 && lesser !== name ? [unit(lesser, rest)] : [])];
  return sign + words.join(lang === "ja" ? "" : " ");
}

/**
 * An instant, with its day, in the plan's zone.
 * @param {number | string | null | undefined} ms epoch milliseconds, or RFC 3339
 * @param {{seconds?: boolean, year?: boolean}} [how] with seconds; with the year whatever year it is
 * @returns {string}
 */
export function when(ms, how = {}) {
  const date = new Date(ms ?? Number.NaN);
  if (Number.isNaN(date.getTime())) {
    return DASH;
  }
  return times({
    ...(how.year || yearOf(date) !== yearOf(new Date()) ? { year: "numeric" } : {}),
    month: "short",
    day: "numeric",
    hour: "2-digit",
    minute: "2-digit",
    hourCycle: "h23",
    ...(how.seconds ? { second: "2-digit" } : {}),
    timeZone: zone,
  }).format(date);
}

/**
 * A day of the calendar.
 * @param {string | null | undefined} text 2026-09-21; what follows the day is left out
 * @returns {string}
 */
export function day(text) {
  const date = new Date(`${String(text ?? "").slice(0, 10)}T00:00:00Z`);
  if (Number.isNaN(date.getTime())) {
    return DASH;
  }
  const other = date.getUTCFullYear() !== yearOf(new Date());
  return times({
    ...(other ? { year: "numeric" } : {}),
    month: "short",
    day: "numeric",
    weekday: "short",
    timeZone: "UTC",
  }).format(date);
}

function known(x) {
  return x !== null && x !== undefined && x !== "" && !Number.isNaN(Number(x));
}

function unit(name, count) {
  const unitDisplay = lang === "ja" ? "long" : "short";
  const text = numbers(name, { style: "unit", unit: name, unitDisplay }).format(count);
  return lang === "ja" ? text.replace(/\s/g, "") : text;
}

function yearOf(date) {
  return Number(
    times({ year: "numeric", calendar: "gregory", numberingSystem: "latn", timeZone: zone }, "en").format(date),
  );
}

// Making a formatter costs far more than using it, and tables format thousands of cells.
function numbers(name, options) {
  return kept(name, () => new Intl.NumberFormat(lang, options));
}

function times(options, language = lang) {
  return kept(`${language} ${JSON.stringify(options)}`, () => new Intl.DateTimeFormat(language, options));
}

function kept(name, make) {
  if (!made.has(name)) {
    made.set(name, make());
  }
  return made.get(name);
}
