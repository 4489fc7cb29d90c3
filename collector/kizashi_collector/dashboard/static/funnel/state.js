/** A funnel, as the plan and the API write it, and as it stands in the page's address. */

import { params } from "../core/core.js";

export const DEFAULT_CONVERSION_WINDOW = "14d";
/** How many bins a histogram has where it does not say. */
export const USUAL_BINS = 20;
// What each rule is where a funnel does not say. Who an exclusion takes away then depends on the order.
const RULES = { order: "ordered", conversion_window: DEFAULT_CONVERSION_WINDOW, entry: "latest", count: "actors", exclusion: "" };

/**
 * @typedef {Record<string, any>} Where
 * @typedef {{event: string, where: Where, optional: boolean}} Step
 * @typedef {{event: string, where?: Where, from?: number, to?: number}} Exclusion `from` left out is the first step, `to` the last
 * @typedef {{from?: number, to?: number, bins?: number}} Histogram
 * @typedef {{name: string, steps: Step[], order: string, conversion_window: string, entry: string, count: string,
 *   exclusion: string, exclude: Exclusion[], trend: boolean, histogram: Histogram | null}} Definition `name` is that of
 *   the plan's funnel, or empty for a composed one; a rule that is empty is as the API has it by default
 */

/**
 * A funnel as the plan or the API writes it.
 * @param {any} funnel
 * @param {string} [name]
 * @returns {Definition}
 */
export function definitionOf(funnel, name = "") {
  const steps = (funnel.steps ?? []).map((step, at) => ({
    event: typeof step === "string" ? step : step.event,
    where: (typeof step === "string" ? null : step.where) ?? {},
    optional: (funnel.optional ?? []).includes(at),
  }));
  const { trend, histogram } = funnel;
  return { ...rulesOf((rule) => funnel[rule]), name, steps, exclude: (funnel.exclude ?? []).map(exclusionOf), trend: trend === true, histogram: histogram ? histogramOf(histogram) : null };
}

/**
 * The funnel's part of the body of POST /v1/funnels, and what the plan has of it.
 * @param {Definition} definition
 * @returns {any}
 */
export function requestOf(definition) {
  const { exclude, histogram, trend } = definition;
  const optional = definition.steps.flatMap((step, at) => (step.optional ? [at] : []));
  return {
    steps: definition.steps.map((step) => (isEmpty(step.where) ? step.event : { event: step.event, where: step.where })),
    ...Object.fromEntries(Object.keys(RULES).filter((rule) => definition[rule] !== "").map((rule) => [rule, definition[rule]])),
    ...(optional.length > 0 ? { optional } : {}),
    ...(exclude.length > 0 ? { exclude } : {}),
    ...(trend ? { trend } : {}),
    ...(histogram ? { histogram } : {}),
  };
}

/**
 * The funnel that the address has: one of the plan's by its name, or a composed one step by step.
 * @returns {Definition | null} null where it has none
 */
export function readDefinition() {
  const steps = params.all("step").map(readStep);
  if (steps.length === 0) {
    const name = params.get("funnel");
    return name ? definitionOf({}, name) : null;
  }
  const exclude = params.all("exclude").map((text) => exclusionOf(parsed(text) ?? { event: text }));
  const times = params.get("histogram");
  // What cannot be read is handed on as it is, so that the collector says what is wrong with it.
  const histogram = times === "" ? null : histogramOf(parsed(times) ?? { from: times });
  return { ...rulesOf((rule) => params.get(rule)), name: "", steps, exclude, trend: params.get("trend") === "true", histogram };
}

/**
 * What `params.set` is given for a definition.
 * @param {Definition | {name: string}} definition by its name alone where it has one
 * @returns {Record<string, any>}
 */
export function writtenDefinition(definition) {
  const rules = Object.keys(RULES).map((rule) => [rule, definition.name ? null : definition[rule] || null]);
  if (definition.name) {
    return { funnel: definition.name, step: null, exclude: null, trend: null, histogram: null, ...Object.fromEntries(rules) };
  }
  return {
    funnel: null,
    step: definition.steps.map(writtenStep),
    exclude: definition.exclude.map((exclusion) => JSON.stringify(exclusion)),
    trend: definition.trend || null,
    histogram: definition.histogram && JSON.stringify(definition.histogram),
    ...Object.fromEntries(rules),
  };
}

/** Whether there are no conditions. */
export function isEmpty(where) {
  return Object.keys(where).length === 0;
}

// What is said by default is left out, so that one funnel is written in one way.
function rulesOf(given) {
  return Object.fromEntries(Object.entries(RULES).map(([rule, usual]) => [rule, (given(rule) ?? "") === usual ? "" : (given(rule) ?? "")]));
}

function exclusionOf({ where, from, to, ...rest }) {
  return { ...rest, ...(where && !isEmpty(where) ? { where } : {}), ...(from ? { from } : {}), ...(to === null || to === undefined ? {} : { to }) };
}

function histogramOf({ from, to, bins, ...rest }) {
  return { ...rest, ...(from ? { from } : {}), ...(to === null || to === undefined ? {} : { to }), ...(bins === undefined || bins === USUAL_BINS ? {} : { bins }) };
}

// `mv_view`, or `?mv_view {"properties.sku":"A-1"}`: a question mark where the step may be skipped, then the event, then
// its conditions. In names that are none, what would be read as one of these is escaped.
function writtenStep({ event, where, optional }) {
  const name = event.replace(/[%? ]/g, encodeURIComponent);
  return `${optional ? "?" : ""}${name}${isEmpty(where) ? "" : ` ${JSON.stringify(where)}`}`;
}

function readStep(text) {
  const [, mark, name, conditions] = /^(\??)([^ ]*) ?(.*)$/s.exec(text) ?? ["", "", text, ""];
  let event = name;
  try {
    event = decodeURIComponent(name);
  } catch {
    // A lone percent sign: no event has this name, which the collector will say.
  }
  const where = conditions === "" ? {} : (parsed(conditions) ?? { [conditions]: "" });
  return { event, where, optional: mark !== "" };
}

function parsed(text) {
  try {
    const value = JSON.parse(text);
    return value !== null && typeof value === "object" && !Array.isArray(value) ? value : null;
  } catch {
    return null;
  }
}
