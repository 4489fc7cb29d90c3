/** Whether what arrives is what the plan expects: broken tracking, planned but never seen, seen but not planned. */

import { busy, get, h, number, panel, t, table, when } from "./core.js";

const NAMED = 20;
const SINCE = "(?<since>\\d{4}-\\d\\d-\\d\\d \\d\\d:\\d\\d) UTC";
const STOPPED = new RegExp(
  `No (?<event>\\S+) has come in since ${SINCE} \\([^)]*\\); about (?<expected>[\\d.,]+) were expected in it\\.[^.]*\\.`,
  "g",
);
const SWUNG = new RegExp(
  `(?<event>\\S+) (?<kind>fell|jumped): (?<seen>[\\d.,]+) in 24 hours where about (?<expected>[\\d.,]+) were expected, since about ${SINCE}\\.[^.]*\\.`,
  "g",
);

/**
 * The breaks that a summary's sentence tells, each in the reader's language; null where it is not understood.
 * @param {string} sentence
 * @returns {string[] | null}
 */
export function breaksOf(sentence) {
  const found = [];
  const rest = sentence
    .replace(STOPPED, (...match) => told("stopped", match.at(-1)))
    .replace(SWUNG, (...match) => told(match.at(-1).kind, match.at(-1)));
  return rest.trim() === "" && found.length > 0 ? found : null;

  function told(kind, { event, seen = "", expected, since }) {
    found.push(t(`live.break.${kind}`, { event, seen, expected, since: when(`${since.replace(" ", "T")}Z`) }));
    return "";
  }
}

/**
 * @returns {{element: HTMLElement, alarm: HTMLElement, show: () => Promise<void>}} `alarm` belongs at the top of the page:
 *   it is seen only while tracking is broken
 */
export function healthPanel() {
  const alarm = h("div", { class: "note-box bad stack", role: "alert", hidden: true });
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
    const tracking = summary && [reasonOf(summary), summary.reasons?.[summary.total.reason]];
    const next = JSON.stringify([described, tracking]);
    if (next !== drawn) {
      drawn = next;
      content.replaceChildren(...h("div", null, parts(described, tracking)).childNodes);
      alarm.hidden = tracking?.[0] !== "tracking_break";
      alarm.replaceChildren(...(alarm.hidden ? [] : broken(tracking)));
    }
  }

  function parts({ plan, warnings, health }, tracking) {
    return [
      !plan && [
        h("p", {}, t("live.no_plan")),
        h("pre", {}, h("code", {}, "kizashi plan apply plan.toml --endpoint …")),
      ],
      plan && tracking[0] !== "tracking_break" && [h("h3", {}, t("live.tracking")), ...tracked(tracking)],
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

function reasonOf({ total, complete_until: until }) {
  return total.reason === "incomplete" && until === null ? "nothing" : total.reason;
}

function broken([, sentence = ""]) {
  const breaks = breaksOf(sentence);
  return [
    h("h2", {}, t("live.tracking")),
    h("p", {}, t("live.tracking_break")),
    breaks
      ? h(
          "ul",
          { class: "plain stack" },
          breaks.map((text) => h("li", {}, text)),
        )
      : h("p", { lang: "en" }, sentence),
  ];
}

// What is judged after the tracking (miscalibrated, thin) says that the tracking is well.
function tracked([reason, sentence]) {
  const tone = { no_plan: "", nothing: "", recomputing: "", incomplete: "warn" }[reason];
  return [
    h("p", { class: `note-box ${tone ?? "good"}` }, t(`live.tracking_${tone === undefined ? "good" : reason}`)),
    ["recomputing", "incomplete"].includes(reason) && sentence && h("p", { class: "hint", lang: "en" }, sentence),
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
