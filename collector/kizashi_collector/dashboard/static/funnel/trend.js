/** A funnel by day of entry. */

import { day, h, line, number, panel, percent, t } from "../core/core.js";
import { windowName } from "../core/names.js";
import { DEFAULT_CONVERSION_WINDOW } from "./state.js";

const DAY = 86_400_000;
const LEAST_AXIS = 4;

/**
 * The conversion by day of entry, beside the same days of the window before.
 * @param {any} answer
 * @param {any} before null where nothing is compared
 * @param {Set<string>} unrecorded days at whose end recording had not begun: they have no figure
 * @param {import("../state.js").Definition} definition
 */
export function trend(answer, before, unrecorded, definition) {
  const days = answer.trend ?? [];
  if (days.length < 3) {
    return panel(t("funnel.trend"), h("p", { class: "empty" }, t("funnel.trend_short")));
  }
  // A window that does not begin at midnight reaches into one day more than it is long.
  const cut = days.length * DAY > Date.parse(answer.to) - Date.parse(answer.from);
  const marks = cut ? { [days[0].day]: "funnel.day_part", [days.at(-1).day]: "funnel.day_so_far" } : {};
  const of = (one, figure) => (unrecorded.has(one.day) ? null : one[figure]);
  const points = (list, figure) => list.map((one) => ({ x: one.day, y: of(one, figure) }));
  const drawn = (label, figure, format, max) =>
    line({
      max,
      label,
      name: t("funnel.this"),
      points: points(days, figure),
      beside: before?.trend ? { label: t("funnel.earlier"), points: points(before.trend, figure) } : undefined,
      format,
      formatX: (one) => (marks[one] ? t(marks[one], { day: whole(one) }) : whole(one)),
      headX: t("funnel.day"),
    });
  // No less than the marks of an axis: people are whole.
  const most = Math.max(LEAST_AXIS, ...[...days, ...(before?.trend ?? [])].map((one) => one.entered));
  const began = [...(before?.trend ?? []), ...days].find((one) => !unrecorded.has(one.day));
  const hints = [
    t("funnel.trend_hint", { length: windowName(definition.conversion_window || DEFAULT_CONVERSION_WINDOW) }),
    cut ? t("funnel.trend_part") : "",
    unrecorded.size > 0 ? t("funnel.trend_unrecorded", { day: day(began?.day) }) : "",
  ];
  return panel(
    t("funnel.trend"),
    h("div", { class: "grid" }, drawn(t("funnel.trend_label"), "rate", percent), drawn(t("funnel.entered_label"), "entered", number, most)),
    hints.filter(Boolean).map((hint) => h("p", { class: "hint" }, hint)),
  );
}

// A day that stays on one line.
function whole(text) {
  return day(text).replaceAll(" ", "\u00a0");
}
