/** Sentences of the collector, in the reader's language. */

import { when } from "./format.js";
import { lang } from "./words.js";

// What the collector says of a reason, as analysis/_readiness writes it: sentences of a few forms.
const FORMS = [
  [
    /No (\S+) has come in since (.+?) \((.+?)\); about (\S+) were expected in it\./g,
    "$1 が $2 以降届いていません（本来なら約$4件）。",
  ],
  [/(\S+) fell: (\S+) in 24 hours where about (\S+) were expected, since about (.+? UTC)\./g, "$1 が減少しています：24時間で$2件（通常は約$3件）、$4 頃から。"],
  [/(\S+) jumped: (\S+) in 24 hours where about (\S+) were expected, since about (.+? UTC)\./g, "$1 が急増しています：24時間で$2件（通常は約$3件）、$4 頃から。"],
  [/Check that the page or the backend still sends it\./g, "ページまたはサーバーが送信を続けているかご確認ください。"],
  [/Check that every page and version of the shop still sends it\./g, "すべてのページとバージョンで送信されているかご確認ください。"],
  [/Check that it is not sent twice, and that no robot sends it\./g, "二重送信やボットによるアクセスがないかご確認ください。"],
  [/No event has ever been received, imported ones aside\./g, "インポート以外のイベントは一度も受信していません。"],
  [/Events are complete only up to (.+? UTC), .+? back: delivery is behind, or stopped\./g, "出そろっているのは $1 までです。送信が遅れているか、止まっています。"],
  [
    /In recent weeks (\S+) conversions were foretold where (\S+) came: .+$/g,
    "ここ数週間、予測$1件に対して実績は$2件でした。ずれが10%を超えているため、一致するまで入札には使えません。",
  ],
  [/A thin row's value rests on less than the (\S+) effective_conversions that the plan asks for\./g, "プランでは、根拠となる最終コンバージョンが$1件以上必要です。"],
  [/No journey is as old as the plan's horizon yet: .+$/g, "プランのホライズンに達したジャーニーがまだなく、成約率がわかりません。"],
  [/The plan has no ladder of steps: .+$/g, "プランにステップのラダーがないため、学習できません。values.ladder を設定してください。"],
  [/The plan's ladder, finals, .+$/g, "プランの重要な設定が変更されてから、まだホライズン1回分が経過していません。変更前後の数値は比較できません。"],
  [/The values of the steps have not been learned under this plan yet\./g, "現在のプランでの学習がまだ終わっていません。"],
  [/Journeys are being brought up to date with a change\./g, "変更をジャーニーに反映しています。"],
  [/What rows are worth is being found anew, .+$/g, "価値を計算し直しているか、プランに換算レートのない通貨があります。"],
  [/No plan is in force in which an event is final: .+$/g, "最終コンバージョンを含むプランが適用されていません。"],
];

const INSTANT = /(\d{4}-\d\d-\d\d) (\d\d:\d\d) UTC/g;

/**
 * What the collector says of a reason, in the reader's language as far as its form is known, with times in the plan's zone.
 * @param {string} text a sentence of `reasons`, in English
 * @returns {{text: string, lang: "en" | "ja"}}
 */
export function told(text) {
  const words = lang === "ja" ? FORMS.reduce((so_far, [form, other]) => so_far.replace(form, other), text) : text;
  return {
    text: words.replace(INSTANT, (_, day, time) => when(`${day}T${time}:00Z`)),
    lang: /[ぁ-ん]/.test(words) ? "ja" : "en",
  };
}
