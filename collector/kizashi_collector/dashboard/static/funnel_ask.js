/** What the funnel page asks the collector, and which field an error is about. */

import { get, params, post, Problem, t } from "./core.js";
import { requestOf } from "./funnel_state.js";

// Many, so that shares can be read from them; the picture has fewer.
const BINS = 400;
const FIELDS = ["steps", "conversion_window", "by", "attribution", "order", "count", "entry", "exclude", "optional", "window", "as_of"];

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
 * @param {import("./funnel_state.js").Definition} definition
 * @param {Question} question
 * @param {AbortSignal} signal
 */
export function askFigures(definition, { window, by, attribution, as_of }, signal) {
  if (definition.name && !by.some((key) => key.includes("."))) {
    const query = new URLSearchParams({ window, attribution, ...(by.length > 0 ? { by: by.join(",") } : {}), ...(as_of ? { as_of } : {}) });
    return get(`/v1/funnels/${encodeURIComponent(definition.name)}?${query}`, { signal });
  }
  return post("/v1/funnels", { ...whole(definition), window, by, attribution, ...(as_of ? { as_of } : {}) }, { signal });
}

/**
 * What is shown beside the figures: the days and times of the same window, and the window before as it stood at its end.
 * @returns {Promise<[any, any]>} the second is null where nothing could be before
 */
export function askBeside(definition, { window }, answer, signal) {
  const here = answer.trend && answer.histogram ? answer : post("/v1/funnels", { ...whole(definition), window, as_of: answer.as_of }, { signal });
  const before = new Date(answer.from) > new Date(0) ? post("/v1/funnels", { ...whole(definition), window, as_of: answer.from }, { signal }) : null;
  return Promise.all([here, before]);
}

function whole(definition) {
  const request = requestOf(definition);
  return { ...request, trend: true, ...(request.steps.length > 1 ? { histogram: { bins: BINS } } : {}) };
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
  const step = field === "steps" ? at : field === "optional" ? /step (\d+)/.exec(detail)?.[1] : undefined;
  const words = field === "steps" && (part === "event" || part === "where") ? part : field;
  return { field, ...(step === undefined ? {} : { at: Number(step) }), part, says: t(`funnel.error.${words}`), detail };
}
