"""Weeks of a made-up shop: the batches that were sent, and when; the same each time."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from typing import Any

from live_collector import HOUR, MINUTE

__all__ = ["BEFORE", "BEGAN", "DAY", "OTHER_LADDER", "PLAN", "Shop"]

DAY = 24 * HOUR
BEGAN = 1_790_000_000_000 // HOUR * HOUR + 4 * MINUTE
"""When the collectors came to be: four minutes past an hour."""

_MONEY = """
currency = "JPY"
rates = { USD = 150.5, EUR = 163.000001 }
timezone = "America/New_York"
"""
BEFORE = _MONEY + 'unplanned = "reject"\n[events.mv_visit]\n[events.mv_view]\n[events.mv_cart]\n[events.mv_chat]\n'
BEFORE += "[events.purchase]\n[events.lead]\n"
"""Under the first plan nothing leads to anything, so that nothing is learned, and what it does not name is refused."""

PLAN = (
    _MONEY
    + """
windows = ["1d", "7d", "28d"]
summaries = [["campaign"], ["campaign", "device"]]
[events.mv_visit]
value = 5
owner = "web"
review_by = 2026-10-01
[events.mv_view]
value = 20
[events.mv_cart]
value = 300
[events.mv_chat]
action = "primary"
value = 150
[events.mv_never]
[events.lead]
final = true
action = "primary"
value = 2000
[events.purchase]
final = true
action = "primary"
value = "event"
[values]
ladder = ["mv_visit", "mv_view", "mv_cart"]
horizon = "3d"
lookback = "30d"
min_effective_conversions = 5
[funnels.checkout]
steps = ["mv_visit", "mv_view", "mv_cart", "purchase"]
conversion_window = "2d"
[funnels.chatty]
steps = ["mv_visit", { event = "mv_chat", where = { "source.campaign" = ["brand", ""] } }, "lead"]
order = "unordered"
conversion_window = "7d"
trend = true
[funnels.straight]
steps = ["mv_visit", "mv_cart", "purchase"]
order = "strict"
entry = "first"
conversion_window = "12h"
exclude = [{ event = "mv_chat", from = 0, to = 1 }]
"""
)
OTHER_LADDER = PLAN.replace('["mv_visit", "mv_view", "mv_cart"]', '["mv_visit", "mv_cart"]')

Event = dict[str, Any]
_CAMPAIGNS = ("brand", "generic", "spring", "夏", "")
_STEPS = ("mv_visit", "mv_view", "mv_cart", "purchase")


class Shop:
    """Batches by the day. `orders` are the sales that were sent so far."""

    def __init__(self, actors: int = 320, days: int = 60, seed: int = 7) -> None:
        self._chance = random.Random(seed)
        self._actors, self._days = actors, days
        self._serial = 0
        self._late: list[Event] = []
        self._sent: list[Event] = []
        self.orders: list[Event] = []

    def days(self) -> Iterator[tuple[int, list[Event], Mapping[str, Any]]]:
        """When each batch comes, its events, and what the batch says of itself. The first brings a history along."""
        yield BEGAN, [event for day in range(1, 11) for event in self._day(BEGAN - day * DAY)], {"import": True}
        for day in range(0, self._days, 2):
            events = self._day(BEGAN + day * DAY) + self._day(BEGAN + (day + 1) * DAY)
            yield BEGAN + (day + 2) * DAY, self._as_it_arrives(events), {}

    def adjustments(self, now: int) -> list[Event]:
        """Sales that turned out otherwise."""
        made = []
        for number, sale in enumerate(self.orders[-60::4]):
            what: Event = {"id": f"adj-{len(self.orders)}-{number}", "name": "purchase", "order": sale["order"]}
            what |= {"time": now - number * MINUTE}
            if number % 3 == 0:
                made.append(what | {"adjust": "retract"})
            else:
                made.append(what | {"adjust": "restate", "value": number * 100 + 5, "currency": sale["currency"]})
        return [*made, {"id": f"adj-{now}", "name": "purchase", "order": "nobody's", "time": now, "adjust": "retract"}]

    def sent_by(self, actor: str) -> list[Event]:
        """What an actor did, in the order in which it came."""
        return [event for event in self._sent if event.get("actor") == actor]

    def again(self, actor: str, now: int) -> list[Event]:
        """Somebody new under an old name."""
        return list(self._visit(now - HOUR, actor))

    def _day(self, begin: int) -> list[Event]:
        chance = self._chance
        visits = [self._visit(begin + chance.randrange(DAY // MINUTE) * MINUTE) for _ in range(self._actors // 10)]
        return [event for visit in visits for event in visit]

    def _visit(self, time: int, actor: str | None = None) -> Iterator[Event]:
        """What somebody does, at whole seconds and some of it at one instant."""
        chance = self._chance
        actor = actor or f"v-{chance.randrange(self._actors)}"
        source = {"campaign": chance.choice(_CAMPAIGNS), "device": chance.choice(("mobile", "desktop", ""))}
        if chance.random() < 0.3:
            source["gclid"] = f"g-{chance.randrange(40)}"
        source = {field: text for field, text in source.items() if text}
        for name in _STEPS:
            event = self._event(name, time, actor, source)
            if chance.random() < 0.05:
                del event["actor"]
            yield event
            if chance.random() < 0.12:
                yield self._event(chance.choice(("mv_chat", "lead", "surprise")), time, actor, {})
            if chance.random() < 0.3:
                return
            time += chance.choice((0, 1_000, 30_000, 10 * MINUTE, 5 * HOUR, 30 * HOUR))

    def _event(self, name: str, time: int, actor: str, source: Mapping[str, str]) -> Event:
        chance = self._chance
        self._serial += 1
        # Ids that do not follow the order in time: they decide within an instant.
        event: Event = {"id": f"{self._serial * 7_919 % 100_003:06}", "name": name, "time": time, "actor": actor}
        if source:
            event["source"] = dict(source)
        if name == "purchase":
            currency = chance.choice(("JPY", "JPY", "USD", "EUR", "GBP", None))
            value = chance.randrange(1, 90_000)
            event |= {"order": f"o-{self._serial}", "value": value / 100 if currency in ("USD", "EUR") else value}
            if currency is not None:
                event["currency"] = currency
            if currency not in (None, "GBP"):
                self.orders.append(event)
        if chance.random() < 0.4:
            event["properties"] = {"plan": chance.choice(("a", 1, 1.5, True, None)), "n": self._serial % 3}
        if chance.random() < 0.1:
            event |= {"session": f"s-{actor}", "consent": {"ads": chance.random() < 0.5}}
        return event

    def _as_it_arrives(self, events: list[Event]) -> list[Event]:
        """Some of it comes two days late, some twice, some with other content, and some of it is nothing."""
        chance = self._chance
        chance.shuffle(events)
        late = [event for event in events if chance.random() < 0.06]
        arriving = [event for event in events if event not in late] + self._late
        self._late = late
        again = [chance.choice(self._sent) for _ in range(5)] if self._sent else []
        other = [event | {"value": 77, "currency": "JPY"} for event in again[:2]]
        nothing: list[Event] = [{"id": f"bad-{self._serial}", "name": "NO", "time": BEGAN}, {"name": "mv_visit"}]
        ahead: Event = {"id": f"ahead-{self._serial}", "name": "mv_view", "time": BEGAN + 900 * DAY, "actor": "v-1"}
        self._sent += arriving
        return [*arriving, *again, *other, *nothing, ahead]
