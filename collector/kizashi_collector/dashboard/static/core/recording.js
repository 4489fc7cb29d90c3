/**
 * What was recorded of a window: events are kept only so long, and recording began some day. A window that holds less than
 * its length says is no measure for another.
 */

import { post } from "./core.js";

const LENGTHS = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000 };
/** A week, in milliseconds. */
export const WEEK = LENGTHS.w;
// Where nothing at all came in a week or more and this share of the window after it, recording began inside the window.
const BEGINNING = 1 / 20;

/**
 * The length of a window in milliseconds; null where the text is none.
 * @param {string | null | undefined} text such as 7d
 * @returns {number | null}
 */
export function lengthOf(text) {
  const [, count, unit] = /^(\d{1,9})([smhdw])$/.exec(text ?? "") ?? [];
  return count ? Number(count) * LENGTHS[unit] : null;
}

/**
 * Whether the window that an answer is compared with lies before what is still kept.
 * @param {{retention?: string} | null} plan
 * @param {number} length of the window, in milliseconds
 * @param {number} shift by how much the other window lies before, in milliseconds
 * @returns {boolean}
 */
export function beyondRetention(plan, length, shift) {
  const kept = lengthOf(plan?.retention);
  return kept !== null && length + shift > kept;
}

/**
 * Whether recording had begun when a window began. Where it began only inside, the window holds less than its length says.
 * @param {number} from when the window began, in epoch milliseconds
 * @param {number} length of the window, in milliseconds
 * @param {AbortSignal} signal
 * @returns {Promise<boolean>}
 * @throws {import("./ask.js").Problem}
 */
export async function isWhole(from, length, signal) {
  const { steps } = await anything(before(from, length), Math.round(from + length * BEGINNING), signal);
  return steps[0].count > 0;
}

/**
 * The days of a window at whose end nothing had been recorded yet, of those at its beginning that count 0.
 * @param {{day: string, entered: number}[]} days of the window, in order
 * @param {number} from when the window began, in epoch milliseconds
 * @param {number} length of the window, in milliseconds
 * @param {AbortSignal} signal
 * @returns {Promise<Set<string>>}
 * @throws {import("./ask.js").Problem}
 */
export async function daysUnrecorded(days, from, length, signal) {
  const zeros = days.findIndex((one) => one.entered > 0);
  if (zeros < 1) {
    return new Set();
  }
  // The first day is a part of one: so many days after `from` all of these are over.
  const to = Math.min(from + length, from + zeros * LENGTHS.d);
  const { trend } = await anything(before(from, length), to, signal);
  const began = trend.find((one) => one.entered > 0)?.day ?? days[zeros].day;
  return new Set(days.slice(0, zeros).map((one) => one.day).filter((day) => day < began));
}

// Who did anything at all, in the whole and by day. A funnel of one step reads little: a summary would value it all.
function anything(from, to, signal) {
  return post("/v1/funnels", { steps: ["*"], conversion_window: "1s", trend: true, from, to, as_of: to }, { signal });
}

function before(from, length) {
  return Math.max(0, from - Math.max(length, WEEK));
}
