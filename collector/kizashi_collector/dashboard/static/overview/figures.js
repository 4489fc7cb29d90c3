/** The tiles, and beneath them what they are compared with. */

import { h, problem, t, when } from "../core/core.js";
import { windowName } from "../core/names.js";
import { compare, isClose } from "./comparison.js";
import { tiles } from "./tiles.js";
import { beyondRetention, WEEK } from "../core/recording.js";

// What took too long once is not asked again at once.
const TRY_AGAIN = 300_000;

/**
 * @typedef {object} View
 * @property {any} answer of GET /v1/summary
 * @property {{window: string, length: number, shift: number, week: boolean, learned: string, key: string}} asked
 * @property {any} plan
 * @property {string[]} finals names of the plan's final conversions
 * @property {boolean} empty where nothing was ever received
 * @property {boolean} same where the answer is the one that was shown last
 * @property {AbortSignal} signal ends with the question
 */

/**
 * The figures of a whole window; `show` draws them at once, and once more when what they are compared with was counted.
 * @returns {{elements: HTMLElement[], show(view: View): Promise<void>}}
 */
export function comparedFigures() {
  const figures = h("div");
  const comparison = h("div", { class: "small" });
  let view = null;
  let beside = null; // {key, found, failed, counting} of the window that it is compared with

  async function show(next) {
    view = next;
    const { answer, asked, plan, empty, same, signal } = view;
    const { window, length, shift, learned } = asked;
    figures.hidden = empty;
    comparison.hidden = empty;
    if (empty) {
      return;
    }
    if (beyondRetention(plan, length, shift)) {
      draw(null);
      comparison.replaceChildren(h("p", { class: "muted" }, t("overview.compared_retention", { retention: windowName(plan.retention) })));
      return;
    }
    const key = `${window} ${shift} ${answer.plan} ${learned}`;
    if (beside?.key !== key) {
      beside = { key, found: null, failed: null, counting: false };
      comparison.replaceChildren();
    }
    const mine = beside;
    const tired = mine.failed !== null && performance.now() - mine.failed < TRY_AGAIN;
    const due = !mine.counting && !isClose(mine.found, answer, length, shift) && !tired;
    if (!same || mine.found === null) {
      draw(comparable(mine, due || mine.counting));
    }
    if (!due) {
      return;
    }
    mine.counting = true;
    try {
      mine.found = await compare(answer, window, length, shift, learned, signal);
      mine.failed = null;
    } catch (error) {
      mine.failed = error.name === "AbortError" ? null : performance.now();
      if (mine.failed !== null && beside === mine) {
        comparison.replaceChildren(h("p", {}, t("overview.compared_failed")), problem(error));
      }
    }
    mine.counting = false;
    if (beside === mine && view.asked.key === asked.key) {
      draw(comparable(mine, false));
      if (mine.found && mine.failed === null) {
        tell(mine.found);
      }
    }
  }

  function draw(other) {
    const { answer, asked, plan, finals } = view;
    figures.replaceChildren(tiles(answer, finals, other, plan?.targets?.[asked.window]));
  }

  function tell({ from, to, then, whole }) {
    const { length, week } = view.asked;
    const between = { from: when(from), to: when(to) };
    if (then.actors === 0 || !whole) {
      const why = then.actors === 0 ? "overview.compared_none" : "overview.compared_young";
      comparison.replaceChildren(h("p", { class: "muted" }, t(why, between)));
      return;
    }
    const keys = view.finals.length > 0 ? ["expected", "brought", "counts"] : [];
    if (length < WEEK && !week) {
      keys.push("hours");
    }
    const open = comparison.querySelector("details")?.open ?? false;
    const focused = comparison.contains(document.activeElement);
    comparison.replaceChildren(
      h(
        "details",
        { class: "overview-how", open },
        h("summary", {}, t("overview.compared", between), " ", h("span", { class: "muted" }, t("overview.compared_how"))),
        h("ul", {}, keys.map((key) => h("li", {}, t(`overview.compared_${key}`)))),
      ),
    );
    if (focused) {
      comparison.querySelector("summary").focus({ preventScroll: true });
    }
  }

  return { elements: [figures, comparison], show };
}

function comparable({ found }, counting) {
  if (found === null) {
    return counting ? "counting" : null;
  }
  return found.whole && found.then.actors > 0 ? found : null;
}
