/** What each step turned out to be worth, beside what the plan declares: the review of GET /v1/values. */

import { busy, day, duration, every, get, h, money, number, panel, percent, say, start, t, table, when } from "./core.js";
import { axis, legend, linear, strip, uneven } from "./strips.js";
import { horizonOf, sentenceOf, times } from "./values_sentences.js";
import { words } from "./values_words.js";

say(words);
document.head.append(h("link", { rel: "stylesheet", href: new URL("./values.css", import.meta.url).href }));

const REFRESH_S = 60;
const VERDICTS = ["keep", "prune", "unknown"];
const TONES = { keep: "good", prune: "warn", unknown: "" };
const LIFT_TICKS = [0.1, 1, 10, 100, 1000];
const LAG_TICKS_S = [1, 60, 3_600, 86_400, 2_592_000, 31_536_000, 315_360_000];

/** @typedef {{answer: any, plan: any}} Seen the review, and the plan that it is of */

start(() => {
  const lead = h("p", { class: "lead" }, t("values.lede"));
  const figures = h("div", { class: "stack" });
  const rest = h("div", { class: "stack" });
  const all = table({ caption: t("values.table"), columns: columns(), rows: [], csv: "kizashi-values", filter: row, state: "" });
  const tablePanel = panel(t("values.table"), all);
  tablePanel.hidden = true;
  const page = h("div", { class: "stack" }, figures, tablePanel, rest);
  let drawn = "";

  async function show() {
    const found = await busy(page, Promise.all([get("/v1/values"), get("/v1/plan")]));
    if (found === undefined) {
      return;
    }
    const seen = { answer: found[0], plan: found[1].plan };
    const { as_of: _, from: __, to: ___, ...counted } = seen.answer;
    const next = JSON.stringify([counted, seen.plan]);
    lead.replaceChildren(t("values.lede"), " ", t("values.as_of", { when: when(seen.answer.as_of) }));
    if (next === drawn) {
      return; // whoever reads is not disturbed
    }
    drawn = next;
    tablePanel.hidden = seen.answer.steps.length === 0;
    all.update(seen.answer.steps.map((step) => ({ ...step, currency: seen.answer.currency })));
    figures.replaceChildren(...above(seen));
    rest.replaceChildren(...below(seen));
  }

  show();
  every(REFRESH_S, show);
  return [h("div", { class: "page-head" }, h("div", {}, h("h1", {}, t("values.title")), lead)), page];
});

/** @param {Seen} seen */
function above(seen) {
  const { answer, plan } = seen;
  if (!plan) {
    return [panel(t("values.title"), h("p", {}, t("values.no_plan")), h("p", {}, t("values.no_plan_fix")), command("kizashi plan apply plan.toml --endpoint …"))];
  }
  const hasFinal = Object.values(plan.events ?? {}).some((event) => event.final);
  return [
    !hasFinal && h("div", { class: "note-box warn stack" }, h("p", {}, t("values.no_final")), h("pre", {}, h("code", {}, "final = true"))),
    answer.steps.length === 0 && h("p", { class: "empty" }, t("values.no_steps")),
    answer.steps.length > 0 && [summary(seen, hasFinal), ladder(seen), verdicts(seen)],
    answer.double_counted.length > 0 && doubles(answer),
    h(
      "div",
      { class: "grid" },
      answer.steps.some((step) => step.lift !== null) && h("div", { class: "half" }, lifts(answer)),
      answer.steps.some((step) => step.lag_seconds !== null) && h("div", { class: "half" }, lags(answer)),
    ),
  ]
    .flat(2)
    .filter(Boolean);
}

/** @param {Seen} seen */
function below({ answer }) {
  return answer.fit?.back_tests.length > 0 ? [tests(answer.fit)] : [];
}

function summary({ answer, plan }, hasFinal) {
  const count = Object.fromEntries(VERDICTS.map((one) => [one, number(answer.steps.filter((step) => step.verdict === one).length)]));
  const key = answer.steps.length === 1 ? "values.whole_one" : "values.whole";
  const basis =
    answer.journeys === 0
      ? t("values.basis_none", { horizon: horizonOf(plan) })
      : t("values.basis", {
          journeys: number(answer.journeys),
          converted: number(answer.converted),
          share: percent(answer.converted / answer.journeys),
          from: when(answer.from),
          to: when(answer.to),
        });
  return h("div", { class: "stack" }, h("p", {}, h("strong", {}, t(key, { all: number(answer.steps.length), ...count }))), hasFinal && h("p", { class: "muted" }, basis), reviews(answer));
}

function ladder({ answer, plan }) {
  const on = answer.steps.filter((step) => step.step !== null).sort((one, other) => one.step - other.step);
  const off = answer.steps.filter((step) => step.step === null);
  const amounts = answer.steps.flatMap((step) => [declaredNumber(step), step.learned && Number(step.learned.high)]);
  const scale = linear(amounts.filter((amount) => amount !== null));
  const format = (tick) => money(tick, answer.currency);
  const rows = (steps) => steps.map((step) => rung(step, plan, scale, answer.currency));
  const list = (tag, steps) => h(tag, { class: "strips" }, rows(steps), h("li", { class: "strips-axis", role: "presentation" }, axis(scale, format)));
  return panel(
    t("values.ladder"),
    h("p", { class: "hint" }, t("values.ladder_hint")),
    legend({ dot: t("values.key_learned"), diamond: t("values.key_declared") }),
    on.length > 0 && list("ol", on),
    off.length > 0 && on.length > 0 && h("h3", {}, t("values.beside")),
    off.length > 0 && list("ul", off),
  );
}

function rung(step, plan, scale, currency) {
  const { learned } = step;
  const amount = learned === null ? t("values.not_learned") : money(learned.value, currency);
  const range = learned && t("values.range", { low: money(learned.low, currency), high: money(learned.high, currency) });
  const declared = declaredText(step, currency);
  const rule = plan.events?.[step.event] ?? {};
  return h(
    "li",
    {},
    h("div", {}, named(step.event, step.step), rule.description && h("div", { class: "small muted" }, rule.description)),
    strip(scale, {
      words: t("values.picture", { event: step.event, learned: range ? `${amount} (${range})` : amount, declared }),
      low: learned && Number(learned.low),
      high: learned && Number(learned.high),
      value: learned && Number(learned.value),
      beside: declaredNumber(step),
    }),
    h(
      "dl",
      { class: "figures" },
      h("dt", {}, t("values.learned")),
      h("dd", {}, h("strong", {}, amount), range && [" ", h("span", { class: "muted" }, `(${range})`)]),
      h("dt", {}, t("values.declared")),
      h("dd", {}, declared, " ", fitting(step)),
      learned && [h("dt", {}), h("dd", { class: "muted" }, t("values.chance", { chance: percent(learned.chance) }))],
      rule.use === "learned" && [h("dt", {}), h("dd", { class: "muted" }, t("values.use_learned"))],
    ),
  );
}

function fitting(step) {
  const declared = declaredNumber(step);
  if (declared === null || step.learned === null || step.verdict !== "keep") {
    return null; // of what is to be pruned or not known, no number fits
  }
  const [key, tone] =
    declared < Number(step.learned.low) ? ["too_low", "warn"] : declared > Number(step.learned.high) ? ["too_high", "warn"] : ["fits", "good"];
  return h("span", { class: `badge ${tone}` }, t(`values.${key}`));
}

function verdicts({ answer, plan }) {
  return panel(
    t("values.verdicts"),
    h(
      "div",
      { class: "verdicts" },
      VERDICTS.map((verdict) => {
        const steps = answer.steps.filter((step) => step.verdict === verdict);
        return h(
          "section",
          { class: "stack" },
          h("h3", {}, h("span", { class: `badge ${TONES[verdict]}` }, `${t(`values.${verdict}`)} ${number(steps.length)}`)),
          h("p", { class: "hint" }, t(steps.length > 0 ? `values.${verdict}_hint` : `values.none_${verdict}`)),
          steps.length > 0 && h("ul", { class: "plain" }, steps.map((step) => judged(step, answer, plan))),
        );
      }),
    ),
    answer.suggestions.length > 0 && [
      h("p", { class: "hint" }, t("values.diff")),
      command("kizashi values review --diff plan.toml > change.diff\nkizashi plan apply change.diff plan.toml"),
    ],
  );
}

function judged(step, answer, plan) {
  const told = sentenceOf(step, answer, plan);
  const changes = answer.suggestions.filter((change) => change.event === step.event);
  return h(
    "li",
    {},
    named(step.event),
    h("p", { class: "small", lang: told.lang }, told.text),
    changes.length > 0 && h("p", { class: "small muted" }, t("values.suggested"), " ", changes.map(changeText).join(" · ")),
  );
}

function changeText({ key, before, after }) {
  const kind = key === "action" ? "action" : after === null ? "drop" : before === null ? "add" : "value";
  return t(`values.change_${kind}`, { before: before ?? "", after: after ?? "" });
}

function reviews(answer) {
  if (answer.overdue.length === 0) {
    const planned = answer.steps.some((step) => step.review_by !== null);
    return h("p", { class: "muted" }, t(planned ? "values.overdue_none" : "values.overdue_unset"));
  }
  const due = new Map(answer.steps.map((step) => [step.event, step.review_by]));
  return h(
    "section",
    { class: "note-box warn stack" },
    h("h2", {}, t("values.overdue")),
    h(
      "ul",
      { class: "plain" },
      answer.overdue.map(({ owner, events }) =>
        h(
          "li",
          {},
          h("strong", {}, owner ?? t("values.nobody")),
          ": ",
          events.map((event, at) => [at > 0 && ", ", h("code", {}, event), " ", t("values.due", { day: day(due.get(event)) })]),
        ),
      ),
    ),
    h("p", { class: "small" }, t("values.overdue_fix")),
  );
}

function doubles(answer) {
  return panel(
    t("values.twice"),
    h(
      "ul",
      { class: "plain stack" },
      answer.double_counted.map((one) =>
        h("li", {}, t("values.twice_row", { event: one.event, follower: one.followed_by, followed: number(one.followed), journeys: number(one.journeys) })),
      ),
    ),
  );
}

function lifts(answer) {
  const scale = uneven(LIFT_TICKS);
  return panel(
    t("values.lift"),
    h("p", { class: "hint" }, t("values.lift_hint")),
    h(
      "ul",
      { class: "strips" },
      answer.steps.map((step) => {
        const { lift } = step;
        const text = lift === null ? t("values.no_lift") : liftText(lift);
        const words = t("values.picture_of", { event: step.event, text });
        return h("li", {}, named(step.event), strip(scale, { words, low: lift?.low, high: lift?.high, value: lift?.ratio, mark: 1 }), h("span", { class: "small" }, text));
      }),
      h("li", { class: "strips-axis", role: "presentation" }, axis(scale, (tick) => `${number(tick)}×`)),
    ),
  );
}

function liftText({ ratio, low, high }) {
  return ratio >= 50 ? t("values.times_hardly", { low: times(low) }) : t("values.times_range", { ratio: times(ratio), low: times(low), high: times(high) });
}

function lags(answer) {
  const seconds = answer.steps.flatMap((step) => (step.lag_seconds ? [step.lag_seconds.p50, step.lag_seconds.p90] : []));
  const scale = uneven(around(seconds));
  return panel(
    t("values.lag"),
    h("p", { class: "hint" }, t("values.lag_hint")),
    h(
      "ul",
      { class: "strips" },
      answer.steps.map((step) => {
        const lag = step.lag_seconds;
        const text = lag ? t("values.lag_row", { p50: duration(lag.p50 * 1000), p90: duration(lag.p90 * 1000) }) : t("values.lag_none");
        const words = t("values.picture_of", { event: step.event, text });
        return h("li", {}, named(step.event), strip(scale, { words, low: lag?.p50, high: lag?.p90, value: lag?.p50 }), h("span", { class: "small" }, text));
      }),
      h("li", { class: "strips-axis", role: "presentation" }, axis(scale, (tick) => duration(tick * 1000))),
    ),
  );
}

function around(seconds) {
  const above = LAG_TICKS_S.findIndex((tick) => tick >= Math.max(...seconds));
  const below = LAG_TICKS_S.findLastIndex((tick) => tick <= Math.min(...seconds));
  const last = above < 0 ? LAG_TICKS_S.length - 1 : Math.max(above, 1);
  return LAG_TICKS_S.slice(Math.min(Math.max(below, 0), last - 1), last + 1);
}

function tests(fit) {
  const shown = [...fit.back_tests].sort((one, other) => one.days - other.days);
  const head = (key) => h("th", { scope: "col", class: "numeric" }, t(`values.tests_${key}`));
  return panel(
    t("values.tests"),
    h("p", { class: "hint" }, t("values.tests_hint")),
      h(
        "div",
        { class: "numbers scroller", role: "region", "aria-label": t("values.tests"), tabindex: 0 },
        h(
          "table",
          {},
          h("thead", {}, h("tr", {}, head("days"), head("foretold"), head("happened"))),
          h(
            "tbody",
            {},
            shown.map((test) =>
              h("tr", {}, h("th", { scope: "row", class: "numeric" }, number(test.days)), h("td", { class: "numeric" }, number(Math.round(test.foretold * 10) / 10)), h("td", { class: "numeric" }, number(test.happened))),
            ),
          ),
        ),
      ),
  );
}

function columns() {
  const plain = (name, of, cell = of) => ({ key: name, head: t(`values.col.${name}`), cell, sort: of, csv: of });
  const numeric = (name, of, format = number) => ({ ...plain(name, of, (row) => format(of(row), row.currency)), numeric: true });
  const worth = (name) => ({ ...numeric(name, (row) => row.learned && Number(row.learned[name === "learned" ? "value" : name]), money), csv: (row) => row.learned?.[name === "learned" ? "value" : name] ?? "" });
  return [
    { ...plain("event", (row) => row.event), cell: (row) => h("span", { class: "event" }, row.event) },
    numeric("step", (row) => row.step),
    { ...plain("verdict", (row) => row.verdict, (row) => h("span", { class: `badge ${TONES[row.verdict] ?? ""}` }, t(`values.${row.verdict}`))), csv: (row) => row.verdict },
    { ...numeric("declared", declaredNumber), cell: (row) => declaredText(row, row.currency), csv: (row) => row.declared ?? "" },
    worth("learned"),
    worth("low"),
    worth("high"),
    numeric("chance", (row) => row.learned?.chance ?? null, percent),
    numeric("journeys", (row) => row.journeys),
    numeric("converted", (row) => row.converted),
    numeric("share", (row) => row.share, percent),
    numeric("waiting", (row) => row.waiting),
    { ...numeric("lift", (row) => row.lift?.ratio ?? null), cell: (row) => (row.lift ? times(row.lift.ratio) : "–") },
    numeric("gain", (row) => row.marginal_gain, percent),
    { ...numeric("trend", (row) => row.trend.at(-1)?.chance ?? null), cell: trendCell, csv: trendCell },
    numeric("recent", (row) => row.count_28d),
    plain("owner", (row) => row.owner ?? "", (row) => row.owner ?? "–"),
    plain("review_by", (row) => row.review_by ?? "", (row) => (row.review_by ? h("span", { class: "numeric" }, day(row.review_by)) : "–")),
  ];
}

function trendCell(row) {
  const chances = row.trend.map((period) => percent(period.chance)).join(" → ");
  return row.direction ? `${chances} (${t(`values.${row.direction}`)})` : chances || "–";
}

function row(step) {
  return [step.event, step.owner, t(`values.${step.verdict}`)].join(" ");
}

function named(event, step = null) {
  return h("div", {}, step !== null && [h("span", { class: "badge", title: t("values.step", { n: step }) }, h("span", { class: "unseen" }, t("values.step", { n: step })), h("span", { "aria-hidden": "true" }, step)), " "], h("code", { class: "names" }, event));
}

function command(text) {
  return h("pre", {}, h("code", {}, text));
}

function declaredNumber(step) {
  return step.declared === null || step.declared === "event" ? null : Number(step.declared);
}

function declaredText(step, currency) {
  return step.declared === null ? t("values.not_declared") : step.declared === "event" ? t("values.carried") : money(step.declared, currency);
}
