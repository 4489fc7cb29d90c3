/** How many rows may be bid on, and why the others may not: what it means, and what to do about it. */

import { h, number, panel, t } from "../core/core.js";
import { told } from "../core/sentences.js";

const ORDER = ["no_plan", "recomputing", "incomplete", "tracking_break", "miscalibrated", "thin"];
const PAGES = { incomplete: "live", tracking_break: "live", miscalibrated: "values" };

/**
 * @returns {HTMLElement & {show(answer: any): void, point(reason: string): void}} `show` tells of another answer and
 *   keeps what is open and has the focus; `point` opens what is said of a reason and goes there
 */
export function readiness() {
  const text = h("p", {});
  /** @type {Map<string, {element: HTMLElement, count: HTMLElement, detail: HTMLElement, words: Record<string, HTMLElement>}>} */
  const said = new Map(ORDER.map((reason) => [reason, reasonOf(reason)]));
  const element = panel(t("overview.readiness"), text, [...said.values()].map((one) => one.element));
  return Object.assign(element, { show, point });

  function show(answer) {
    const rows = answer.rows.length > 0 ? answer.rows : [answer.total];
    const ready = rows.filter((row) => row.ready).length;
    const counts = { n: number(rows.length), ready: number(ready) };
    write(text, t(ready === rows.length ? "overview.readiness_all" : ready > 0 ? "overview.readiness_some" : "overview.readiness_none", counts));
    for (const [reason, { element: one, count, detail, words }] of said) {
      const some = rows.filter((row) => row.reason === reason).length;
      one.hidden = some === 0;
      // Where nothing at all is ready, the reason is what the reader has to know first.
      if (some > 0 && ready === 0 && text.dataset.opened !== reason) {
        text.dataset.opened = reason;
        one.open = true;
      }
      if (reason === "no_plan") {
        // A plan may be there and still name no final conversion.
        const which = answer.plan === null ? "no_plan" : "no_final";
        for (const [key, place] of Object.entries(words)) {
          write(place, t(`overview.${which}${key}`));
        }
        continue;
      }
      write(count, some === 1 ? t("overview.row_of") : t("overview.rows_of", { n: number(some) }));
      const sentence = told(answer.reasons?.[reason] ?? "");
      write(detail, sentence.text);
      detail.lang = sentence.lang;
      detail.hidden = sentence.text === "";
    }
  }

  function point(reason) {
    const one = said.get(reason)?.element;
    if (one) {
      one.open = true;
      one.scrollIntoView({ block: "nearest" });
      one.querySelector("summary").focus();
    }
  }
}

function reasonOf(reason) {
  const count = h("span", { class: "muted" });
  const detail = h("p", { class: "overview-told", hidden: true });
  const page = PAGES[reason];
  const words = {
    "": h("strong", {}, t(`overview.${reason}`)),
    _what: h("p", {}, t(`overview.${reason}_what`)),
    _remedy: h("span", {}, t(`overview.${reason}_remedy`)),
  };
  const element = h(
    "details",
    { class: "overview-why", hidden: true },
    h("summary", {}, words[""], " ", count),
    words._what,
    detail,
    h("p", {}, words._remedy, page && [" ", h("a", { href: `/${page}` }, t(`overview.page_${page}`))]),
  );
  return { element, count, detail, words };
}

// What is the same stays: a screen reader, a selection and the focus are left alone.
function write(element, words) {
  if (element.textContent !== words) {
    element.textContent = words;
  }
}
