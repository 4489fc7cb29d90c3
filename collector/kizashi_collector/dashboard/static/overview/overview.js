/** The overview: what a window brought and will bring, beside the window before, and row by row. */

import { busy, choice, downloadPages, every, get, getPages, h, number, panel, params, start, t, when } from "../core/core.js";
import { fieldName, windowName } from "../core/names.js";
import { comparedFigures } from "./figures.js";
import { readiness } from "./readiness.js";
import { rowsTable } from "./rows.js";
import "./words.js";
import { lengthOf, WEEK } from "../core/recording.js";

const SECONDS = 15;
const WINDOWS = ["1h", "24h", "7d", "28d"];
const FIELDS = /^[a-z][a-z0-9_]*(,[a-z][a-z0-9_]*)*$/;
const LEAST_EVIDENCE = 15;
// An answer of several pages is some 5 MB a page: no more of them, and not every quarter of a minute.
const MOST_PAGES = 4;
const PAGED_EVERY = 120_000;

void start(overview);

async function overview() {
  let described = await get("/v1/plan");
  let shown = null; // {answer, at, asked, pages}
  let asking = new AbortController();
  let wanted = ""; // the key of what was asked for last, answered or not
  let form = null; // the table, and what it was made for

  const controls = h("div", { class: "controls" });
  const freshness = h("p", { class: "small muted" });
  const figures = comparedFigures();
  const bidding = readiness();
  const rows = h("div");
  const content = h("div", { class: "stack overview" }, freshness, ...figures.elements, bidding, rows);
  bidding.hidden = true;
  drawControls();
  params.onchange(() => {
    drawControls();
    if (question().key !== wanted) {
      load();
    }
  });
  load();
  every(SECONDS, refresh);
  return [h("div", { class: "page-head" }, h("h1", {}, t("overview.title")), controls), content];

  function question() {
    const plan = described.plan;
    const windows = plan?.windows ?? WINDOWS;
    const window = params.get("window", windows.includes("7d") ? "7d" : windows.at(-1));
    const by = params.get("by", (plan?.summaries?.[0] ?? ["campaign"]).join(","));
    const length = lengthOf(window) ?? 0;
    const week = params.get("versus") === "week" && length < WEEK;
    const learned = learnedWithTotal(plan?.summaries ?? [], by.split(",")) ? "" : by;
    const path = `/v1/summary?window=${encodeURIComponent(window)}&by=${encodeURIComponent(by)}`;
    return { window, windows, by, length, shift: week ? WEEK : length, week, learned, path, key: `${path} ${week}` };
  }

  function drawControls() {
    const { window, windows, by, length, week } = question();
    const breakdowns = (described.plan?.summaries ?? [["campaign"]]).map((fields) => fields.join(","));
    const pick = (name) => (value) => params.set({ [name]: value });
    const options = (values, word) => values.map((value) => ({ value, label: word(value) }));
    const made = [
      choice({ label: t("overview.window"), options: options(withOwn(windows, window, lengthOf(window) !== null), windowName), value: window, onchange: pick("window") }),
      choice({ label: t("overview.by"), options: options(withOwn(breakdowns, by, FIELDS.test(by)), fieldNames), value: by, onchange: pick("by") }),
      length > 0 && length < WEEK && choice({
        label: t("overview.versus"),
        options: options(["before", "week"], (value) => t(`overview.versus_${value}`)),
        value: week ? "week" : "before",
        onchange: (value) => params.set({ versus: value === "week" ? "week" : null }),
      }),
    ].filter(Boolean);
    // A choice whose options stay is left alone, so that the one with the focus keeps it.
    const signature = (element) => [...element.querySelectorAll("legend, label")].map((one) => one.textContent).join("|");
    made.forEach((element, at) => {
      const old = controls.children[at];
      if (old && signature(old) === signature(element)) {
        old.show(element.querySelector(":checked")?.value);
      } else if (old) {
        old.replaceWith(element);
      } else {
        controls.append(element);
      }
    });
    while (controls.children.length > made.length) {
      controls.lastElementChild.remove();
    }
  }

  async function load() {
    asking.abort();
    asking = new AbortController();
    const asked = question();
    wanted = asked.key;
    await busy(content, ask(asked, asking.signal).then(draw));
  }

  async function refresh() {
    if (content.hasAttribute("aria-busy") || (shown?.pages > 1 && performance.now() - shown.at < PAGED_EVERY)) {
      return;
    }
    const { signal } = asking;
    try {
      const found = await ask(question(), signal);
      if (!signal.aborted) {
        draw(found);
        busy(content, Promise.resolve());
      }
    } catch (error) {
      if (!signal.aborted) {
        busy(content, Promise.reject(error)); // what was counted before stays, under what went wrong
      }
    }
  }

  async function ask(asked, signal) {
    const first = await get(asked.path, { signal });
    if (first.plan !== described.id || (first.rows.length === 0 && nothingEver())) {
      const was = JSON.stringify(described);
      described = await get("/v1/plan", { signal });
      if (JSON.stringify(described) !== was) {
        form = null; // which also says that nothing drawn before is the same
        drawControls();
      }
    }
    const all = first === shown?.first ? shown.answer : first;
    let pages = 1;
    if (all === first && first.next_cursor) {
      const more = { ...first, rows: [...first.rows] };
      while (more.next_cursor && pages < MOST_PAGES) {
        const next = await get(`${asked.path}&cursor=${encodeURIComponent(more.next_cursor)}`, { signal });
        more.rows.push(...next.rows);
        more.next_cursor = next.next_cursor;
        more.reasons = { ...more.reasons, ...next.reasons };
        pages += 1;
      }
      return { asked, first, answer: more, pages, at: performance.now() };
    }
    return { asked, first, answer: all, pages: all === first ? 1 : shown.pages, at: performance.now() };
  }

  function draw(found) {
    if (found.asked.key !== question().key) {
      return; // an answer to what nobody asks any more
    }
    const same = shown !== null && shown.answer === found.answer && shown.asked.key === found.asked.key && form !== null;
    const counted = same ? shown.counted : performance.now();
    shown = { ...found, counted };
    drawFreshness(same);
    if (!same) {
      drawRows();
    }
    const { plan } = described;
    const { signal } = asking;
    const empty = shown.answer.rows.length === 0 && nothingEver();
    figures.show({ ...shown, plan, finals: finalNames(), empty, same, signal }).catch((error) => busy(content, Promise.reject(error)));
  }

  function drawFreshness(same) {
    const { answer, counted, at } = shown;
    const checked = Date.parse(answer.as_of) + (at - counted);
    const parts = [t("overview.counted", { as_of: when(answer.as_of, { seconds: true }) })];
    if (same) {
      parts.push(t("overview.unchanged", { checked: when(checked, { seconds: true }) }));
    }
    const until = answer.complete_until;
    if (until !== null) {
      parts.push(t("overview.complete", { until: when(until, { seconds: true }) }));
    } else if (!nothingEver()) {
      parts.push(t("overview.never_complete"));
    }
    if (answer.late_events_applied > 0) {
      parts.push(t("overview.late", { n: number(answer.late_events_applied) }));
    }
    if (answer.next_cursor) {
      parts.push(t("overview.partial", { n: number(answer.rows.length) }));
    }
    freshness.textContent = parts.join(t("overview.space"));
  }

  function drawRows() {
    const { answer, asked } = shown;
    const finals = finalNames();
    const key = JSON.stringify([asked.by, asked.window, answer.plan]);
    if (answer.rows.length === 0) {
      form = { key };
      rows.replaceChildren(nothing());
    } else {
      if (form?.table === undefined || form.key !== key) {
        const least = described.plan?.values?.min_effective_conversions ?? LEAST_EVIDENCE;
        const file = t("overview.file", { window: asked.window });
        form = { key, table: rowsTable({ by: asked.by.split(","), finals, least, file, onreason: bidding.point }) };
        const { path, window } = asked;
        const take = async () => downloadPages(`kizashi-${window}`, await getPages(`${path}&format=csv`));
        const all = h("button", { type: "button", class: "overview-all", onclick: () => busy(whole, take()) }, t("overview.all_csv"));
        const whole = panel(t("overview.rows", { fields: fieldNames(asked.by) }), form.table, h("p", {}, all));
        rows.replaceChildren(whole);
      }
      form.table.show(answer);
    }
    // A first event comes before a first plan; later, why nothing may be bid on comes before the rows.
    const [upper, lower] = answer.rows.length === 0 ? [rows, bidding] : [bidding, rows];
    if (upper.nextElementSibling !== lower) {
      upper.after(lower);
    }
    bidding.hidden = answer.rows.length === 0 && answer.total.reason !== "no_plan";
    bidding.show(answer);
  }

  function nothing() {
    const word = nothingEver() ? "first" : "empty";
    const what = word === "empty" && described.plan === null ? "empty_any" : `${word}_what`;
    return panel(
      t(`overview.${word}`),
      h("p", {}, t(`overview.${what}`)),
      word === "first" && h("pre", { tabindex: 0 }, h("code", {}, firstEvent(location.origin))),
      h("p", {}, h("a", { href: "/live" }, t("overview.page_live"))),
    );
  }

  // The plan's health has every name that was ever stored, planned or not.
  function nothingEver() {
    const { plan, health } = described;
    return health.unplanned.length === 0 && Object.keys(plan?.events ?? {}).length === health.never_seen.length;
  }

  function finalNames() {
    return Object.entries(described.plan?.events ?? {})
      .filter(([, event]) => event.final)
      .map(([name]) => name);
  }
}

function firstEvent(endpoint) {
  return `import kizashi

kizashi.configure(endpoint="${endpoint}", key="kz_write_…")
kizashi.track("mv_visit", actor="v-1", source={"campaign": "brand"})
kizashi.flush()`;
}

// What the address asks for beside what the plan names.
function withOwn(known, own, fits) {
  return known.includes(own) || !fits ? known : [...known, own];
}

// Values are learned for the widest breakdowns of the plan. A bare total takes those of the first one, and so does
// whatever is broken down by some of its fields.
function learnedWithTotal(summaries, fields) {
  const isWithin = (some, others) => some.every((field) => others.includes(field));
  const widest = summaries.find((one) => !summaries.some((other) => other.length > one.length && isWithin(one, other)));
  return isWithin(fields, widest ?? []);
}

function fieldNames(by) {
  return by.split(",").map(fieldName).join(" × ");
}
