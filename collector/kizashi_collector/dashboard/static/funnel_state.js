/** A funnel in the page's address, and what can be told of its figures without drawing them. */

import { params } from "./core.js";

export const DEFAULT_CONVERSION_WINDOW = "14d";
const RULES = ["order", "conversion_window", "entry", "count", "exclusion"];

/**
 * @typedef {{event: string, where: Record<string, any>, optional: boolean}} Step
 * @typedef {{name: string, steps: Step[], order: string, conversion_window: string, entry: string, count: string,
 *   exclusion: string, exclude: any[]}} Definition `name` is that of the plan's funnel, or empty for a composed one;
 *   what is empty is as the API has it by default
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
  const rules = Object.fromEntries(RULES.map((rule) => [rule, funnel[rule] ?? ""]));
  return { ...rules, name, steps, exclude: funnel.exclude ?? [] };
}

/**
 * The body of POST /v1/funnels for a definition.
 * @param {Definition} definition
 * @returns {any}
 */
export function requestOf(definition) {
  const optional = definition.steps.flatMap((step, at) => (step.optional ? [at] : []));
  return {
    steps: definition.steps.map((step) => (isEmpty(step.where) ? step.event : { event: step.event, where: step.where })),
    ...Object.fromEntries(RULES.filter((rule) => definition[rule] !== "").map((rule) => [rule, definition[rule]])),
    ...(optional.length > 0 ? { optional } : {}),
    ...(definition.exclude.length > 0 ? { exclude: definition.exclude } : {}),
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
  const rules = Object.fromEntries(RULES.map((rule) => [rule, params.get(rule)]));
  return { ...rules, name: "", steps, exclude: params.all("exclude").map((text) => parsed(text) ?? { event: text }) };
}

/**
 * What `params.set` is given for a definition.
 * @param {Definition} definition
 * @returns {Record<string, any>}
 */
export function writtenDefinition(definition) {
  if (definition.name) {
    return { funnel: definition.name, step: null, exclude: null, ...Object.fromEntries(RULES.map((rule) => [rule, null])) };
  }
  return {
    funnel: null,
    step: definition.steps.map(writtenStep),
    exclude: definition.exclude.map((exclusion) => JSON.stringify(exclusion)),
    ...Object.fromEntries(RULES.map((rule) => [rule, definition[rule] || null])),
  };
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

export function isEmpty(where) {
  return Object.keys(where).length === 0;
}

/**
 * How many were lost on the way to each step, from the last step before it that may not be skipped.
 * @param {{count: number}[]} figures
 * @param {Step[]} steps
 * @returns {({from: number, lost: number, share: number | null, ofEntered: number | null} | null)[]} null for the first
 *   step and for those that may be skipped; `share` is of the step before, `ofEntered` of the first
 */
export function losses(figures, steps) {
  let from = 0;
  return figures.map((step, at) => {
    if (at === 0 || steps[at]?.optional) {
      return null;
    }
    const before = figures[from].count;
    const lost = before - step.count;
    const found = { from, lost, share: part(lost, before), ofEntered: part(lost, figures[0].count) };
    from = at;
    return found;
  });
}

/**
 * The step before which most are lost; the first of several.
 * @param {ReturnType<typeof losses>} lost
 * @returns {number} −1 where nobody is lost
 */
export function bottleneck(lost) {
  return lost.reduce((worst, loss, at) => ((loss?.lost ?? 0) > (lost[worst]?.lost ?? 0) ? at : worst), -1);
}

export function part(some, all) {
  return all > 0 ? some / all : null;
}

/**
 * The sum of decimals, exactly.
 * @param {(string | number | null)[]} texts
 * @returns {string | null} null where one of them is
 */
export function sum(texts) {
  if (texts.some((text) => text === null || text === undefined)) {
    return null;
  }
  const total = texts.reduce((all, text) => all + micros(String(text)), 0n);
  const size = total < 0n ? -total : total;
  const fraction = String(size % 1_000_000n).padStart(6, "0").replace(/0+$/, "");
  return `${total < 0n ? "-" : ""}${size / 1_000_000n}${fraction ? `.${fraction}` : ""}`;
}

function micros(text) {
  const [, sign, whole, fraction = ""] = /^(-?)(\d+)(?:\.(\d+))?$/.exec(text) ?? ["", "", "0", ""];
  const size = BigInt(whole + fraction.padEnd(6, "0").slice(0, 6));
  return sign ? -size : size;
}

/**
 * From a histogram's many narrow bins: the time below which a share of them lies, rounded up to a bin's edge.
 * @param {[number, number][]} bins lower edges in seconds, and counts; the last one begins at the greatest time
 * @param {number} share
 * @returns {number | null} seconds
 */
export function within(bins, share) {
  const all = bins.reduce((total, [, count]) => total + count, 0);
  let below = 0;
  for (const [at, [edge, count]] of bins.entries()) {
    below += count;
    if (all > 0 && below >= all * share) {
      return bins[at + 1]?.[0] ?? edge;
    }
  }
  return null;
}

/**
 * The funnel as a section of the plan's file.
 * @param {any} request as `requestOf` makes it
 * @returns {string} TOML
 */
export function planText(request) {
  const lines = Object.entries(request).map(([key, value]) =>
    key === "steps" ? `steps = [\n${value.map((step) => `  ${toml(step)},\n`).join("")}]` : `${key} = ${toml(value)}`,
  );
  return `[funnels.my_funnel]\n${lines.join("\n")}\n`;
}

function toml(value) {
  if (Array.isArray(value)) {
    return `[${value.map(toml).join(", ")}]`;
  }
  if (value !== null && typeof value === "object") {
    const pairs = Object.entries(value).map(([key, one]) => `${/^\w+$/.test(key) ? key : toml(key)} = ${toml(one)}`);
    return `{ ${pairs.join(", ")} }`;
  }
  return JSON.stringify(value).replaceAll("\x7f", "\\u007f");
}
