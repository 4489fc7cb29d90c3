/** How much likelier a sale is with each step, and how long it takes after it. */

import { duration, h, number, panel, t } from "../core/core.js";
import { axis, strip, uneven } from "../core/strips.js";
import { times } from "./sentences.js";
import { named } from "./step.js";

const LIFT_TICKS = [0.1, 1, 10, 100, 1000];
const LAG_TICKS_S = [1, 60, 3_600, 86_400, 2_592_000, 31_536_000, 315_360_000];

/** @returns {HTMLElement} each step's lift, on one scale */
export function lifts(answer) {
  const scale = uneven(LIFT_TICKS);
  return panel(
    t("values.lift"),
    h("p", { class: "hint" }, t("values.lift_hint")),
    h(
      "div",
      {},
      h(
        "ul",
        { class: "strips" },
        answer.steps.map((step) => {
          const { lift } = step;
          const text = lift === null ? t("values.no_lift") : liftText(lift);
          const words = t("values.picture_of", { event: step.event, text });
          return h(
            "li",
            {},
            named(step.event),
            strip(scale, { words, low: lift?.low, high: lift?.high, value: lift?.ratio, mark: 1 }),
            h("span", { class: "small" }, text),
          );
        }),
      ),
      h(
        "div",
        { class: "strips-axis" },
        axis(scale, (tick) => `${number(tick)}×`),
      ),
    ),
  );
}

function liftText({ ratio, low, high }) {
  return ratio >= 50
    ? t("values.times_hardly", { low: times(low) })
    : t("values.times_range", { ratio: times(ratio), low: times(low), high: times(high) });
}

/** @returns {HTMLElement} each step's lag, on one scale */
export function lags(answer) {
  const seconds = answer.steps.flatMap((step) =>
    step.lag_seconds ? [step.lag_seconds.p50, step.lag_seconds.p90] : [],
  );
  const scale = uneven(around(seconds));
  return panel(
    t("values.lag"),
    h("p", { class: "hint" }, t("values.lag_hint")),
    h(
      "div",
      {},
      h(
        "ul",
        { class: "strips" },
        answer.steps.map((step) => {
          const lag = step.lag_seconds;
          const text = lag
            ? t("values.lag_row", { p50: duration(lag.p50 * 1000), p90: duration(lag.p90 * 1000) })
            : t("values.lag_none");
          const words = t("values.picture_of", { event: step.event, text });
          return h(
            "li",
            {},
            named(step.event),
            strip(scale, { words, low: lag?.p50, high: lag?.p90, value: lag?.p50 }),
            h("span", { class: "small" }, text),
          );
        }),
      ),
      h(
        "div",
        { class: "strips-axis" },
        axis(scale, (tick) => duration(tick * 1000)),
      ),
    ),
  );
}

function around(seconds) {
  const above = LAG_TICKS_S.findIndex((tick) => tick >= Math.max(...seconds));
  const below = LAG_TICKS_S.findLastIndex((tick) => tick <= Math.min(...seconds));
  const last = above < 0 ? LAG_TICKS_S.length - 1 : Math.max(above, 1);
  return LAG_TICKS_S.slice(Math.min(Math.max(below, 0), last - 1), last + 1);
}
