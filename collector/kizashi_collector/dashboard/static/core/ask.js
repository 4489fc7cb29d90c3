/** Questions to the collector. */

import { inZone } from "./format.js";

const KEPT_ANSWERS = 16;
// The questions that know `money`; the others refuse a parameter that they do not know.
const HAS_MONEY = /^\/v1\/(summary|values|increments|funnels\/[^/?]+)(\?|$)/;

/** @type {Map<string, {tag: string, answer: any}>} */
const kept = new Map();

/** What the collector answered in place of an answer; `status` is 0 where it could not be reached. */
export class Problem extends Error {
  /**
   * @param {number} status
   * @param {string} code stable, as docs/bad-input.md lists them; `unreachable` where there was no answer at all
   * @param {string} detail a sentence in English
   */
  constructor(status, code, detail) {
    super(detail);
    this.name = "Problem";
    this.status = status;
    this.code = code;
    this.detail = detail;
  }
}

/**
 * Ask; amounts come as decimal strings. While nothing has changed the same object is answered as the time before
 * (by If-None-Match), so that `answer === before` means that there is nothing to draw.
 * @param {string} path `/v1/…` with its query
 * @param {{signal?: AbortSignal}} [how]
 * @returns {Promise<any>}
 * @throws {Problem}
 */
export async function get(path, how = {}) {
  const url = withMoney(path, HAS_MONEY.test(path));
  const before = kept.get(url);
  const response = await answered(url, {
    headers: { accept: "application/json", ...(before ? { "if-none-match": before.tag } : {}) },
    cache: "no-store",
    signal: how.signal,
  });
  if (response.status === 304 && before) {
    remember(url, before);
    return before.answer;
  }
  const answer = await decoded(response);
  const tag = response.headers.get("etag");
  if (tag) {
    remember(url, { tag, answer });
  }
  if (/^\/v1\/plan(\?|$)/.test(path) && answer?.plan) {
    inZone(answer.plan.timezone ?? "UTC");
  }
  return answer;
}

/**
 * Ask for text, such as `format=csv`, with all of its pages.
 * @param {string} path `/v1/…` with its query
 * @param {{signal?: AbortSignal}} [how]
 * @returns {Promise<string[]>} the pages, in order; the first line of each is the head
 * @throws {Problem}
 */
export async function getPages(path, how = {}) {
  const pages = [];
  let cursor = null;
  do {
    const next = cursor === null ? path : `${path}${path.includes("?") ? "&" : "?"}cursor=${encodeURIComponent(cursor)}`;
    const response = await answered(next, { cache: "no-store", signal: how.signal });
    if (!response.ok) {
      await decoded(response); // throws what is said of it
    }
    pages.push(await response.text());
    cursor = response.headers.get("x-next-cursor");
  } while (cursor !== null);
  return pages;
}

/**
 * Ask with a body, as `POST /v1/funnels` is; amounts come as decimal strings.
 * @param {string} path
 * @param {unknown} body sent as JSON
 * @param {{signal?: AbortSignal}} [how]
 * @returns {Promise<any>}
 * @throws {Problem}
 */
export async function post(path, body, how = {}) {
  const response = await answered(withMoney(path, /^\/v1\/funnels(\?|$)/.test(path)), {
    method: "POST",
    headers: { accept: "application/json", "content-type": "application/json" },
    body: JSON.stringify(body),
    cache: "no-store",
    signal: how.signal,
  });
  return decoded(response);
}

async function answered(url, options) {
  let response;
  try {
    response = await fetch(url, { credentials: "same-origin", ...options });
  } catch (error) {
    if (error.name === "AbortError") {
      throw error;
    }
    throw new Problem(0, "unreachable", `${url.split("?")[0]}: ${error.message}`);
  }
  if (response.status === 401) {
    location.reload(); // the session is over: the same address answers the login page
    await new Promise(() => {});
  }
  return response;
}

async function decoded(response) {
  let answer;
  try {
    answer = await response.json();
  } catch (error) {
    if (error.name === "AbortError") {
      throw error;
    }
    const code = response.ok ? "undecodable" : `http_${response.status}`;
    throw new Problem(response.status, code, `${response.status} ${response.statusText}`.trim());
  }
  if (!response.ok) {
    throw new Problem(
      response.status,
      answer?.code ?? `http_${response.status}`,
      answer?.detail ?? response.statusText,
    );
  }
  return answer;
}

function withMoney(path, has) {
  if (!has || /[?&]money=/.test(path)) {
    return path;
  }
  return `${path}${path.includes("?") ? "&" : "?"}money=string`;
}

function remember(url, entry) {
  kept.delete(url);
  kept.set(url, entry);
  if (kept.size > KEPT_ANSWERS) {
    kept.delete(kept.keys().next().value);
  }
}
