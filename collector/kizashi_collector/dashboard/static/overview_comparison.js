/**
 * What a window is compared with. An older window is further along than this one: more of its journeys are over. So what
 * it has brought by now is not to be held against what this one has brought so far. Two figures of it are like this one's:
 * what it had brought when it ended, at the age that this window has now (`then`), and what its journeys will have brought
 * in the end, as far as is known now (`today`).
 */

import { get } from "./core.js";

const LENGTHS = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000 };
/** A week, in milliseconds. */
export const WEEK = LENGTHS.w;
// These questions are counted from the log: asked anew once the window has moved on by a hundredth of itself.
const SHARE = 100;
// Where nothing at all came in a week or more and this share of the window after it, recording began inside the window.
const BEGINNING = 1 / 20;
const LEAST = 120_000;

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
 * Whether what was compared still lies close enough to what would be compared now.
 * @param {{to: number} | null} held
 * @param {any} answer
 * @param {number} length
 * @param {number} shift
 * @returns {boolean}
 */
export function isClose(held, answer, length, shift) {
  return held !== null && Math.abs(Date.parse(answer.to) - shift - held.to) < Math.max(LEAST, length / SHARE);
}

/**
 * The totals of the window that lies `shift` before that of an answer.
 * @param {any} answer of GET /v1/summary over a window that ends now
 * @param {string} window
 * @param {number} length
 * @param {number} shift
 * @param {AbortSignal} signal
 * @returns {Promise<{from: number, to: number, then: any, today: any, whole: boolean}>} `whole` is false where recording
 *   began only inside that window, so that it holds less than its length says
 * @throws {import("./ask.js").Problem}
 */
export async function compare(answer, window, length, shift, signal) {
  const to = Date.parse(answer.to) - shift;
  const from = to - length;
  // One after the other: either may take a core for seconds where the log is large.
  const then = await get(`/v1/summary?window=${window}&as_of=${to}`, { signal });
  const known = (begin, end) => get(`/v1/summary?from=${Math.max(0, begin)}&to=${end}&as_of=${Date.parse(answer.as_of)}`, { signal });
  const today = await known(from, to);
  const first = await known(from - Math.max(length, WEEK), Math.round(from + length * BEGINNING));
  return { from, to, then: then.total, today: today.total, whole: first.total.actors > 0 };
}
