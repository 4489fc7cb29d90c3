/** What each step turned out to be worth, beside what the plan declares: the review of GET /v1/values. */

import { breakable, busy, day, every, get, h, number, panel, percent, say, start, t, table, when } from "../core/core.js";
import { ladder } from "./ladder.js";
import { lags, lifts } from "./pictures.js";
import { horizonOf, sentenceOf } from "./sentences.js";
import { named, TONES } from "./step.js";
import { columns } from "./table.js";
import { words } from "./words.js";

say(words);

// Over a large log a review takes seconds to count, and hardly changes within an hour.
const REVIEW = "/v1/values?max_age=1h";
const REFRESH_S = 60;
const VERDICTS = ["keep", "prune", "unknown"];

/** @typedef {{answer: any, plan: any}} Seen the review, and the plan that it is of */

start(() => {
  const lead = h("p", { class: "lead" }, t("values.lede"));
  const figures = h("div", { class: "stack" });
  const rest = h("div", { class: "stack" });
  const all = table({
    caption: t("values.caption"),
    columns: columns(),
    rows: [],
    csv: "kizashi-values",
    filter: row,
    state: "",
  });
  all.classList.add("values-all");
  const tablePanel = panel(t("values.table"), all);
  tablePanel.hidden = true;
  const page = h("div", { class: "stack" }, figures, tablePanel, rest);
  let drawn = "";

  async function show() {
    const found = await busy(page, Promise.all([get(REVIEW), get("/v1/plan")]));
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
    return [
      panel(
        t("values.no_plan_title"),
        h("p", {}, t("values.no_plan")),
        h("p", {}, t("values.no_plan_fix")),
        command("kizashi plan apply plan.toml --endpoint …"),
      ),
    ];
  }
  const pictures = [
    answer.steps.some((step) => step.lift !== null) && lifts(answer),
    answer.steps.some((step) => step.lag_seconds !== null) && lags(answer),
  ]
    .filter(Boolean)
    .map((picture) => h("div", { class: "half" }, picture));
  const hasFinal = Object.values(plan.events ?? {}).some((event) => event.final);
  return [
    !hasFinal &&
      h(
        "div",
        { class: "note-box warn stack" },
        h("p", {}, t("values.no_final")),
        h("pre", {}, h("code", {}, "final = true")),
      ),
    answer.steps.length === 0 && h("p", { class: "empty" }, t("values.no_steps")),
    answer.steps.length > 0 && [summary(seen, hasFinal), ladder(seen), verdicts(seen)],
    answer.double_counted.length > 0 && doubles(answer),
    pictures.length > 0 && h("div", { class: "grid" }, pictures),
  ]
    .flat(2)
    .filter(Boolean);
}

/** @param {Seen} seen */
function below({ answer }) {
  return answer.fit?.back_tests.length > 0 ? [tests(answer.fit)] : [];
}

function summary({ answer, plan }, hasFinal) {
  const count = Object.fromEntries(
    VERDICTS.map((one) => [one, number(answer.steps.filter((step) => step.verdict === one).length)]),
  );
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
  return h(
    "div",
    { class: "stack" },
    h("p", {}, h("strong", {}, t(key, { all: number(answer.steps.length), ...count }))),
    hasFinal && h("p", { class: "muted" }, basis),
    reviews(answer),
  );
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
          h(
            "h3",
            {},
            h("span", { class: `badge ${TONES[verdict]}` }, `${t(`values.${verdict}`)} ${number(steps.length)}`),
          ),
          h("p", { class: "hint" }, t(steps.length > 0 ? `values.${verdict}_hint` : `values.none_${verdict}`)),
          steps.length > 0 &&
            h(
              "ul",
              { class: "plain" },
              steps.map((step) => judged(step, answer, plan)),
            ),
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
    changes.length > 0 &&
      h("p", { class: "small muted" }, t("values.suggested"), " ", changes.map(changeText).join(" · ")),
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
          events.map((event, at) => [
            at > 0 && ", ",
            h("code", { class: "names" }, breakable(event)),
            " ",
            t("values.due", { day: day(due.get(event)) }),
          ]),
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
        h(
          "li",
          {},
          t("values.twice_row", {
            event: one.event,
            follower: one.followed_by,
            followed: number(one.followed),
            journeys: number(one.journeys),
          }),
        ),
      ),
    ),
  );
}

function tests(fit) {
  const shown = [...fit.back_tests].sort((one, other) => one.days - other.days);
  const head = (key) => h("th", { scope: "col", class: "numeric" }, t(`values.tests_${key}`));
  return panel(
    t("values.tests"),
    h("p", { class: "hint" }, t("values.tests_hint")),
    h(
      "div",
      { class: "numbers" },
      h(
        "table",
        {},
        h("thead", {}, h("tr", {}, head("days"), head("foretold"), head("happened"))),
        h(
          "tbody",
          {},
          shown.map((test) =>
            h(
              "tr",
              {},
              h("th", { scope: "row", class: "numeric" }, number(test.days)),
              h("td", { class: "numeric" }, number(Math.round(test.foretold * 10) / 10)),
              h("td", { class: "numeric" }, number(test.happened)),
            ),
          ),
        ),
      ),
    ),
  );
}

function row(step) {
  return [step.event, step.owner, t(`values.${step.verdict}`)].join(" ");
}

function command(text) {
  return h("pre", {}, h("code", {}, text));
}
