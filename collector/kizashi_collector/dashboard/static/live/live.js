/** Events as they arrive, what was rejected and why, and whether what arrives is what the plan expects. */

import { busy, choice, every, get, h, number, panel, params, say, start, t, when } from "../core/core.js";
import { healthPanel } from "./health.js";
import { list } from "./list.js";
import { lastMinute } from "./minute.js";
import { rejectedPanel } from "./rejected.js";
import { follow } from "./stream.js";
import { words } from "./words.js";

say(words);

const LOADED = 100;
const HELD = 1_000;
const DRAW_MS = 250;
const ANNOUNCE_S = 15;
const HEALTH_S = 30;
const REJECTED_AFTER_MS = 3_000;
const MINUTE_MS = 60_000;
const VERDICTS = ["all", "accepted", "duplicate", "rejected"];

start(() => {
  const opened = Date.now();
  const counts = { accepted: 0, duplicate: 0, rejected: 0 };
  const recent = lastMinute();
  let wholeFrom = 0; // until then, more may have come in the last minute than was asked for
  const spoken = { n: 0, rejected: 0 };
  /** @type {import("../list.js").Item[]} */
  let waiting = [];
  let held = 0;
  let leftOut = 0;
  let paused = false;
  let due = 0;
  let rejectedDue = 0;
  let connection = t("live.connecting");

  const events = list(fitting());
  const health = healthPanel();
  const rejected = rejectedPanel();

  const dot = h("span", { class: "live-dot paused", "aria-hidden": "true" });
  const state = h("span", { role: "status" }, connection);
  const more = h("span", { class: "badge info", hidden: true });
  const pause = h("button", { type: "button", onclick: toggle }, t("live.pause"));
  const filter = h("input", {
    type: "search",
    id: "live-filter",
    value: params.get("q"),
    autocomplete: "off",
    spellcheck: "false",
    oninput: narrowed,
  });
  const show = choice({
    label: t("live.show"),
    options: VERDICTS.map((value) => ({ value, label: t(`live.${value}`) })),
    value: shownVerdict(),
    onchange: (value) => params.set({ show: value === "all" ? null : value }),
  });
  const lost = h("p", { class: "hint", hidden: true });
  const announced = h("p", { class: "unseen", role: "status" });
  const tiles = Object.fromEntries(
    ["per_minute", "accepted", "duplicate", "rejected"].map((key) => [key, h("dd", { class: "figure" }, number(0))]),
  );
  const least = h("dd", { class: "note" });
  const stream = panel(
    t("live.stream"),
    h(
      "div",
      { class: "controls" },
      h("div", { class: "field" }, h("label", { for: "live-filter" }, t("live.filter")), filter),
      show,
      pause,
      more,
    ),
    h("p", { class: "hint" }, t("live.kept")),
    lost,
    events.element,
  );

  params.onchange(() => {
    show.show(shownVerdict());
    if (filter.value !== params.get("q")) {
      filter.value = params.get("q");
    }
    events.filter(fitting());
  });
  follow({ batch, state: told, opened: load });
  health.show();
  rejected.show();
  every(HEALTH_S, () => Promise.all([health.show(), rejected.show()]));
  every(ANNOUNCE_S, announce);
  every(5, figures); // what is older than a minute leaves the figure, also when nothing comes

  return [
    h(
      "div",
      { class: "page-head" },
      h("div", {}, h("h1", {}, t("live.title")), h("p", { class: "lead" }, t("live.lede"))),
      h("p", { class: "live-state" }, dot, " ", state),
    ),
    h(
      "dl",
      { class: "tiles" },
      Object.entries(tiles).map(([key, figure]) =>
        h(
          "div",
          { class: "tile" },
          h("dt", {}, t(`live.${key}`)),
          figure,
          key === "per_minute" ? least : h("dd", { class: "note" }, t("live.since", { when: when(opened) })),
        ),
      ),
    ),
    announced,
    health.alarm,
    stream,
    h("div", { class: "grid" }, rejected.element, health.element),
  ];

  function told(name, seconds = 0) {
    connection = t(`live.${name}`, { n: seconds });
    dot.classList.toggle("paused", name !== "connected" || paused);
    state.textContent = paused && name === "connected" ? t("live.paused") : connection;
    stream.toggleAttribute("data-offline", name !== "connected");
  }

  async function load() {
    const found = await busy(
      stream,
      Promise.all([get(`/v1/events?limit=${LOADED}`), get(`/v1/rejected?limit=${LOADED}`)]),
    );
    if (found !== undefined) {
      const [stored, refused] = found;
      const items = [...stored.events.map(ofStored), ...refused.rejected.map(ofRejected)];
      recent.fetched(items);
      if (stored.events.length === LOADED) {
        wholeFrom = MINUTE_MS + Math.min(opened, ...stored.events.map((event) => Date.parse(event.received_at)));
      }
      arrive(items);
      clearTimeout(due);
      draw();
    }
  }

  function batch({ at, events: some, left_out: left = 0 }) {
    for (const event of some) {
      counts[event.verdict] += 1;
    }
    const wrong = some.filter((event) => event.verdict === "rejected").length;
    const items = some.map((event) => ofLive(event, at));
    recent.live(items, left);
    spoken.n += some.length + left;
    spoken.rejected += wrong;
    leftOut += left;
    if (wrong > 0 && rejectedDue === 0) {
      rejectedDue = setTimeout(() => {
        rejectedDue = 0;
        rejected.show();
      }, REJECTED_AFTER_MS);
    }
    arrive(items);
  }

  function arrive(items) {
    held += paused ? items.length : 0;
    waiting = [...items, ...waiting].slice(0, HELD);
    due ||= setTimeout(draw, DRAW_MS);
  }

  function draw() {
    due = 0;
    figures();
    if (!paused) {
      events.add(waiting);
      waiting = [];
    }
    more.hidden = !paused || held === 0;
    more.textContent = held === 1 ? t("live.held_one") : t("live.held", { n: number(held) });
  }

  function figures() {
    write(tiles.per_minute, number(recent.count()));
    write(least, Date.now() < wholeFrom ? t("live.at_least") : "");
    for (const [verdict, count] of Object.entries(counts)) {
      write(tiles[verdict], number(count));
    }
    lost.hidden = leftOut === 0;
    write(lost, t("live.left_out", { n: number(leftOut) }));
  }

  function toggle() {
    paused = !paused;
    pause.textContent = t(paused ? "live.resume" : "live.pause");
    pause.classList.toggle("primary", paused);
    held = 0;
    const connected = !stream.hasAttribute("data-offline");
    state.textContent = paused && connected ? t("live.paused") : connection;
    dot.classList.toggle("paused", paused || !connected);
    draw();
  }

  function narrowed() {
    params.set({ q: filter.value }, { replace: true });
  }

  function announce() {
    if (spoken.n > 0 && !paused) {
      announced.textContent = t("live.announce", {
        seconds: ANNOUNCE_S,
        n: number(spoken.n),
        rejected: number(spoken.rejected),
      });
    }
    Object.assign(spoken, { n: 0, rejected: 0 });
  }
});

function shownVerdict() {
  const asked = params.get("show", "all");
  return VERDICTS.includes(asked) ? asked : "all";
}

function fitting() {
  const verdict = shownVerdict();
  const wanted = plain(params.get("q")).split(/\s+/).filter(Boolean);
  return (item) => {
    if (verdict !== "all" && item.verdict !== verdict) {
      return false;
    }
    const text =
      wanted.length > 0 ? plain([item.name, item.actor, item.code, ...Object.values(item.source)].join(" ")) : "";
    return wanted.every((word) => text.includes(word));
  };
}

function plain(text) {
  return String(text ?? "")
    .normalize("NFKC")
    .toLowerCase();
}

function write(element, text) {
  if (element.textContent !== text) {
    element.textContent = text;
  }
}

// -- three ways in which an event is told ---------------------------------------------------------------------------

let serial = 0;

function item(event, at, verdict, code, message) {
  // An id is taken once; what is refused or sent again may come any number of times, and is told once here and there.
  const key =
    verdict === "accepted"
      ? `+${event.id}`
      : verdict === "rejected" && event.id
        ? `-${event.id} ${code} ${at}`
        : `#${(serial += 1)}`;
  const { id = null, name = null, actor = null, value = null, currency = null, source = {} } = event;
  return { key, at, id, name, actor, value, currency, source: source ?? {}, verdict, code, message };
}

function ofLive(event, at) {
  return item(event, at, event.verdict, event.code, event.message);
}

function ofStored(event) {
  return item(event, Date.parse(event.received_at), "accepted", null, null);
}

// What was refused is as it was sent: of any type.
function ofRejected({ received_at: received, id, code, message, event }) {
  const sent = event !== null && typeof event === "object" && !Array.isArray(event) ? event : {};
  const text = (value) => (typeof value === "string" ? value : null);
  const fields = sent.source !== null && typeof sent.source === "object" ? Object.entries(sent.source) : [];
  const shown = {
    id,
    name: text(sent.name),
    actor: text(sent.actor),
    value: ["string", "number"].includes(typeof sent.value) && !Number.isNaN(Number(sent.value)) ? sent.value : null,
    currency: text(sent.currency),
    source: Object.fromEntries(fields.filter(([, value]) => typeof value === "string")),
  };
  return item(shown, Date.parse(received), "rejected", code, message);
}
