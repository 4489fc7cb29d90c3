/** The funnel page: a funnel of the plan or a composed one, drawn; its whole definition stands in the address. */

import { busy, get, h, panel, params, percent, start, t, when } from "../core/core.js";
import { windowName } from "../core/names.js";
import { askBeside, askFigures, fieldOf, readQuestion } from "./ask.js";
import { composer } from "./compose.js";
import { controls, fieldsOf, windowsOf } from "./controls.js";
import { breakdown } from "./breakdown.js";
import { compare, steps, tiles, uncompared } from "./picture.js";
import { definitionOf, readDefinition, requestOf, writtenDefinition } from "./state.js";
import { times } from "./times.js";
import { trend } from "./trend.js";
import { lengthOf } from "../core/recording.js";

const DEFAULT_WINDOW = "7d";
// What comes within this time is drawn with the rest, so that the page does not jump.
const PATIENCE_MS = 100;
const RECOMPUTING_MS = 3_000;

void start(async () => {
  return page(await get("/v1/plan"));
});

function page(known) {
  const plan = known.plan;
  const funnels = plan?.funnels ?? {};
  const seen = known.health.unplanned.map((event) => event.name);
  const planned = Object.keys(plan?.events ?? {});
  const windows = windowsOf(plan);
  let asked = new AbortController();
  let composed = "";
  let again = 0;

  const form = composer({ names: [...planned, ...seen], fields: conditionFields(plan), onapply: apply });
  const details = h("details", { class: "panel funnel-compose" }, h("summary", {}, t("funnel.compose")), form.element);
  const bar = controls({ plan, oncompose: () => reveal(true) });
  const notes = h("div", { class: "stack funnel-notes", role: "status" });
  const result = h("div", { class: "stack funnel-result" });
  const stamp = h("div", { class: "row small quiet funnel-stamp" });
  const said = h("span", { role: "status", class: "small" });
  params.onchange(load);
  void load();
  return [
    h("div", { class: "page-head" }, h("h1", {}, t("funnel.title")), bar.element),
    stamp,
    h("div", {}, notes, details),
    result,
  ];

  async function load() {
    asked.abort();
    asked = new AbortController();
    clearTimeout(again);
    const { signal } = asked;
    const definition = current();
    const question = readQuestion(windows.includes(DEFAULT_WINDOW) ? DEFAULT_WINDOW : windows.at(-1));
    bar.show(definition, question);
    bar.tell(null);
    compose(definition);
    notes.replaceChildren(...introduction(definition));
    if (definition === null || definition.steps.length === 0) {
      stamp.replaceChildren();
      result.replaceChildren();
      result.removeAttribute("aria-busy");
      reveal(false);
      return;
    }
    const found = await busy(result, askFigures(definition, question, signal).catch(aboutField));
    if (found === undefined || signal.aborted) {
      return;
    }
    if (found.field) {
      told(found);
      return;
    }
    form.tell(null, false);
    stamped(found, question);
    await drawn(found, definition, question, signal);
    if (found.recomputing !== undefined) {
      notes.append(h("p", { class: "note-box warn" }, t("funnel.recomputing", { share: percent(found.recomputing) })));
      again = setTimeout(load, RECOMPUTING_MS);
    }
  }

  // The figures first, and what stands beside them when it comes: over a long log that may take a while.
  async function drawn(answer, definition, question, signal) {
    let found = null;
    const beside = askBeside(definition, question, answer, plan, signal).then(
      (all) => {
        found = all;
        return null;
      },
      (error) => (error.name === "AbortError" ? null : error),
    );
    await Promise.race([beside, new Promise((resolve) => setTimeout(resolve, PATIENCE_MS))]);
    if (signal.aborted) {
      return;
    }
    draw(answer, found, definition, question);
    if (found !== null) {
      return;
    }
    result.setAttribute("aria-busy", "true");
    const failure = await beside;
    if (signal.aborted) {
      return;
    }
    if (failure) {
      await busy(result, Promise.reject(failure));
    } else {
      result.removeAttribute("aria-busy");
      draw(answer, found, definition, question);
    }
  }

  function draw(answer, beside, definition, question) {
    const nobody = answer.steps[0].count === 0;
    const { here, before, why, unrecorded } = beside ?? { here: null, before: null, why: null, unrecorded: new Set() };
    if (nobody && !(before?.steps[0].count > 0)) {
      result.replaceChildren(empty(question));
      return;
    }
    const from = Date.parse(answer.from);
    const interval = { from: when(before?.from ?? from - (lengthOf(question.window) ?? 0)), to: when(from) };
    result.replaceChildren(
      ...[
        nobody ? empty(question) : null,
        tiles(answer, before, definition),
        steps(answer, before, definition),
        answer.groups && !nobody ? breakdown(answer, definition) : null,
        here && !nobody ? trend(here, before, unrecorded, definition) : null,
        here?.histogram && !nobody ? times(here, definition) : null,
        before ? compare(answer, before, definition, interval) : null,
        why ? uncompared({ reason: why.reason, words: { ...interval, retention: windowName(why.retention ?? "") } }) : null,
      ].filter(Boolean),
    );
  }

  function current() {
    const definition = readDefinition();
    if (definition === null) {
      const [first] = Object.keys(funnels);
      return first === undefined ? null : definitionOf(funnels[first], first);
    }
    return definition.name && Object.hasOwn(funnels, definition.name) ? definitionOf(funnels[definition.name], definition.name) : definition;
  }

  function apply(definition) {
    const request = JSON.stringify(requestOf(definition));
    const [same] = Object.entries(funnels).find(([name, funnel]) => JSON.stringify(requestOf(definitionOf(funnel, name))) === request) ?? [];
    const before = location.search;
    params.set(writtenDefinition({ ...definition, name: same ?? "" }));
    if (location.search === before) {
      void load(); // sent again as it was: counted again
    }
  }

  // What is being composed stays as it is until another funnel is asked for.
  function compose(definition) {
    const shown = definition && definition.steps.length > 0 ? definition : suggestion();
    const text = JSON.stringify(shown);
    if (text !== composed) {
      composed = text;
      form.show(shown);
    }
  }

  function suggestion() {
    const final = planned.find((name) => plan.events[name].final);
    const steps_ = [...(plan?.values?.ladder ?? []), ...(final ? [final] : [])];
    return definitionOf({ steps: steps_.length > 1 ? steps_ : [] });
  }

  function reveal(focus) {
    details.open = true;
    if (focus) {
      details.scrollIntoView({ block: "nearest" });
      details.querySelector("input")?.focus();
    }
  }

  function told(found) {
    notes.replaceChildren();
    result.replaceChildren();
    stamp.replaceChildren(...(found.field === "as_of" ? [unfix()] : []));
    if (bar.tell(found)) {
      return;
    }
    const mine = details.contains(document.activeElement);
    reveal(false);
    if (!form.tell(found, mine)) {
      result.replaceChildren(h("div", { class: "problem", role: "alert" }, h("p", { class: "problem-remedy" }, found.says), h("p", { class: "problem-detail", lang: "en" }, found.detail)));
    }
  }

  function introduction(definition) {
    if (definition?.name && definition.steps.length === 0) {
      return [note("bad", t("funnel.unknown_funnel", { name: definition.name }))];
    }
    if (definition === null) {
      const key = planned.length + seen.length === 0 ? "no_events" : plan ? "no_funnels" : "no_plan";
      return [note("", t(`funnel.${key}`)), ...(suggestion().steps.length > 0 ? [h("p", { class: "hint" }, t("funnel.suggested"))] : [])];
    }
    const names = [...new Set(definition.steps.map((step) => step.event))].filter((name) => name !== "*" && name !== "");
    const never = names.filter((name) => known.health.never_seen.includes(name));
    const unknown = names.filter((name) => !planned.includes(name) && !seen.includes(name));
    return [
      ...(never.length > 0 ? [note("warn", t("funnel.never", { names: never.join(", ") }))] : []),
      ...(unknown.length > 0 ? [note("warn", t("funnel.unknown", { names: unknown.join(", ") }))] : []),
    ];
  }

  function stamped(answer, question) {
    const fixed = question.as_of !== "";
    said.textContent = "";
    const parts = [
      h("span", {}, t("funnel.interval", { from: when(answer.from), to: when(answer.to) })),
      fixed ? h("strong", {}, t("funnel.fixed", { at: when(answer.as_of, { seconds: true }) })) : null,
      fixed ? unfix() : h("button", { type: "button", class: "plain", onclick: load }, t("funnel.recount")),
      fixed ? null : link({ as_of: answer.as_of }, t("funnel.fix")),
      navigator.clipboard ? h("button", { type: "button", class: "plain", onclick: copy }, t("funnel.copy")) : null,
      said,
    ];
    const held = stamp.contains(document.activeElement);
    stamp.replaceChildren(...parts.filter(Boolean));
    if (held) {
      stamp.querySelector("button, a")?.focus();
    }
  }

  function unfix() {
    return link({ as_of: null }, t("funnel.unfix"));
  }

  function link(values, words) {
    const follow = (event) => {
      event.preventDefault();
      params.set(values);
    };
    return h("a", { href: params.link(values), onclick: follow }, words);
  }

  async function copy() {
    await navigator.clipboard.writeText(location.href);
    said.textContent = t("funnel.copied");
  }

  function empty(question) {
    const longest = [...windows].sort((one, other) => lengthOf(other) - lengthOf(one))[0];
    const longer = lengthOf(longest) > (lengthOf(question.window) ?? 0) ? longest : null;
    return panel(
      t("funnel.steps"),
      h("p", { class: "empty" }, t("funnel.nobody")),
      longer && h("p", { class: "empty" }, h("button", { type: "button", onclick: () => params.set({ window: longer }) }, t("funnel.nobody_longer", { length: windowName(longer) }))),
    );
  }
}

function aboutField(error) {
  const found = fieldOf(error);
  if (found === null) {
    throw error;
  }
  return found;
}

function note(kind, text) {
  return h("p", { class: `note-box ${kind}`.trim() }, text);
}

// Sources that the plan breaks down by, and fields that many shops send.
function conditionFields(plan) {
  const sources = [...new Set(fieldsOf(plan).flatMap((keys) => keys.split(",")))];
  return [...sources.map((key) => `source.${key}`), "properties.sku"];
}
