/** What every page of the dashboard is made of. Pages import from here alone. */

import { params } from "./address.js";
import { get, getPages, post, Problem } from "./ask.js";
import { bars, interval } from "./charts.js";
import { downloadPages } from "./csv.js";
import { breakable, h, s, uniqueId } from "./dom.js";
import { day, duration, money, number, percent, roughly, when } from "./format.js";
import { line } from "./line.js";
import { table } from "./table.js";
import { lang, say, t } from "./words.js";

export { bars, day, duration, get, h, interval, lang, line, money, number, params, percent, post, Problem, roughly, s, say, t };
export { breakable, choice, downloadPages, getPages, table, when };

say({
  en: {
    "core.problem": "This did not work.",
    "core.unreachable":
      "The collector cannot be reached. Look whether it runs and whether you are online; what you see may be old.",
    "core.busy": "The collector has more to do than it can. Try again in a moment.",
    "core.too_slow":
      "The question took too long. Ask for a shorter window, or let the plan declare it, so that it is kept current.",
    "core.unavailable": "The collector cannot read its log at the moment. Its own log says why.",
    "core.forbidden": "Your key may not see this. Log in with a read or an admin key.",
    "core.too_many": "Too many questions at once. Try again in a moment.",
    "core.bad_query": "The collector does not understand this address. Set the page's choices anew.",
    "core.bad_funnel": "This funnel is impossible. Mend its steps.",
    "core.not_found": "This is not here, or not any more. Look whether the plan still names it.",
    "core.no_plan": "There is no plan in force yet, or none of its events is final. Apply one with kizashi plan apply.",
    "core.internal": "Something failed inside the collector. Its log says where.",
    "core.script": "This page failed. Reload it; if it fails again, report what stands below.",
    "core.again": "Reload the page",
  },
  ja: {
    "core.problem": "うまくいきませんでした。",
    "core.unreachable":
      "コレクターに接続できません。起動しているか、ネットワークがつながっているかをご確認ください。表示中の内容は古い可能性があります。",
    "core.busy": "コレクターが混み合っています。少し待ってからもう一度お試しください。",
    "core.too_slow":
      "集計に時間がかかりすぎました。期間を短くするか、プランに集計を登録してください（登録した集計は常に最新に保たれます）。",
    "core.unavailable": "現在、コレクターがログを読み込めません。原因はコレクターのログをご確認ください。",
    "core.forbidden": "このキーでは表示できません。読み取りキーまたは管理キーでログインしてください。",
    "core.too_many": "リクエストが多すぎます。少し待ってからもう一度お試しください。",
    "core.bad_query": "このURLの条件を解釈できません。画面の条件を選び直してください。",
    "core.bad_funnel": "このファネルは成り立ちません。ステップを見直してください。",
    "core.not_found": "見つかりません。プランに残っているかご確認ください。",
    "core.no_plan": "プランが未適用か、最終コンバージョンが定義されていません。kizashi plan apply で適用してください。",
    "core.internal": "コレクター内部でエラーが起きました。詳細はコレクターのログをご確認ください。",
    "core.script": "ページの表示に失敗しました。再読み込みしても直らない場合は、以下の内容を添えてご報告ください。",
    "core.again": "ページを再読み込み",
  },
});

const REMEDIES = {
  busy: "core.busy",
  draining: "core.busy",
  not_ready: "core.busy",
  too_slow: "core.too_slow",
  unavailable: "core.unavailable",
  unreachable: "core.unreachable",
  wrong_scope: "core.forbidden",
  bad_query: "core.bad_query",
  bad_funnel: "core.bad_funnel",
  unknown_funnel: "core.not_found",
  not_found: "core.not_found",
  no_plan: "core.no_plan",
  internal: "core.internal",
};
const REMEDIES_OF_STATUS = { 403: "core.forbidden", 404: "core.not_found", 429: "core.too_many", 503: "core.busy" };

/**
 * A part of the page under a heading of level 2.
 * @param {string} title
 * @param {...import("./dom.js").Child} children
 * @returns {HTMLElement}
 */
export function panel(title, ...children) {
  const id = uniqueId("panel");
  return h("section", { class: "panel", "aria-labelledby": id }, h("h2", { id }, title), children);
}

/** @type {WeakMap<Element, object>} */
const newest = new WeakMap();

/**
 * Show on an element that it waits for an answer; what it showed before stays. Another call for the same element
 * overtakes this one. A failure is shown at its top, until a later call succeeds.
 * @template T
 * @param {HTMLElement} element
 * @param {Promise<T>} promise
 * @returns {Promise<T | undefined>} the answer; undefined where it failed or was overtaken
 */
export async function busy(element, promise) {
  const turn = {};
  newest.set(element, turn);
  element.setAttribute("aria-busy", "true");
  let failure = null;
  let answer;
  try {
    answer = await promise;
  } catch (error) {
    failure = error;
  }
  if (newest.get(element) !== turn) {
    return undefined;
  }
  element.removeAttribute("aria-busy");
  if (failure?.name === "AbortError") {
    return undefined;
  }
  const before = element.querySelector(":scope > .problem[data-busy]");
  const words = failure === null ? null : problem(failure);
  if (words === null || before?.textContent !== words.textContent) {
    before?.remove(); // the same words stay, so that they are not read out again at every attempt
    if (words !== null) {
      words.dataset.busy = "";
      const heading = element.querySelector(":scope > :is(h1, h2, .page-head)");
      if (heading) {
        heading.after(words);
      } else {
        element.prepend(words);
      }
    }
  }
  return answer;
}

/**
 * What went wrong and what to do about it.
 * @param {unknown} error a Problem, or whatever was thrown
 * @returns {HTMLElement}
 */
export function problem(error) {
  const isProblem = error instanceof Problem;
  if (!isProblem) {
    console.error(error);
  }
  const remedy = isProblem ? (REMEDIES[error.code] ?? REMEDIES_OF_STATUS[error.status]) : "core.script";
  const detail = isProblem ? error.detail : String(error);
  const code = isProblem ? error.code : null;
  return h(
    "div",
    { class: "problem", role: "alert" },
    h("p", { class: "problem-remedy" }, t(remedy ?? "core.problem")),
    detail && h("p", { class: "problem-detail", lang: "en" }, code && h("code", {}, code), code && " ", detail),
    !isProblem && h("p", {}, h("a", { href: location.href, class: "button" }, t("core.again"))),
  );
}

/**
 * Do something again and again: `seconds` after the time before has ended, never while the page is hidden, and at once
 * when it is seen again and the time is over. The first time is `seconds` from now.
 * @param {number} seconds
 * @param {() => unknown} work may be async
 * @returns {() => void} ends it
 */
export function every(seconds, work) {
  let due = performance.now() + seconds * 1000;
  let timer = 0;
  let working = false;
  let ended = false;

  function wait() {
    clearTimeout(timer);
    if (!ended && !working && !document.hidden) {
      timer = setTimeout(run, Math.max(0, due - performance.now()));
    }
  }

  async function run() {
    working = true;
    try {
      await work();
    } finally {
      working = false;
      due = performance.now() + seconds * 1000;
      wait();
    }
  }

  document.addEventListener("visibilitychange", wait);
  wait();
  return () => {
    ended = true;
    clearTimeout(timer);
    document.removeEventListener("visibilitychange", wait);
  };
}

/**
 * A choice of a few, as radio buttons in a row.
 * @param {{label: string, options: {value: string, label: string}[], value: string, onchange: (value: string) => void}} of
 * @returns {HTMLElement} with `show(value)`, which marks another one without calling `onchange`
 */
function choice({ label, options, value, onchange }) {
  const name = uniqueId("choice");
  /** @type {any[]} */
  const inputs = options.map((option) =>
    h("input", {
      type: "radio",
      name,
      value: option.value,
      checked: option.value === value,
      onchange: () => onchange(option.value),
    }),
  );
  const element = h(
    "fieldset",
    { class: "choice" },
    h("legend", {}, label),
    h(
      "div",
      { class: "choice-options" },
      inputs.map((input, at) => h("label", {}, input, h("span", {}, options[at].label))),
    ),
  );
  return Object.assign(element, {
    show(chosen) {
      for (const input of inputs) {
        input.checked = input.value === chosen;
      }
    },
  });
}

/**
 * Run the page: what `render` returns stands in `main`, and what it throws is told there. Focus stays where it is.
 * @param {(main: HTMLElement) => import("./dom.js").Child | Promise<import("./dom.js").Child>} render
 * @returns {Promise<void>}
 */
export async function start(render) {
  const main = document.querySelector("main");
  main.setAttribute("aria-busy", "true");
  try {
    const content = await render(main);
    if (content !== undefined && content !== null) {
      main.replaceChildren(...h("div", null, content).childNodes);
    }
  } catch (error) {
    main.prepend(problem(error));
  } finally {
    main.removeAttribute("aria-busy");
  }
}
