/** What a funnel's answer looks like: what came of it, its steps, and the window before. */

import { bars, duration, h, money, number, panel, percent, roughly, t, table } from "../core/core.js";
import { bottleneck, brought, losses, part } from "./figures.js";
import { many, soft, wordsOfStep } from "./phrases.js";

/** What came of it, each beside the window before. `before` is null until it is known. */
export function tiles(answer, before, definition) {
  const [now, then] = [outcome(answer), before && outcome(before)];
  const share = (one) => percent(one.rate);
  const worth = (one) => money(one.final, answer.currency);
  return h(
    "dl",
    { class: "tiles" },
    tile(t("funnel.entered"), number(now.entered), then && people(now.entered, then.entered)),
    tile(t("funnel.completed"), number(now.completed), then && people(now.completed, then.completed)),
    tile(t("funnel.conversion"), share(now), then && moved(now.rate, then.rate, points, share(then))),
    now.final !== null && answer.currency
      ? tile(t("funnel.brought"), worth(now), then && moved(Number(now.final), Number(then.final), relative, worth(then)))
      : null,
  );
  function people(one, other) {
    return moved(one, other, relative, many(definition.count, other, number(other)));
  }
}

/** The steps as bars, the losses between them, and the bottleneck in words. */
export function steps(answer, before, definition) {
  const lost = losses(answer.steps, definition.steps);
  const worst = bottleneck(lost);
  const items = answer.steps.map((step, at) => ({
    label: soft(`${at + 1}. ${wordsOfStep(definition, answer, at)}`),
    value: step.count,
    beside: before?.steps[at]?.count,
    text: t("funnel.of_entered", { n: many(definition.count, step.count, number(step.count)), share: percent(step.rate) }),
    note: facts(step, definition.steps[at], answer.currency),
    between: at + 1 < answer.steps.length ? loss(lost[at + 1], at + 1 === worst, definition) : null,
  }));
  return panel(
    t("funnel.steps"),
    h("p", { class: worst >= 0 ? "note-box bad" : "quiet" }, soft(verdict(answer, definition, lost, worst))),
    h("div", { class: "funnel-bars" }, bars({ label: t("funnel.steps"), items })),
    before ? h("p", { class: "hint" }, t("funnel.thin_bar")) : null,
  );
}

/** Step by step against the window before. */
export function compare(answer, before, definition, interval) {
  const rows = answer.steps.map((step, at) => ({ at, now: step, then: before.steps[at] }));
  const number_ = (key, head, of, text = number, csv = of) => ({ key, head, numeric: true, cell: (row) => text(of(row)), sort: of, csv });
  const change = (row) => part(row.now.count - row.then.count, row.then.count);
  const title = (row) => `${row.at + 1}. ${wordsOfStep(definition, answer, row.at)}`;
  const seconds = (one) => (one.seconds.median === null ? null : one.seconds.median * 1000);
  const columns = [
    { key: "step", head: t("funnel.number_of"), cell: (row) => h("span", {}, soft(title(row))), csv: title, sort: (row) => row.at },
    number_("now", t("funnel.this"), (row) => row.now.count),
    number_("then", t("funnel.earlier"), (row) => row.then.count),
    {
      key: "change",
      head: t("funnel.change"),
      numeric: true,
      cell: (row) => delta(row.now.count, row.then.count, relative),
      sort: change,
      csv: (row) => (change(row) === null ? null : Number(change(row).toFixed(4))),
    },
    number_("rate", t("funnel.rate"), (row) => row.now.rate, percent),
    number_("rate_then", t("funnel.rate_before"), (row) => row.then.rate, percent),
    number_("median", t("funnel.median_head"), (row) => seconds(row.now), duration, (row) => row.now.seconds.median),
    number_("median_then", t("funnel.median_before"), (row) => seconds(row.then), duration, (row) => row.then.seconds.median),
  ];
  return panel(
    t("funnel.compare"),
    h("p", { class: "hint" }, t("funnel.compare_hint", interval)),
    table({ caption: t("funnel.compare"), columns, rows, csv: "funnel-windows", empty: t("funnel.compare_empty") }),
  );
}

/**
 * Why nothing stands beside the figures.
 * @param {{reason: "young" | "retention", words: Record<string, string>}} why
 */
export function uncompared({ reason, words }) {
  return panel(t("funnel.compare"), h("p", { class: "empty" }, t(`funnel.compare_${reason}`, words)));
}

function outcome(answer) {
  const [first, last] = [answer.steps[0], answer.steps.at(-1)];
  return { entered: first.count, completed: last.count, rate: last.rate, final: brought(answer) };
}

function tile(name, figure, note) {
  return h("div", { class: "tile" }, h("dt", {}, name), h("dd", { class: "figure" }, figure), note && h("dd", {}, note));
}

function moved(now, then, how, text) {
  return then === null ? null : h("span", {}, delta(now, then, how), " ", h("span", { class: "delta funnel-before" }, t("funnel.before", { value: text })));
}

// What there is no change of, because there was nothing, has no sign.
function delta(now, then, how) {
  const change = how(now, then);
  const direction = change === null || change.size === 0 ? "" : change.size > 0 ? " up" : " down";
  return h("span", { class: `delta${direction}` }, change === null ? "" : change.text);
}

function relative(now, then) {
  if (now === then) {
    return { size: 0, text: t("funnel.same") };
  }
  if (then === 0) {
    return { size: 1, text: t("funnel.new") };
  }
  return { size: now - then, text: signed(now - then, roughly(Math.abs(now - then) / then)) };
}

function points(now, then) {
  if (now === null || then === null) {
    return null;
  }
  const size = Math.round((now - then) * 1000) / 10;
  if (size === 0) {
    return { size, text: t("funnel.same") };
  }
  const words = Math.abs(size) === 1 ? "funnel.point" : "funnel.points";
  return { size, text: t(words, { n: signed(size, number(Math.abs(size))) }) };
}

// In the text, since an arrow is not read aloud.
function signed(size, text) {
  return `${size > 0 ? "+" : "\u2212"}${text}`;
}

function verdict(answer, definition, lost, worst) {
  if (answer.steps.length === 1) {
    return t("funnel.one_step");
  }
  if (worst < 0) {
    return t("funnel.bottleneck_none");
  }
  const { from, lost: n, share, ofEntered } = lost[worst];
  return t("funnel.bottleneck_says", {
    from: wordsOfStep(definition, answer, from),
    to: wordsOfStep(definition, answer, worst),
    n: many(definition.count, n, number(n)),
    share: percent(share),
    ofEntered: percent(ofEntered),
  });
}

function facts(figures, step, currency) {
  const { median, p90 } = figures.seconds;
  const { declared, final } = figures.value;
  const worth = (text) => text !== null && Number(text) !== 0 && currency;
  const found = [
    step?.optional ? t("funnel.may_skip") : null,
    figures.step_rate === null ? null : t("funnel.rate_of_step", { share: percent(figures.step_rate) }),
    median === null ? null : t("funnel.median", { time: duration(median * 1000) }),
    p90 === null || p90 === median ? null : t("funnel.p90", { time: duration(p90 * 1000) }),
    worth(declared) && Number(declared) !== Number(final) ? t("funnel.declared", { value: money(declared, currency) }) : null,
    worth(final) ? t("funnel.final", { value: money(final, currency) }) : null,
  ].filter(Boolean);
  return found.length > 0 ? h("ul", { class: "funnel-facts" }, found.map((one) => h("li", {}, one))) : null;
}

function loss(found, worst, definition) {
  if (found === null || found.share === null) {
    return null;
  }
  const text = found.lost > 0 ? t("funnel.lost", { n: many(definition.count, found.lost, number(found.lost)), share: percent(found.share) }) : t("funnel.lost_none");
  return h("span", { class: worst ? "funnel-loss worst" : "funnel-loss" }, text, worst && h("span", { class: "badge bad" }, t("funnel.bottleneck")));
}
