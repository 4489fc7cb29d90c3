/**
 * What a window is compared with. An older window is further along than this one: more of its journeys are over. So what
 * it has brought by now is not to be held against what this one has brought so far. Two figures of it are like this one's:
 * what it had brought when it ended, at the age that this window has now (`then`), and what its journeys will have brought
 * in the end, as far as is known now (`today`).
 */

import { get } from "../core/core.js";
import { isWhole } from "../core/recording.js";

// These questions are counted from the log: asked anew once the window has moved on by a hundredth of itself.
const SHARE = 100;
const LEAST = 120_000;

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
 * @param {string} by what the totals are broken down by, where values are learned anew for that; empty elsewhere
 * @param {AbortSignal} signal
 * @returns {Promise<{from: number, to: number, then: any, today: any, whole: boolean}>} `whole` is false where recording
 *   began only inside that window, so that it holds less than its length says
 * @throws {import("../core/ask.js").Problem}
 */
export async function compare(answer, window, length, shift, by, signal) {
  const to = Date.parse(answer.to) - shift;
  const from = to - length;
  // One after the other: either may take a core for seconds where the log is large.
  const then = await get(`/v1/summary?window=${window}&as_of=${to}`, { signal });
  const as_of = Date.parse(answer.as_of);
  // Totals that are learned apart differ by that alone; rows cost more than a total, and are asked for where it matters.
  const learned = by && `&by=${encodeURIComponent(by)}`;
  const today = await get(`/v1/summary?from=${Math.max(0, from)}&to=${to}&as_of=${as_of}${learned}`, { signal });
  return { from, to, then: then.total, today: today.total, whole: await isWhole(from, length, signal) };
}
