/** The choices above the funnel, all of which stand in the address. */

import { h, params, t } from "../core/core.js";
import { fieldName, windowName } from "../core/names.js";
import { errorPlace, showError, textField } from "./field.js";
import { writtenDefinition } from "./state.js";
import { stepWords } from "./phrases.js";

const OTHER = "…";
let made = 0;

/**
 * The choices of funnel, window, breakdown and attribution.
 * @param {{plan: any, oncompose: () => void}} of
 * @returns {{element: HTMLElement, show(definition: any, question: any): void, tell(found: any): boolean}}
 */
export function controls({ plan, oncompose }) {
  const funnels = Object.keys(plan?.funnels ?? {});
  const windows = windowsOf(plan);
  const fields = fieldsOf(plan);
  const funnel = options("funnel", (value) => {
    if (value === OTHER) {
      oncompose();
    } else {
      params.set(writtenDefinition({ name: value }));
    }
  });
  const window_ = options("window", (value) => params.set({ window: value }), true);
  const by = options("by", (value) => params.set({ by: value.replaceAll(" ", ""), ...(value === "" ? { attribution: null } : {}) }), true);
  const attribution = options("attribution", (value) => params.set({ attribution: value }));
  const element = h("div", { class: "controls" }, funnel.element, window_.element, by.element, attribution.element);
  return { element, show, tell };

  function show(definition, question) {
    const mine = definition && !definition.name;
    funnel.show([...funnels.map((name) => [name, name]), ...(mine ? [["", t("funnel.composed")]] : []), ...(funnels.length > 0 ? [[OTHER, `${t("funnel.compose")}…`]] : [])], definition?.name ?? "");
    funnel.element.hidden = funnels.length === 0;
    window_.show(windows.map((one) => [one, t("funnel.window_last", { length: windowName(one) })]), question.window);
    by.show([["", t("funnel.by_none")], ...fields.map((one) => [one, one.split(",").map(fieldName).join(" × ")])], question.by.join(","));
    attribution.element.hidden = question.by.length === 0;
    const steps = (definition?.steps ?? []).map((step, at) => [`step:${at}`, t("funnel.attribution_step", { n: at + 1, event: stepWords(step) })]);
    attribution.show([...["first", "last", "all"].map((one) => [one, t(`funnel.attribution_${one}`)]), ...steps], question.attribution);
  }

  function tell(found) {
    let told = false;
    for (const [name, one] of Object.entries({ window: window_, by, attribution })) {
      one.tell(found?.field === name ? found : null);
      told ||= found?.field === name;
    }
    return told;
  }
}

/** The windows that the plan has, or those that it would have. */
export function windowsOf(plan) {
  return plan?.windows?.length > 0 ? plan.windows : ["1h", "24h", "7d", "28d"];
}

/** The source fields that the plan breaks down by, alone and together. */
export function fieldsOf(plan) {
  const summaries = plan?.summaries ?? [];
  return summaries.length > 0 ? [...new Set([...summaries.map((keys) => keys.join(",")), ...summaries.flat()])] : ["campaign", "channel", "device"];
}

// A choice of some, and with `other` a field for any other.
function options(name, onchoose, other = false) {
  made += 1;
  const id = `choose-${name}-${made}`;
  let value = "";
  const select = h("select", {
    id,
    onchange: () => {
      if (other && select.value === OTHER) {
        open(true);
        field.focus();
        field.select();
      } else {
        const chosen = select.value;
        if (chosen === OTHER) {
          select.value = value;
        }
        onchoose(chosen);
      }
    },
  });
  const send = () => field.value.trim() !== "" && field.value.trim() !== value && onchoose(field.value.trim());
  const field = textField({
    "aria-label": other ? t(`funnel.other_${name}`) : null,
    placeholder: other ? t(`funnel.other_${name}`) : null,
    title: other ? t(`funnel.other_${name}`) : null,
    hidden: true,
    onchange: send,
    onkeydown: (event) => event.key === "Enter" && send(),
  });
  const error = errorPlace();
  const element = h("div", { class: "field funnel-choice" }, h("label", { for: id }, t(name === "funnel" ? "funnel.choose" : `funnel.${name}`)), h("div", { class: "row" }, select, field), error);
  return { element, show, tell };

  function open(opened) {
    field.hidden = !opened;
    if (opened) {
      field.value = value;
    }
  }

  function show(choices, chosen) {
    value = chosen;
    const known = choices.some(([one]) => one === chosen);
    const strange = !known && chosen !== "";
    const all = [...choices, ...(strange && !other ? [[chosen, chosen]] : []), ...(other ? [[OTHER, t("funnel.other")]] : [])];
    select.replaceChildren(...all.map(([one, words]) => h("option", { value: one }, words)));
    select.value = strange && other ? OTHER : chosen;
    open(strange && other);
  }

  function tell(found) {
    showError(error, found, [select, field]);
  }
}
