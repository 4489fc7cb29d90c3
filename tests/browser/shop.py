"""A shop's history for the pages to show: campaigns good and bad, names that try to be HTML, an event that stopped."""

from __future__ import annotations

import itertools
import json
import random
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from faults.serving import Serving, until

__all__ = [
    "DAY",
    "FORMULA",
    "HOSTILE",
    "JAPANESE",
    "PLAN",
    "event",
    "history",
    "many_campaigns",
    "send",
    "until_learned",
]

DAY = 86_400_000
HOSTILE = "<img src=x onerror=alert(1)>"
FORMULA = '=HYPERLINK("http://example.org")'
JAPANESE = "広告セール_夏"

PLAN = """
currency = "JPY"
timezone = "Asia/Tokyo"
windows = ["24h", "7d", "28d"]
summaries = [["campaign"], ["campaign", "device"]]

[events.mv_visit]
value = 5
counting = "once"
owner = "web team"
review_by = 2026-01-31
description = "Somebody arrived, most often by an advertisement"

[events.mv_product_view]
value = 20
counting = "once"
owner = "商品チーム"
description = "<b>商品ページ</b>が表示された"

[events.mv_search]
owner = "web team"

[events.mv_add_to_cart]
value = 300
counting = "once"
owner = "growth team"

[events.mv_checkout_start]
value = 800
counting = "once"
owner = "growth team"

[events.mv_never_sent]
owner = "nobody yet"

[events.purchase]
final = true
action = "primary"
value = "event"
counting = "every"
owner = "finance"

[funnels.checkout]
steps = ["mv_visit", "mv_product_view", "mv_add_to_cart", "mv_checkout_start", "purchase"]
conversion_window = "7d"

[funnels.to_sale]
steps = ["mv_visit", "purchase"]
conversion_window = "14d"

[values]
ladder = ["mv_visit", "mv_search", "mv_product_view", "mv_add_to_cart", "mv_checkout_start"]
horizon = "7d"
lookback = "90d"
min_effective_conversions = 15

[targets.7d]
brought_value = 1
actors = 1_000_000
"""

_STEPS = ("mv_product_view", "mv_add_to_cart", "mv_checkout_start", "purchase")
# How often each campaign is seen, and how often its visitors go on from step to step.
_CAMPAIGNS: Mapping[str, tuple[int, tuple[float, ...]]] = {
    "brand": (20, (0.9, 0.62, 0.7, 0.8)),
    "generic-shoes": (35, (0.7, 0.35, 0.55, 0.7)),
    "competitor": (15, (0.4, 0.15, 0.4, 0.4)),
    JAPANESE: (15, (0.75, 0.4, 0.6, 0.25)),
    HOSTILE: (5, (0.6, 0.3, 0.5, 0.6)),
    FORMULA: (5, (0.6, 0.3, 0.5, 0.6)),
}
_serial = itertools.count()
_AT_ONCE = 2_000


def event(name: str, time: float, actor: str, campaign: str = "brand", **fields: Any) -> dict[str, Any]:
    """A well-formed event with an id of its own."""
    source = {"campaign": campaign, "device": "mobile" if sum(map(ord, actor)) % 3 else "desktop"}
    return {"id": f"b-{next(_serial)}", "name": name, "time": int(time), "actor": actor, "source": source} | fields


def history(now: int, *, days: int = 40, visits: int = 60) -> Iterator[dict[str, Any]]:
    """So many visits a day up to `now`, in no order."""
    chance = random.Random(7)
    names, weights = list(_CAMPAIGNS), [weight for weight, _ in _CAMPAIGNS.values()]
    for number in range(days * visits):
        at = now - chance.random() * days * DAY
        (campaign,) = chance.choices(names, weights)
        made = _visit(chance, at, f"v-{number}", campaign, _CAMPAIGNS[campaign][1])
        yield from (one for one in made if one["time"] < now)


def many_campaigns(now: int, count: int = 1_000) -> Iterator[dict[str, Any]]:
    """A few visits of the last month for each of so many campaigns. Searches stopped two days ago: their tag broke."""
    chance = random.Random(8)
    for number in range(count * 4):
        rates = (0.7, 0.6, 0.7, 0.3 + 0.6 * (number % count) / count)
        at = now - chance.random() * 28 * DAY
        made = _visit(chance, at, f"m-{number}", f"campaign-{number % count:04}", rates)
        yield from (one for one in made if one["time"] < now and not _is_broken(one, now))


def _is_broken(one: Mapping[str, Any], now: int) -> bool:
    return bool(one["name"] == "mv_search" and one["time"] > now - 2 * DAY)


def _visit(
    chance: random.Random, at: float, actor: str, campaign: str, rates: Iterable[float]
) -> Iterator[dict[str, Any]]:
    yield event("mv_visit", at, actor, campaign)
    if chance.random() < 0.8:
        yield event("mv_search", at + 1_000, actor, campaign)
    for step, rate in zip(_STEPS, rates, strict=True):
        if chance.random() > rate:
            return
        at += chance.expovariate(1 / 90_000)
        if step == "purchase":
            amount = int(chance.lognormvariate(9, 0.6))
            yield event(step, at, actor, campaign, value=amount, currency="JPY", order=f"o-{next(_serial)}")
        else:
            yield event(step, at, actor, campaign, properties={"sku": chance.choice("ABC")})


def send(collector: Serving, events: Iterable[Mapping[str, Any]], *, imported: bool = False) -> list[dict[str, Any]]:
    """Send events, as an import or as they happen; return the answers to each batch."""
    left, answers = iter(events), []
    while some := list(itertools.islice(left, _AT_ONCE)):
        envelope = {"events": some, "import": True} if imported else {"events": some}
        answer = collector.ask("POST", "/v1/events", json.dumps(envelope).encode(), key="w-secret")
        assert answer.status == 200, answer
        answers.append(answer.body)
    return answers


def until_learned(collector: Serving) -> None:
    """Wait until the collector has learned what the steps are worth, which it does beside everything else."""

    def learned() -> bool:
        reason: str | None = collector.ask("GET", "/v1/summary?window=7d").body["total"]["reason"]
        return reason != "recomputing"

    until(learned, "the values of the steps")
