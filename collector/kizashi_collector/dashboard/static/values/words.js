/** The words of the values page. */

export const words = {
  en: {
    "values.title": "Values",
    "values.lede": "What each step towards a sale turned out to be worth, beside what the plan declares.",
    "values.whole": "Of {all} micro-conversions: keep {keep}, prune {prune}, too little is known of {unknown}.",
    "values.whole_one": "Of 1 micro-conversion: keep {keep}, prune {prune}, too little is known of {unknown}.",
    "values.basis":
      "Learned from {journeys} journeys that began from {from} to {to}, {converted} of which converted ({share}). Younger ones are left out: nobody knows yet how they end.",
    "values.basis_none":
      "No journey is old enough to learn from yet. A journey counts once its horizon ({horizon}) is over.",
    "values.as_of": "Counted as of {when}.",
    "values.no_plan_title": "No plan yet",
    "values.no_plan": "No plan is in force, so there is nothing to review.",
    "values.no_plan_fix": "Write a plan that names your steps, and put it in force:",
    "values.no_steps":
      "The plan has no micro-conversion to review: all its events are final. Add the steps that lead to them.",
    "values.no_final":
      "No event of the plan is final, so no step can lead to a sale. Mark the purchase, the contract or the request with:",

    "values.ladder": "The ladder: declared against learned",
    "values.ladder_hint":
      "From the first step to the last. A step is worth the chance that a sale follows, times what a sale brings.",
    "values.beside": "Beside the ladder",
    "values.key_declared": "declared in the plan",
    "values.key_learned": "learned, with the interval it lies in with a chance of 90%",
    "values.learned": "Learned",
    "values.declared": "Declared",
    "values.range": "{low} to {high}",
    "values.chance": "{chance} convert",
    "values.not_learned": "not learned yet",
    "values.not_declared": "nothing",
    "values.carried": "what the event carries",
    "values.fits": "fits",
    "values.too_low": "too low",
    "values.too_high": "too high",
    "values.use_learned": "Feeds take the learned value.",
    "values.picture": "{event}: learned {learned}, declared {declared}",
    "values.picture_of": "{event}: {text}",
    "values.step": "Step {n}",

    "values.verdicts": "Keep, prune or wait",
    "values.keep": "Keep",
    "values.prune": "Prune",
    "values.unknown": "Unknown",
    "values.none_keep": "Nothing to keep for certain yet.",
    "values.none_prune": "Nothing to prune.",
    "values.none_unknown": "Enough is known of every step.",
    "values.keep_hint": "Sales are likelier after these.",
    "values.prune_hint": "These are no sign that a sale is near.",
    "values.unknown_hint": "Not enough happened to tell.",
    "values.suggested": "Suggested:",
    "values.change_value": "value {before} → {after}",
    "values.change_add": "value {after}",
    "values.change_drop": "take the value ({before}) away",
    "values.change_action": "{before} → {after}",
    "values.diff": "To change the plan by these suggestions, read and apply the diff:",

    "values.reason.lifts": "Journeys with it convert {ratio} times as often as those without ({low} to {high}).",
    "values.reason.lifts_hardly": "Journeys with it convert more than {low} times as often as those without.",
    "values.reason.lifts_sign":
      "A sign: those who come this far are likelier to buy; their journeys convert {ratio} times as often as those without ({low} to {high}). It need not be the cause; off the ladder and without a value, it is nothing to pay for.",
    "values.reason.lifts_hardly_sign":
      "A sign: those who come this far are likelier to buy; their journeys convert more than {low} times as often as those without. It need not be the cause; off the ladder and without a value, it is nothing to pay for.",
    "values.reason.everywhere":
      "{share} of journeys have it, those that convert and those that do not, so it tells nothing.",
    "values.reason.no_gain":
      "Once it has happened, {next} is as good as certain and tells the same. One of them is enough.",
    "values.reason.no_lift":
      "Journeys with it convert no more often than those without ({ratio} times as often, {low} to {high}).",
    "values.reason.weak_lift":
      "Much was seen, and journeys with it convert at best {high} times as often as those without, perhaps no more often at all ({low}).",
    "values.reason.no_final": "The plan has no final conversion that it could lead to. Mark one with final = true.",
    "values.reason.no_conversions": "{journeys} journeys had it, and none of all journeys converted yet.",
    "values.reason.unseen": "No journey had it. Is it sent at all?",
    "values.reason.too_early":
      "{waiting} journeys had it, and it is too early to say how they end; a journey has {horizon}.",
    "values.reason.thin":
      "{converted} of {journeys} journeys with it converted, which is too little to tell. About {enough} conversions are needed.",
    "values.reason.unclear":
      "Journeys with it convert {ratio} times as often as those without, but anything from {low} to {high} times fits what was seen.",
    "values.worth_event": "It is worth about {learned}; the plan takes what it carries.",
    "values.worth_none": "It is worth about {learned}; the plan declares no value.",
    "values.worth_low": "It is worth about {learned}; the {declared} that the plan declares is too little.",
    "values.worth_high": "It is worth about {learned}; the {declared} that the plan declares is too much.",
    "values.worth_fits": "It is worth about {learned}, and the {declared} that the plan declares fits.",
    "values.trend_rising": "The chance that a sale follows is rising.",
    "values.trend_falling": "The chance that a sale follows is falling.",

    "values.overdue": "Reviews overdue",
    "values.overdue_none": "No review is overdue.",
    "values.overdue_unset":
      "No step has a review_by in the plan. A date and an owner keep values from growing old unseen.",
    "values.nobody": "Nobody named",
    "values.due": "due {day}",
    "values.overdue_fix": "Look at the verdict below, change the plan where needed, and move review_by.",

    "values.twice": "Counted twice",
    "values.twice_row":
      "{event} is nearly always followed by {follower} ({followed} of {journeys} journeys), and both are primary: declared_value counts them twice. Make one of them secondary.",

    "values.lift": "Lift: how much likelier a sale is with it",
    "values.lift_hint":
      "Journeys with the step against those without. Left of 1 sales are rarer with it. This is what was observed; it does not say that more of it would bring more sales.",
    "values.times_range": "{ratio} times ({low} to {high})",
    "values.times_hardly": "more than {low} times",
    "values.no_lift": "too little to compare",

    "values.lag": "Lag: how long a sale takes after it",
    "values.lag_hint":
      "From the first such event of a journey to its sale: the dot is the median, and nine of ten sales have come by the end of the bar. The scale is logarithmic.",
    "values.lag_row": "half in {p50}, 90% in {p90}",
    "values.lag_none": "no sale after it yet",

    "values.table": "All figures",
    "values.caption": "Each step with all of its figures",
    "values.col.event": "Event",
    "values.col.step": "Step",
    "values.col.verdict": "Verdict",
    "values.col.declared": "Declared",
    "values.col.learned": "Learned",
    "values.col.low": "Low",
    "values.col.high": "High",
    "values.col.chance": "Chance of a sale",
    "values.col.journeys": "Journeys",
    "values.col.converted": "Converted",
    "values.col.share": "Share of all",
    "values.col.waiting": "Still open",
    "values.col.lift": "Lift",
    "values.col.gain": "Still open to the next step",
    "values.col.trend": "Trend of the chance",
    "values.col.recent": "Events in 28 days",
    "values.col.owner": "Owner",
    "values.col.review_by": "Review by",
    "values.rising": "rising",
    "values.falling": "falling",
    "values.steady": "steady",

    "values.tests": "How well it was foretold",
    "values.tests_hint":
      "Sales that were foretold from open journeys some days ago, with what was known then, beside those that came.",
    "values.tests_days": "Days ago",
    "values.tests_foretold": "Foretold",
    "values.tests_happened": "Came",
  },
  ja: {
    "values.title": "価値",
    "values.lede": "購入に至るまでの各ステップの実際の価値を、プランの設定値と見比べます。",
    "values.whole":
      "マイクロコンバージョン{all}件のうち、継続 {keep}件、廃止候補 {prune}件、判断保留 {unknown}件です。",
    "values.whole_one":
      "マイクロコンバージョン1件のうち、継続 {keep}件、廃止候補 {prune}件、判断保留 {unknown}件です。",
    "values.basis":
      "{from}から{to}までに始まったジャーニー{journeys}件（うちコンバージョン {converted}件、{share}）から学習しました。結果がまだ出ていない新しいジャーニーは含みません。",
    "values.basis_none":
      "学習に使えるジャーニーがまだありません。ジャーニーは、追跡期間（{horizon}）が過ぎて結果が出てから集計されます。",
    "values.as_of": "{when}現在の集計です。",
    "values.no_plan_title": "プランが未設定です",
    "values.no_plan": "適用中のプランがないため、評価の対象がありません。",
    "values.no_plan_fix": "計測したいステップをプランに書き、次のコマンドで適用してください。",
    "values.no_steps":
      "プランに評価対象のマイクロコンバージョンがありません（すべて最終コンバージョンです）。そこに至るステップを追加してください。",
    "values.no_final":
      "プランに最終コンバージョンがないため、各ステップの価値を計算できません。購入・契約・資料請求などのイベントに次の設定を加えてください。",

    "values.ladder": "ステップごとの価値：設定値と学習値",
    "values.ladder_hint":
      "最初のステップから順に並んでいます。ステップの価値は「その後に購入に至る確率 × 購入1件あたりの金額」です。",
    "values.beside": "ステップ以外のイベント",
    "values.key_declared": "プランの設定値",
    "values.key_learned": "学習値と90%区間",
    "values.learned": "学習値",
    "values.declared": "設定値",
    "values.range": "{low}～{high}",
    "values.chance": "購入に至る確率 {chance}",
    "values.not_learned": "未学習",
    "values.not_declared": "なし",
    "values.carried": "イベントが持つ金額",
    "values.fits": "妥当",
    "values.too_low": "低すぎ",
    "values.too_high": "高すぎ",
    "values.use_learned": "広告媒体への連携には学習値を使います。",
    "values.picture": "{event}：学習値 {learned}、設定値 {declared}",
    "values.picture_of": "{event}：{text}",
    "values.step": "ステップ{n}",

    "values.verdicts": "継続・廃止の判定",
    "values.keep": "継続",
    "values.prune": "廃止候補",
    "values.unknown": "判断保留",
    "values.none_keep": "継続と判定されたものはまだありません。",
    "values.none_prune": "廃止候補はありません。",
    "values.none_unknown": "すべて判定できています。",
    "values.keep_hint": "購入につながりやすいイベントです。",
    "values.prune_hint": "購入が近いことを示す目安になっていません。",
    "values.unknown_hint": "判定に必要なデータが足りません。",
    "values.suggested": "変更案",
    "values.change_value": "value：{before} → {after}",
    "values.change_add": "value = {after} を追加",
    "values.change_drop": "value（{before}）を削除",
    "values.change_action": "action：{before} → {after}",
    "values.diff": "変更案をプランに反映するには、差分を確認してから適用してください。",

    "values.reason.lifts":
      "これを含むジャーニーのコンバージョン率は、含まないジャーニーの{ratio}倍です（{low}～{high}倍）。",
    "values.reason.lifts_hardly": "これを含むジャーニーのコンバージョン率は、含まないジャーニーの{low}倍以上です。",
    "values.reason.lifts_sign":
      "ここまで来た人は購入しやすいという目印です。これを含むジャーニーのコンバージョン率は、含まないジャーニーの{ratio}倍です（{low}〜{high}倍）。ただし、これが購入の原因とは限りません。プランのステップではなく値の設定もないため、広告の成果として値を付けるものではありません。",
    "values.reason.lifts_hardly_sign":
      "ここまで来た人は購入しやすいという目印です。これを含むジャーニーのコンバージョン率は、含まないジャーニーの{low}倍以上です。ただし、これが購入の原因とは限りません。プランのステップではなく値の設定もないため、広告の成果として値を付けるものではありません。",
    "values.reason.everywhere":
      "コンバージョンの有無にかかわらずジャーニーの{share}に含まれるため、見込みの判断材料になりません。",
    "values.reason.no_gain":
      "これが起きると次の {next} もほぼ確実に起きるため、得られる情報は同じです。どちらか一方で足ります。",
    "values.reason.no_lift":
      "これを含むジャーニーのコンバージョン率は、含まないジャーニーを上回っていません（{ratio}倍、{low}～{high}倍）。",
    "values.reason.weak_lift":
      "データは十分ありますが、コンバージョン率の差は最大でも{high}倍で、差がない可能性もあります（下限 {low}倍）。",
    "values.reason.no_final":
      "プランに最終コンバージョンがありません。いずれかのイベントに final = true を設定してください。",
    "values.reason.no_conversions":
      "これを含むジャーニーは{journeys}件ありますが、コンバージョンに至ったジャーニーは全体でもまだ1件もありません。",
    "values.reason.unseen": "これを含むジャーニーがありません。イベントが送信されているかご確認ください。",
    "values.reason.too_early":
      "これを含むジャーニーは{waiting}件ありますが、まだ結果が出ていません（追跡期間は{horizon}です）。",
    "values.reason.thin":
      "これを含むジャーニー{journeys}件のうちコンバージョンは{converted}件で、判定には不足しています（目安は約{enough}件）。",
    "values.reason.unclear":
      "これを含むジャーニーのコンバージョン率は{ratio}倍ですが、{low}～{high}倍のいずれもありえます。",
    "values.worth_event": "価値は約{learned}です（プランではイベントが持つ金額を使います）。",
    "values.worth_none": "価値は約{learned}ですが、プランには値が設定されていません。",
    "values.worth_low": "価値は約{learned}で、プランの設定値 {declared} は低すぎます。",
    "values.worth_high": "価値は約{learned}で、プランの設定値 {declared} は高すぎます。",
    "values.worth_fits": "価値は約{learned}で、プランの設定値 {declared} は妥当です。",
    "values.trend_rising": "購入に至る確率は上昇傾向です。",
    "values.trend_falling": "購入に至る確率は低下傾向です。",

    "values.overdue": "期限を過ぎた見直し",
    "values.overdue_none": "期限を過ぎた見直しはありません。",
    "values.overdue_unset":
      "プランに見直し期限（review_by）が設定されていません。担当者（owner）と期限を決めておくと、古い値の放置を防げます。",
    "values.nobody": "担当者未設定",
    "values.due": "期限 {day}",
    "values.overdue_fix": "下の判定を確認し、必要に応じてプランを修正したうえで review_by を更新してください。",

    "values.twice": "二重計上",
    "values.twice_row":
      "{event} の後にはほぼ必ず {follower} が起きており（ジャーニー{journeys}件中{followed}件）、どちらも primary のため declared_value に二重に計上されています。一方を secondary にしてください。",

    "values.lift": "リフト：購入率の違い",
    "values.lift_hint":
      "そのイベントを含むジャーニーと含まないジャーニーのコンバージョン率の比です。1より左では、含むほうが低くなっています。観測された差であり、イベントを増やせば購入が増えるという意味ではありません。",
    "values.times_range": "{ratio}倍（{low}～{high}倍）",
    "values.times_hardly": "{low}倍以上",
    "values.no_lift": "比較できるデータが不足",

    "values.lag": "購入までの時間",
    "values.lag_hint":
      "ジャーニー内で最初にそのイベントが起きてから購入までの時間です。点は中央値、帯の右端までに購入の9割が完了しています。目盛りは対数です。",
    "values.lag_row": "半数は{p50}、9割は{p90}以内",
    "values.lag_none": "その後の購入はまだありません",

    "values.table": "すべての数値",
    "values.caption": "各イベントの全数値",
    "values.col.event": "イベント",
    "values.col.step": "ステップ",
    "values.col.verdict": "判定",
    "values.col.declared": "設定値",
    "values.col.learned": "学習値",
    "values.col.low": "下限",
    "values.col.high": "上限",
    "values.col.chance": "購入に至る確率",
    "values.col.journeys": "ジャーニー数",
    "values.col.converted": "コンバージョン",
    "values.col.share": "全体に占める割合",
    "values.col.waiting": "結果待ち",
    "values.col.lift": "リフト",
    "values.col.gain": "次のステップまでの余地",
    "values.col.trend": "確率の推移",
    "values.col.recent": "直近28日の件数",
    "values.col.owner": "担当",
    "values.col.review_by": "見直し期限",
    "values.rising": "上昇",
    "values.falling": "低下",
    "values.steady": "横ばい",

    "values.tests": "予測の的中度",
    "values.tests_hint": "過去の時点で、進行中のジャーニーから予測した購入件数と、実際の件数です。",
    "values.tests_days": "何日前",
    "values.tests_foretold": "予測",
    "values.tests_happened": "実績",
  },
};
