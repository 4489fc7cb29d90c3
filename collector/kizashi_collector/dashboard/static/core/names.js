/** What windows and source fields are called, on every page alike. */

import { lang, say, t } from "./words.js";

say({
  en: {
    "names.campaign": "Campaign",
    "names.campaign_id": "Campaign ID",
    "names.ad_group": "Ad group",
    "names.keyword": "Keyword",
    "names.creative": "Creative",
    "names.channel": "Channel",
    "names.device": "Device",
  },
  ja: {
    "names.campaign": "キャンペーン",
    "names.campaign_id": "キャンペーンID",
    "names.ad_group": "広告グループ",
    "names.keyword": "キーワード",
    "names.creative": "クリエイティブ",
    "names.channel": "チャネル",
    "names.device": "デバイス",
  },
});

const FIELDS = new Set(["campaign", "campaign_id", "ad_group", "keyword", "creative", "channel", "device"]);
const JAPANESE_UNITS = { s: "秒間", m: "分間", h: "時間", d: "日間", w: "週間" };
const UNITS = { s: "second", m: "minute", h: "hour", d: "day", w: "week" };

/**
 * What a source field is called; one that a site has of its own, as it is.
 * @param {string} field
 * @returns {string}
 */
export function fieldName(field) {
  return FIELDS.has(field) ? t(`names.${field}`) : field;
}

/**
 * The length of a window in words: `7d` is 7 days.
 * @param {string} text
 * @returns {string} the text itself where it is no window
 */
export function windowName(text) {
  const [, count, unit] = /^(\d{1,9})([smhdw])$/.exec(text) ?? [];
  if (count === undefined) {
    return text;
  }
  if (lang === "ja") {
    return `${Number(count)}${JAPANESE_UNITS[unit]}`;
  }
  return new Intl.NumberFormat(lang, { style: "unit", unit: UNITS[unit], unitDisplay: "long" }).format(Number(count));
}
