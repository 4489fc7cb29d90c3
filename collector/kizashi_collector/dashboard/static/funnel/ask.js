/** What the funnel page asks the collector, and which field an error is about. */

import { get, params, post, Problem, t } from "../core/core.js";
import { requestOf } from "./state.js";
import { beyondRetention, daysUnrecorded, isWhole, lengthOf } from "../core/recording.js";

// Many, so that shares can be read from them; the picture has fewer.
const BINS = 400;
const FIELDS = ["steps", "conversion_window", "by", "attribution", "order", "count", "entry", "exclude", "exclusion", "optional", "trend", "histogram", "window", "as_of"];

/**
 * @typedef {{window: string, by: string[], attribution: string, as_of: string}} Question
 */

/**
 * What the address asks of a funnel.
 * @param {string} window where the address has none
 * @returns {Question}
 */
export function readQuestion(window) {
  return {
    window: params.get("window", window),
    by: params.get("by").split(",").map((key) => key.trim()).filter(Boolean),
    attribution: params.get("attribution", "first"),
    as_of: params.get("as_of"),
  };
}

/**
 * The funnel's figures. Those of the plan are asked by name, which costs little while they are kept current; others are
 * counted at once with their days and times.
 * @param {import("../state.js").Definition} definition
 * @param {Question} question
 * @param {AbortSignal} signal
 */
export function askFigures(definition, { window, by, attribution, as_of }, signal) {
  if (definition.name && !by.some((key) => key.includes("."))) {
    const query = new URLSearchParams({ window, attribution, ...(by.length > 0 ? { by: by.join(",") } : {}), ...(as_of ? { as_of } : {}) });
    return get(`/v1/funnels/${encodeURIComponent(definition.name)}?${query}`, { signal });
  }
  return post("/v1/funnels", { ...whole(definition), window, by, attribution, ...(as_of ? { as_of: /^\d+$/.test(as_of) ? Number(as_of) : as_of } : {}) }, { signal });
}

/**
 * @typedef {{here: any, before: any, why: {reason: "young" | "retention", retention?: string} | null, unrecorded: Set<string>}} Beside
 *   `here` has the days and times of the window; `before` is the window before as it stood at its end, or null, and `why`
 *   that is; `unrecorded` are the days before recording began
 */

/**
 * What is shown beside the figures.
 * @param {import("../state.js").Definition} definition
 * @param {Question} question
 * @param {any} answer what `askFigures` gave
 * @param {any} plan
 * @param {AbortSignal} signal
 * @returns {Promise<Beside>}
 */
export async function askBeside(definition, question, answer, plan, signal) {
  const asked = (as_of) => post("/v1/funnels", { ...whole(definition), window: question.window, as_of }, { signal });
  const [here, { before, why }] = await Promise.all([answer.trend && (answer.histogram || answer.steps.length === 1) ? answer : asked(answer.as_of), askBefore(asked, question, answer, plan, signal)]);
  const first = before ?? here;
  const from = Date.parse(first.from);
  const unrecorded = await daysUnrecorded(first.trend, from, Date.parse(first.to) - from, signal);
  return { here, before, why, unrecorded };
}

async function askBefore(asked, { window, as_of }, answer, plan, signal) {
  const length = lengthOf(window) ?? 0;
  const from = Date.parse(answer.from) - length;
  const past = as_of === "" ? 0 : Math.max(0, Date.now() - Date.parse(answer.as_of));
  if (beyondRetention(plan, length, length + past)) {
    return { before: null, why: { reason: "retention", retention: plan.retention } };
  }
  if (from < 0 || !(await isWhole(from, length, signal))) {
    return { before: null, why: { reason: "young" } };
  }
  return { before: await asked(answer.from), why: null };
}

function whole(definition) {
  const request = requestOf(definition);
  // A histogram over one step is impossible, which the collector says of one that was asked for.
  const timed = request.steps.length > 1 || request.histogram;
  return { ...request, trend: true, ...(timed ? { histogram: { ...request.histogram, bins: BINS } } : {}) };
}

/**
 * The field that a problem is about.
 * @param {unknown} error
 * @returns {{field: string, at?: number, part?: string, says: string, detail: string} | null} null for a problem of
 *   another kind
 */
export function fieldOf(error) {
  if (!(error instanceof Problem) || !["bad_funnel", "bad_query"].includes(error.code)) {
    return null;
  }
  const { detail } = error;
  const [, name, at, part] = /^(\w+)(?:\[(\d+)\])?(?:\.(\w+))?:/.exec(detail) ?? /at `\$\.(\w+)(?:\[(\d+)\])?(?:\.(\w+))?/.exec(detail) ?? [];
  const field = FIELDS.includes(name) ? name : /^duration /.test(detail) ? "window" : /^(?:as_of|time|from) /.test(detail) ? "as_of" : null;
  if (field === null) {
    return null;
  }
  const step = ["steps", "exclude"].includes(field) ? at : field === "optional" ? /step (\d+)/.exec(detail)?.[1] : undefined;
  const words = step !== undefined && (part === "event" || part === "where") ? part : field;
  return { field, ...(step === undefined ? {} : { at: Number(step) }), part, says: t(`funnel.error.${words}`), detail };
}
