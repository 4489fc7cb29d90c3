/** The newest events in a table: as many rows as can be read, whatever arrives. */

import { breakable, h, lang, money, t, when } from "../core/core.js";
import { words } from "./words.js";

const ROWS = 200;
const KEPT = 1_000;
const TONES = { accepted: "good", duplicate: "", rejected: "bad" };
const DUPLICATES = new Set(["order", "conflict", "erased"]);

/**
 * @typedef {object} Item
 * @property {string} key the same for what is told twice
 * @property {number} at when it was received, in ms
 * @property {string | null} id
 * @property {string | null} name
 * @property {string | null} actor
 * @property {string | number | null} value
 * @property {string | null} currency
 * @property {Record<string, string>} source
 * @property {"accepted" | "duplicate" | "rejected"} verdict
 * @property {string | null} code
 * @property {string | null} message
 */

/**
 * What to do about a rejected event, in the reader's language; null for a code that this page does not know.
 * @param {string} code
 * @returns {string | null}
 */
export function fixOf(code) {
  const key = `live.fix.${code}`;
  return Object.hasOwn(words[lang], key) ? t(key) : null;
}

/**
 * @param {(item: Item) => boolean} fits
 * @returns {{element: HTMLElement, add: (items: Item[]) => void, filter: (fits: (item: Item) => boolean) => void,
 *   size: () => number}}
 */
export function list(fits) {
  /** @type {Item[]} the newest first */
  let items = [];
  let keys = new Set();
  const body = h("tbody", { role: "rowgroup", onanimationend: ({ target }) => target.classList.remove("fresh") });
  const heads = ["at", "name", "verdict", "value", "source", "actor"];
  // On a phone rows are laid out as cards, and browsers forget what they are unless roles say so.
  const region = h(
    "div",
    { class: "scroller live-scroller", role: "region", "aria-label": t("live.region"), tabindex: 0 },
    h(
      "table",
      { class: "live-table", role: "table" },
      h("caption", { class: "unseen" }, t("live.region")),
      h(
        "thead",
        { role: "rowgroup" },
        h(
          "tr",
          { role: "row" },
          heads.map((key) =>
            h("th", { scope: "col", role: "columnheader", class: key === "value" && "numeric" }, t(`live.col.${key}`)),
          ),
        ),
      ),
      body,
    ),
  );
  const none = h("p", { class: "empty" }, t("live.none_fit"));
  const first = h(
    "div",
    { class: "empty" },
    h("p", {}, t("live.none")),
    h("pre", {}, h("code", {}, 'kizashi.track("mv_product_view", actor="v-1")')),
  );
  const element = h("div", {}, region, none, first);
  shown();
  return {
    element,
    add,
    filter(next) {
      fits = next;
      body.replaceChildren(...drawn(items, false));
      shown();
    },
    size: () => items.length,
  };

  function add(more) {
    const fresh = [];
    for (const item of more) {
      if (!keys.has(item.key)) {
        keys.add(item.key);
        fresh.push(item);
      }
    }
    if (fresh.length === 0) {
      return;
    }
    fresh.sort((one, other) => other.at - one.at);
    const isNewest = items.length === 0 || fresh.at(-1).at >= items[0].at;
    const before = items.length;
    items = isNewest ? [...fresh, ...items] : [...fresh, ...items].sort((one, other) => other.at - one.at);
    if (items.length > KEPT) {
      items = items.slice(0, KEPT);
      keys = new Set(items.map((item) => item.key));
    }
    if (isNewest) {
      body.prepend(...drawn(fresh, before > 0));
      while (body.childElementCount > ROWS) {
        body.lastElementChild.remove();
      }
    } else {
      body.replaceChildren(...drawn(items, false));
    }
    shown();
  }

  function drawn(some, isNew) {
    return some
      .filter(fits)
      .slice(0, ROWS)
      .map((item) => row(item, isNew));
  }

  function shown() {
    region.hidden = body.childElementCount === 0;
    none.hidden = body.childElementCount > 0 || items.length === 0;
    first.hidden = items.length > 0;
  }
}

/** @param {Item} item */
function row(item, fresh) {
  const cell = (name, ...content) => h("td", { role: "cell", class: name }, content);
  return h(
    "tr",
    { role: "row", class: fresh && "fresh" },
    cell(
      "live-at",
      h(
        "time",
        { datetime: new Date(item.at).toISOString(), title: when(item.at, { seconds: true, year: true }) },
        clock(item.at),
      ),
    ),
    h(
      "th",
      { scope: "row", role: "rowheader" },
      item.name === null
        ? h("span", { class: "muted" }, t("live.no_name"))
        : h("span", { class: "names" }, breakable(item.name)),
    ),
    cell("live-verdict", verdict(item)),
    cell(`numeric live-value${item.value === null ? " live-nothing" : ""}`, amount(item)),
    cell(`names live-source${Object.keys(item.source).length === 0 ? " live-nothing" : ""}`, source(item.source)),
    cell(`names live-actor${item.actor ? "" : " live-nothing"}`, item.actor || "–"),
  );
}

function verdict({ verdict: told, code, message }) {
  const badge = h("span", { class: `badge ${TONES[told] ?? ""}` }, t(`live.${told}`));
  if (told === "accepted") {
    return badge;
  }
  const words = told === "duplicate" ? t(`live.duplicate.${DUPLICATES.has(code) ? code : "plain"}`) : fixOf(code);
  // Of a rejected event the message says more than the words of its code do, but says it in English.
  const detail = told === "rejected" && message;
  return [
    badge,
    code && [" ", h("code", {}, code)],
    words && !(detail && lang === "en") && h("div", { class: "small" }, words),
    detail && h("div", { class: lang === "en" ? "small names" : "small muted names", lang: "en" }, message),
  ];
}

// What is rejected is shown as it was sent: rounded, or in a currency that nobody has, it would hide its mistake.
function amount({ verdict: told, value, currency }) {
  if (value === null) {
    return "–";
  }
  return told === "rejected" ? `${value} ${currency ?? ""}` : money(value, currency);
}

const zone = document.querySelector("main")?.dataset.zone || undefined;
const hours = formatter({ hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });
const days = formatter({ dateStyle: "short" });

function clock(at) {
  return days.format(at) === days.format(Date.now()) ? hours.format(at) : when(at, { seconds: true });
}

function formatter(options) {
  try {
    return new Intl.DateTimeFormat(lang, { ...options, timeZone: zone });
  } catch {
    return new Intl.DateTimeFormat(lang, options); // a zone that this browser does not know
  }
}

function source(fields) {
  const known = Object.entries(fields);
  if (known.length === 0) {
    return "–";
  }
  const { campaign, ...rest } = fields;
  const others = Object.entries(rest).map(([key, value]) => `${key}=${value}`);
  return [
    campaign !== undefined && h("span", {}, breakable(campaign)),
    others.length > 0 && h("div", { class: "small muted" }, breakable(others.join(" · "))),
  ];
}
