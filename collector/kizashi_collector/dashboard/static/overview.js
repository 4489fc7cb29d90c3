/** The overview: what a window brought and will bring, beside the window before, and row by row. */

import { busy, choice, every, get, h, number, panel, params, problem, start, t, when } from "./core.js";
import { beyondRetention, compare, isClose, lengthOf, WEEK } from "./overview_comparison.js";
import { readiness } from "./overview_readiness.js";
import { fieldName, rowsTable } from "./overview_rows.js";
import { tiles } from "./overview_tiles.js";
import "./overview_words.js";

const SECONDS = 15;
const WINDOWS = ["1h", "24h", "7d", "28d"];
const FIELDS = /^[a-z][a-z0-9_]*(,[a-z][a-z0-9_]*)*$/;
const LEAST_EVIDENCE = 15;
// An answer of several pages is some 5 MB a page: no more of them, and not every quarter of a minute.
const MOST_PAGES = 4;
const PAGED_EVERY = 120_000;
// What took too long once is not asked again at once.
const TRY_AGAIN = 300_000;

void start(overview);

async function overview() {
  let described = await get("/v1/plan");
  let shown = null; // {answer, at, asked, pages}
  let beside = null; // {key, found} of the window that it is compared with
  let asking = new AbortController();
  let form = null; // the table, and what it was made for

  const controls = h("div", { class: "controls" });
  const freshness = h("p", { class: "small muted" });
  const figures = h("div");
  const comparison = h("div", { class: "small" });
  const bidding = readiness();
  const rows = h("div");
  const content = h("div", { class: "stack overview" }, freshness, figures, comparison, bidding, rows);
  bidding.hidden = true;
  drawControls();
  params.onchange(() => {
    if (question().key !== shown?.asked.key) {
      drawControls();
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
    const path = `/v1/summary?window=${encodeURIComponent(window)}&by=${encodeURIComponent(by)}`;
    return { window, windows, by, length, shift: week ? WEEK : length, week, path, key: `${path} ${week}` };
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
    const found = await busy(content, ask(asked, asking.signal));
    if (found) {
      draw(found);
    }
  }

  async function refresh() {
    if (content.hasAttribute("aria-busy") || (shown?.pages > 1 && performance.now() - shown.at < PAGED_EVERY)) {
      return;
    }
    const { signal } = asking;
    try {
      const found = await ask(question(), signal);
      if (!signal.aborted) {
        busy(content, Promise.resolve());
        draw(found);
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
    const same = shown !== null && shown.answer === found.answer && shown.asked.key === found.asked.key && form !== null;
    const counted = same ? shown.counted : performance.now();
    shown = { ...found, counted };
    drawFreshness(same);
    if (!same) {
      drawRows();
    }
    drawFigures(same);
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
        const all = h("a", { href: `${asked.path}&format=csv`, download: `kizashi-${asked.window}.csv` }, t("overview.all_csv"));
        rows.replaceChildren(panel(t("overview.rows", { fields: fieldNames(asked.by) }), form.table, h("p", {}, all)));
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

  /** The tiles at once, and once more when what they are compared with was counted. */
  async function drawFigures(same) {
    const { answer, asked } = shown;
    const { length, shift } = asked;
    const key = `${asked.window} ${shift} ${answer.plan}`;
    const empty = answer.rows.length === 0 && nothingEver();
    figures.hidden = empty;
    comparison.hidden = empty;
    if (empty) {
      return;
    }
    if (beyondRetention(described.plan, length, shift)) {
      figures.replaceChildren(tiles(answer, finalNames(), null));
      comparison.replaceChildren(h("p", { class: "muted" }, t("overview.compared_retention", { retention: windowName(described.plan.retention) })));
      return;
    }
    if (beside?.key !== key) {
      beside = { key, found: null, failed: null, counting: false };
      comparison.replaceChildren();
    }
    const mine = beside;
    const due = !mine.counting && !isClose(mine.found, answer, length, shift) && !(mine.failed !== null && performance.now() - mine.failed < TRY_AGAIN);
    if (!same || mine.found === null) {
      figures.replaceChildren(tiles(answer, finalNames(), compared(mine, due || mine.counting)));
    }
    if (!due) {
      return;
    }
    mine.counting = true;
    try {
      mine.found = await compare(answer, asked.window, length, shift, asking.signal);
      mine.failed = null;
    } catch (error) {
      mine.failed = error.name === "AbortError" ? null : performance.now();
      if (mine.failed !== null && beside === mine) {
        comparison.replaceChildren(h("p", {}, t("overview.compared_failed")), problem(error));
      }
    }
    mine.counting = false;
    if (beside === mine && shown.asked.key === asked.key) {
      figures.replaceChildren(tiles(shown.answer, finalNames(), compared(mine, false)));
      if (mine.found && mine.failed === null) {
        drawComparison(mine.found, asked);
      }
    }
  }

  function compared({ found }, counting) {
    if (found === null) {
      return counting ? "counting" : null;
    }
    return found.whole && found.then.actors > 0 ? found : null;
  }

  function drawComparison({ from, to, then, whole }, { length, week }) {
    const between = { from: when(from), to: when(to) };
    if (then.actors === 0 || !whole) {
      const why = then.actors === 0 ? "overview.compared_none" : "overview.compared_young";
      comparison.replaceChildren(h("p", { class: "muted" }, t(why, between)));
      return;
    }
    const keys = finalNames().length > 0 ? ["expected", "brought", "counts"] : [];
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

function windowName(text) {
  const [, count, unit] = /^(\d+)([smhdw])$/.exec(text) ?? [];
  if (!count) {
    return text;
  }
  return Number(count) === 1 ? t(`overview.one_${unit}`) : t(`overview.unit_${unit}`, { n: number(Number(count)) });
}

function fieldNames(by) {
  return by.split(",").map(fieldName).join(" × ");
}
