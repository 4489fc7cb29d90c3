/** Rejected events by their reason, each with what mends it. */

import { busy, get, h, number, panel, t, when } from "../core/core.js";
import { fixOf } from "./list.js";

const EXAMPLES = 3;
const MOST_TEXT = 2_000;
// The others stay as they were sent, and stay wrong.
const MENDED_HERE = new Set(["unplanned", "bad_currency", "from_the_future", "too_old"]);

/**
 * @returns {{element: HTMLElement, show: () => Promise<any>}} `show` asks anew and returns the listing
 */
export function rejectedPanel() {
  /** @type {Map<string, ReturnType<typeof group>>} */
  const groups = new Map();
  const list = h("ul", { class: "plain stack" });
  const none = h("p", { class: "empty", hidden: true }, t("live.rejected_none"));
  const hint = h("p", { class: "hint", hidden: true }, t("live.rejected_hint"));
  const element = panel(t("live.rejected_title"), hint, list, none);

  async function show() {
    const listing = await busy(element, get("/v1/rejected?limit=200"));
    if (listing === undefined) {
      return undefined;
    }
    none.hidden = listing.total > 0;
    hint.hidden = listing.total === 0;
    const codes = Object.entries(listing.codes).sort(([, one], [, other]) => other - one);
    for (const [code, count] of codes) {
      if (!groups.has(code)) {
        groups.set(code, group(code));
      }
      groups.get(code).update(
        count,
        listing.rejected.filter((one) => one.code === code),
      );
    }
    const wanted = codes.map(([code]) => groups.get(code).element);
    if (wanted.some((one, at) => list.children[at] !== one) || list.childElementCount > wanted.length) {
      list.replaceChildren(...wanted);
    }
    return listing;
  }

  return { element, show };
}

function group(code) {
  const count = h("span", { class: "badge bad" });
  const newest = h("span", { class: "small muted cluster-end" });
  const examples = h("ul", { class: "plain stack" });
  const fix = fixOf(code);
  let some = [];
  let isOpen = false;
  const element = h(
    "li",
    { class: "stack live-group" },
    h("div", { class: "row" }, count, h("code", {}, code), newest),
    fix && h("p", {}, fix),
    MENDED_HERE.has(code) && [
      h("p", { class: "hint" }, t("live.replay")),
      h("pre", {}, h("code", {}, `kizashi rejected replay --code ${code}`)),
    ],
    h("details", { ontoggle: (event) => toggled(event.target.open) }, h("summary", {}, t("live.examples")), examples),
  );

  async function toggled(open) {
    isOpen = open;
    if (open && some.length === 0) {
      const listing = await busy(examples, get(`/v1/rejected?limit=${EXAMPLES}&codes=${encodeURIComponent(code)}`));
      some = listing?.rejected ?? [];
    }
    draw();
  }

  function draw() {
    if (isOpen) {
      examples.replaceChildren(...some.slice(0, EXAMPLES).map(example));
    }
  }

  return {
    element,
    update(n, found) {
      count.textContent = number(n);
      newest.textContent = found.length > 0 ? t("live.newest", { when: when(found[0].received_at) }) : "";
      const before = some[0]?.id;
      some = found.length > 0 ? found : some;
      if (some[0]?.id !== before) {
        draw();
      }
    },
  };
}

function example(one) {
  const text = one.event === null ? null : JSON.stringify(one.event, null, 2);
  return h(
    "li",
    { class: "stack" },
    h(
      "div",
      { class: "small muted names" },
      when(one.received_at, { seconds: true }),
      " · ",
      one.id ? h("code", {}, one.id) : t("live.no_id"),
    ),
    h("p", { class: "small names", lang: "en" }, one.message),
    text === null
      ? h("p", { class: "hint" }, t("live.unread"))
      : h("pre", {}, h("code", {}, text.length > MOST_TEXT ? `${text.slice(0, MOST_TEXT)} …` : text)),
  );
}
