/** What a funnel's answer looks like: its steps, its rows side by side, its times, its days, and the window before. */

import { bars, day, duration, h, line, money, number, panel, percent, s, t, table } from "./core.js";
import { bottleneck, DEFAULT_CONVERSION_WINDOW, losses, part, sum, within } from "./funnel_state.js";
import { fieldWords, lengthWords, many, stepWords } from "./funnel_phrases.js";

const ROWS_AT_FIRST = 10;
const COLUMNS = 20;

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
    label: `${at + 1}. ${words(definition, answer, at)}`,
    value: step.count,
    beside: before?.steps[at]?.count,
    text: t("funnel.of_entered", { n: many(definition.count, step.count, number(step.count)), share: percent(step.rate) }),
    note: facts(step, definition.steps[at], answer.currency),
    between: at + 1 < answer.steps.length ? loss(lost[at + 1], at + 1 === worst, definition) : null,
  }));
  return panel(
    t("funnel.steps"),
    h("p", { class: worst >= 0 ? "note-box bad" : "quiet" }, verdict(answer, definition, lost, worst)),
    h("div", { class: "funnel-bars" }, bars({ label: t("funnel.steps"), items })),
    before ? h("p", { class: "hint" }, t("funnel.thin_bar")) : null,
  );
}

/** The breakdown: a row for each key, the share that came to each step as a small bar. */
export function breakdown(answer, definition) {
  const keys = Object.keys(answer.groups[0]?.key ?? {});
  const rows = answer.groups.map((group) => ({ ...group, worst: bottleneck(losses(group.steps, definition.steps)) }));
  rows.sort((one, other) => other.steps[0].count - one.steps[0].count);
  const last = answer.steps.length - 1;
  const columns = [
    ...keys.map((key) => ({
      key,
      head: fieldWords(key),
      cell: (row) => row.key[key] || t("funnel.none"),
      sort: (row) => row.key[key],
      csv: (row) => row.key[key],
    })),
    { key: "entered", head: t("funnel.entered"), numeric: true, cell: (row) => number(row.steps[0].count), sort: (row) => row.steps[0].count },
    ...answer.steps.slice(1).map((_, index) => stepColumn(index + 1)),
    ...(answer.currency && answer.steps.every((step) => step.value.final !== null)
      ? [{ key: "brought", head: t("funnel.brought"), numeric: true, cell: (row) => money(brought(row), answer.currency), sort: (row) => Number(brought(row)), csv: brought }]
      : []),
  ];
  const few = rows.length > ROWS_AT_FIRST + 2;
  const filter = few ? (row) => Object.values(row.key).join(" ") : undefined;
  const element = table({ caption: t("funnel.breakdown"), columns, rows, csv: "funnel-breakdown", filter, empty: t("funnel.breakdown_empty") });
  // The rest is there, only not seen, so that order and filter are those of all rows.
  const place = h("div", { class: few ? "stack funnel-groups few" : "stack funnel-groups" }, element);
  if (few) {
    place.append(h("button", { type: "button", class: "table-more", onclick: reveal }, t("funnel.more")));
  }
  return panel(t("funnel.breakdown"), h("p", { class: "hint" }, t("funnel.breakdown_hint")), place);

  function reveal(event) {
    place.classList.remove("few");
    event.currentTarget.remove();
    element.querySelector(".scroller")?.focus({ preventScroll: true });
  }

  function stepColumn(at) {
    return {
      key: `step${at}`,
      numeric: true,
      head: `${at + 1}. ${words(definition, answer, at)}`,
      cell: (row) => shareCell(row, at, last),
      sort: (row) => row.steps[at].rate,
      csv: (row) => row.steps[at].count,
    };
  }
}

/** How long those who completed took from the first step to the last. */
export function times(histogram) {
  const bins = histogram?.bins ?? [];
  const all = counted(bins);
  if (all === 0) {
    return panel(t("funnel.time"), h("p", { class: "empty" }, t("funnel.time_empty")));
  }
  const [half, most] = [within(bins, 0.5), within(bins, 0.9)].map((seconds) => duration(seconds * 1000));
  const says = all === 1 ? t("funnel.time_one", { time: duration(bins[0][0] * 1000) }) : t("funnel.time_says", { half, most });
  return panel(t("funnel.time"), h("p", {}, says), bins.length > 1 && all > 1 ? spread(merged(bins)) : null);
}

/** The conversion by day of entry, beside the same days of the window before. */
export function trend(answer, before, definition) {
  const days = answer.trend ?? [];
  if (days.length < 3) {
    return panel(t("funnel.trend"), h("p", { class: "empty" }, t("funnel.trend_short")));
  }
  const drawn = (label, of, format) =>
    line({
      label,
      name: t("funnel.this"),
      points: days.map((one) => ({ x: one.day, y: of(one) })),
      beside: before?.trend ? { label: t("funnel.earlier"), points: before.trend.map((one) => ({ x: one.day, y: of(one) })) } : undefined,
      format,
      formatX: day,
      headX: t("funnel.day"),
    });
  return panel(
    t("funnel.trend"),
    h("div", { class: "grid" }, drawn(t("funnel.trend_label"), (one) => one.rate, percent), drawn(t("funnel.entered_label"), (one) => one.entered, number)),
    h("p", { class: "hint" }, t("funnel.trend_hint", { length: lengthWords(definition.conversion_window || DEFAULT_CONVERSION_WINDOW) })),
  );
}

/** Step by step against the window before. */
export function compare(answer, before, definition, interval) {
  const rows = answer.steps.map((step, at) => ({ at, now: step, then: before.steps[at] }));
  const number_ = (key, head, of, text = number) => ({ key, head, numeric: true, cell: (row) => text(of(row)), sort: of });
  const seconds = (one) => (one.seconds.median === null ? null : one.seconds.median * 1000);
  const columns = [
    { key: "step", head: t("funnel.number_of"), cell: (row) => `${row.at + 1}. ${words(definition, answer, row.at)}`, sort: (row) => row.at },
    number_("now", t("funnel.this"), (row) => row.now.count),
    number_("then", t("funnel.earlier"), (row) => row.then.count),
    {
      key: "change",
      head: t("funnel.change"),
      numeric: true,
      cell: (row) => delta(row.now.count, row.then.count, relative),
      sort: (row) => part(row.now.count - row.then.count, row.then.count),
    },
    number_("rate", t("funnel.rate"), (row) => row.now.rate, percent),
    number_("rate_then", t("funnel.rate_before"), (row) => row.then.rate, percent),
    number_("median", t("funnel.median_head"), (row) => seconds(row.now), duration),
    number_("median_then", t("funnel.median_before"), (row) => seconds(row.then), duration),
  ];
  return panel(
    t("funnel.compare"),
    h("p", { class: "hint" }, t("funnel.compare_hint", interval)),
    table({ caption: t("funnel.compare"), columns, rows, csv: "funnel-windows", empty: t("funnel.compare_empty") }),
  );
}

function words(definition, answer, at) {
  return stepWords(definition.steps[at] ?? { event: answer.steps[at].event, where: {} });
}

function outcome(answer) {
  const [first, last] = [answer.steps[0], answer.steps.at(-1)];
  return { entered: first.count, completed: last.count, rate: last.rate, final: brought(answer) };
}

function brought(row) {
  return sum(row.steps.map((step) => step.value.final));
}

function tile(name, figure, note) {
  return h("div", { class: "tile" }, h("dt", {}, name), h("dd", { class: "figure" }, figure), note && h("dd", {}, note));
}

function moved(now, then, how, text) {
  return then === null ? null : h("span", {}, delta(now, then, how), h("span", { class: "delta" }, t("funnel.before", { value: text })));
}

// What there is no change of, because there was nothing, has no sign.
function delta(now, then, how) {
  const change = how(now, then);
  const direction = change === null || change.size === 0 ? "" : change.size > 0 ? " up" : " down";
  return h("span", { class: `delta${direction}` }, change === null ? "" : `${change.text} `);
}

function relative(now, then) {
  if (now === then) {
    return { size: 0, text: t("funnel.same") };
  }
  if (then === 0) {
    return { size: 1, text: t("funnel.new") };
  }
  return { size: now - then, text: percent(Math.abs(now - then) / then) };
}

function points(now, then) {
  if (now === null || then === null) {
    return null;
  }
  const size = Math.round((now - then) * 1000) / 10;
  return size === 0 ? { size, text: t("funnel.same") } : { size, text: t("funnel.points", { n: number(Math.abs(size)) }) };
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
    from: words(definition, answer, from),
    to: words(definition, answer, worst),
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

function shareCell(row, at, last) {
  const { count, rate } = row.steps[at];
  const worst = row.worst === at;
  const length = rate === null ? 0 : Math.min(100, rate * 100);
  return h(
    "div",
    { class: `share${worst ? " worst" : ""}${at === last ? " last" : ""}` },
    h("span", { class: "share-text" }, h("span", {}, percent(rate)), h("span", { class: "quiet" }, number(count))),
    s(
      "svg",
      { class: "share-bar", viewBox: "0 0 100 6", preserveAspectRatio: "none", "aria-hidden": "true" },
      s("rect", { class: "bar-ground", width: 100, height: 6 }),
      s("rect", { class: "bar-fill", width: length, height: 6 }),
    ),
    worst && h("span", { class: "share-mark" }, t("funnel.loses")),
  );
}

// A few bins for the eye, of the many that the shares are read from. The slowest twentieth is one of them, since one who
// came back after a week would press all others together.
function merged(bins) {
  const cut = within(bins, 0.95);
  const usual = bins.filter(([edge]) => edge < cut);
  const size = Math.max(1, Math.ceil(usual.length / COLUMNS));
  const found = [];
  for (let at = 0; at < usual.length; at += size) {
    found.push({ from: usual[at][0], to: usual[at + size]?.[0] ?? cut, count: counted(usual.slice(at, at + size)) });
  }
  const rest = counted(bins.slice(usual.length));
  return rest > 0 ? [...found, { from: cut, to: null, count: rest }] : found;
}

function counted(bins) {
  return bins.reduce((total, [, count]) => total + count, 0);
}

function spread(columns) {
  const most = Math.max(...columns.map((column) => column.count));
  const label = t("funnel.time_label");
  const text = (seconds) => (seconds === null ? "" : duration(seconds * 1000));
  const tail = columns.at(-1).to === null;
  const head = (key) => h("th", { scope: "col", class: "numeric" }, t(key));
  const cell = (words_) => h("td", { class: "numeric" }, words_);
  return h(
    "figure",
    { class: "stack" },
    h("figcaption", { class: "line-label small" }, label),
    s(
      "svg",
      { class: "spread", viewBox: `0 0 ${columns.length * 10} 100`, preserveAspectRatio: "none", "aria-hidden": "true" },
      columns.map((column, at) => {
        const height = column.count > 0 ? Math.max(1.5, (column.count / most) * 100) : 0;
        const attributes = { class: column.to === null ? "bar-beside" : "bar-fill", x: at * 10 + 0.5, y: 100 - height, width: 9, height };
        return s("rect", attributes, s("title", {}, `${text(column.from)}: ${number(column.count)}`));
      }),
    ),
    h(
      "div",
      { class: "spread-ends small quiet", "aria-hidden": "true" },
      h("span", {}, text(columns[0].from)),
      h("span", {}, tail ? t("funnel.longer", { time: text(columns.at(-1).from) }) : text(columns.at(-1).to)),
    ),
    tail ? h("p", { class: "hint" }, t("funnel.tail")) : null,
    h(
      "details",
      { class: "numbers" },
      h("summary", {}, t("funnel.numbers")),
      h(
        "div",
        { class: "scroller", role: "region", "aria-label": label, tabindex: 0 },
        h(
          "table",
          {},
          h("caption", { class: "unseen" }, label),
          h("thead", {}, h("tr", {}, head("funnel.time_from"), head("funnel.time_to"), head("funnel.completed"))),
          h("tbody", {}, columns.map(({ from, to, count }) => h("tr", {}, h("th", { scope: "row", class: "numeric" }, text(from)), cell(text(to)), cell(number(count))))),
        ),
      ),
    ),
  );
}
