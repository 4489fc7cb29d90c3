/** Whether what arrives is what the plan expects: broken tracking, planned but never seen, seen but not planned. */

import { busy, get, h, number, panel, t, table, when } from "../core/core.js";
import { told } from "../core/sentences.js";

const NAMED = 20;
// Breaks are looked for up to what has arrived, unless that is longer ago.
const LOOKED_FOR_MS = 23 * 3_600_000;

/**
 * @returns {{element: HTMLElement, alarm: HTMLElement, show: () => Promise<void>}} `alarm` belongs at the top of the page:
 *   there is something in it only while tracking is broken
 */
export function healthPanel() {
  const blocking = box("bad", "alert", "live.break_blocking");
  const beside = box("warn", "status", "live.break_beside");
  const alarm = h("div", { class: "stack", hidden: true }, blocking.element, beside.element);
  const content = h("div", { class: "stack" });
  const element = panel(t("live.health"), content);
  let drawn = "";
  const unplanned = table({
    caption: t("live.unplanned"),
    columns: [
      { key: "name", head: t("live.unplanned_col.name"), cell: (row) => row.name, sort: (row) => row.name },
      {
        key: "count",
        head: t("live.unplanned_col.count"),
        cell: (row) => number(row.count),
        sort: (row) => row.count,
        numeric: true,
        csv: (row) => row.count,
      },
      {
        key: "last",
        head: t("live.unplanned_col.last"),
        cell: (row) => when(row.last_seen),
        sort: (row) => row.last_seen,
        csv: (row) => row.last_seen,
      },
    ],
    rows: [],
    csv: "kizashi-unplanned",
    filter: (row) => row.name,
    sort: { key: "count", down: true },
    state: "unplanned_",
  });

  async function show() {
    const found = await busy(element, ask());
    if (found === undefined) {
      return;
    }
    const { described, summary } = found;
    unplanned.update(described.health.unplanned);
    const { breaks } = described.health;
    blocking.show((breaks ?? []).filter((one) => one.blocks_bids));
    beside.show((breaks ?? []).filter((one) => !one.blocks_bids));
    alarm.hidden = !breaks?.length;
    const tracking = summary && stateOf(breaks, summary);
    const next = JSON.stringify([described, tracking]);
    if (next !== drawn) {
      drawn = next;
      content.replaceChildren(...h("div", null, parts(described, tracking)).childNodes);
    }
  }

  function parts({ plan, warnings, health }, tracking) {
    return [
      !plan && [
        h("p", {}, t("live.no_plan")),
        h("pre", {}, h("code", {}, "kizashi plan apply plan.toml --endpoint …")),
      ],
      tracking && tracked(tracking),
      plan && never(health.never_seen, plan),
      (plan || health.unplanned.length > 0) && [
        h("h3", {}, t("live.unplanned"), " ", counted(health.unplanned.length, plan && "warn")),
      ],
      plan && health.unplanned.length === 0 && h("p", { class: "muted" }, t("live.unplanned_none")),
      health.unplanned.length > 0 && [
        h("p", { class: "hint" }, t("live.unplanned_fix"), " ", h("code", {}, `[events.${health.unplanned[0].name}]`)),
        unplanned,
      ],
      warnings.length > 0 && [
        h("h3", {}, t("live.warnings")),
        h(
          "ul",
          { lang: "en", class: "plain stack" },
          warnings.map((warning) => h("li", { class: "note-box warn" }, warning)),
        ),
      ],
    ];
  }

  return { element, alarm, show };
}

async function ask() {
  const described = await get("/v1/plan");
  const windows = described.plan?.windows ?? [];
  const chosen = ["7d", "24h"].find((one) => windows.includes(one)) ?? windows.at(-1) ?? "7d";
  return { described, summary: described.plan ? await get(`/v1/summary?window=${encodeURIComponent(chosen)}`) : null };
}

/** A box for breaks of one kind; it is seen while there are any, and rewritten when it says something else. */
function box(tone, role, key) {
  const list = h("ul", { class: "plain stack" });
  const element = h(
    "div",
    { class: `note-box ${tone} stack`, role, hidden: true },
    h("h2", {}, t(key)),
    h("p", {}, t(`${key}_what`)),
    list,
  );
  let said = "";
  return { element, show };

  function show(breaks) {
    const sentences = breaks.map(({ event, kind, seen, expected, since }) => {
      const about = number(expected < 10 ? expected : Math.round(expected));
      return t(`live.break.${kind}`, { event, seen: number(seen), expected: about, since: when(since) });
    });
    if (sentences.join("\n") !== said) {
      said = sentences.join("\n");
      list.replaceChildren(...sentences.map((sentence) => h("li", {}, sentence)));
      element.hidden = sentences.length === 0;
    }
  }
}

/** What there is to tell of the tracking beside breaks: the tone, the word for it, and a sentence of the collector's. */
function stateOf(breaks, { total, reasons, as_of: asOf, complete_until: until }) {
  if (until === null) {
    return ["", "tracking_nothing"];
  }
  if (total.reason === "incomplete" || Date.parse(asOf) - Date.parse(until) > LOOKED_FOR_MS) {
    return ["warn", "tracking_incomplete", reasons?.incomplete];
  }
  if (breaks === null) {
    return ["", "break_unknown"];
  }
  return breaks.length === 0 ? ["good", "break_none"] : null;
}

function tracked([tone, key, sentence]) {
  const words = told(sentence ?? "");
  return [
    h("h3", {}, t("live.tracking")),
    h("p", { class: `note-box ${tone}` }, t(`live.${key}`)),
    words.text && h("p", { class: "hint", lang: words.lang }, words.text),
  ];
}

function never(names, plan) {
  return [
    h("h3", {}, t("live.never"), " ", counted(names.length, "warn")),
    names.length === 0 && h("p", { class: "muted" }, t("live.never_none")),
    names.length > 0 && [
      h("p", { class: "hint" }, t("live.never_fix")),
      missing(names.slice(0, NAMED), plan),
      names.length > NAMED &&
        h(
          "details",
          {},
          h("summary", {}, t("live.more", { n: number(names.length - NAMED) })),
          missing(names.slice(NAMED), plan),
        ),
    ],
  ];
}

function missing(names, plan) {
  return h(
    "ul",
    { class: "plain" },
    names.map((name) => {
      const { owner, description } = plan.events?.[name] ?? {};
      return h(
        "li",
        {},
        h("code", { class: "names" }, name),
        owner && h("span", { class: "muted" }, ` ${owner}`),
        description && h("div", { class: "small muted" }, description),
      );
    }),
  );
}

function counted(count, tone) {
  return count > 0 && h("span", { class: `badge ${tone || ""}` }, number(count));
}
