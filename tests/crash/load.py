"""What the clients send: a funnel's events with orders, conflicts, adjustments, repeats, and times in no order."""

from __future__ import annotations

import random
import string
from collections.abc import Iterator
from typing import Any

__all__ = ["DAY_MS", "PLAN", "SPAN_DAYS", "Content", "Sent", "content", "events_of", "widened"]

Sent = dict[str, Any]
"""An event as it is sent."""

Content = tuple[Any, ...]
"""What an event says: see `content`."""

DAY_MS = 86_400_000
SPAN_DAYS = 20
"""The times of one client's events are spread over so many days before the first."""

PLAN = """
currency = "JPY"
[events.mv_view]
[events.mv_cart]
action = "primary"
value = 300
[events.purchase]
final = true
action = "primary"
value = "event"
"""
_ORDERS = 400


def events_of(client: str, rng: random.Random, now: int) -> Iterator[Sent]:
    """Yield events without end. Orders come from a pool that all clients share; ids are the client's own."""
    views: list[Sent] = []
    last: Sent | None = None
    for number in range(10**9):
        draw = rng.random()
        name = rng.choices(["mv_view", "mv_cart", "purchase", "mv_other"], [6, 3, 2, 1])[0]
        event: Sent = {
            "id": f"{client}-{number}" if rng.random() < 0.5 else f"{rng.getrandbits(128):032x}",
            "name": name,
            "time": now - rng.randrange(SPAN_DAYS * DAY_MS),
            "actor": f"{client}-{number // 6}",
            "source": {"campaign": rng.choice(["brand", "spring", "ブランド"])},
            "session": f"s-{number // 3}",
        }
        if name == "purchase":
            event |= {"value": rng.randrange(1, 50_000), "currency": "JPY", "order": f"o-{rng.randrange(_ORDERS)}"}
        elif rng.random() < 0.1:
            event["properties"] = {"sku": f"A-{number}", "qty": rng.randrange(9), "gift": rng.random() < 0.5}
        if draw < 0.05:
            order, adjust = f"o-{rng.randrange(_ORDERS)}", rng.choice(["restate", "restate", "retract"])
            event = {"id": event["id"], "name": "purchase", "time": event["time"], "adjust": adjust, "order": order}
            if adjust == "restate":
                event |= {"value": rng.randrange(1, 50_000), "currency": "JPY"}
        elif draw < 0.08 and views:
            event = rng.choice(views[-50:]) | {"actor": "somebody-else"}
        elif draw < 0.11 and last is not None:
            event = last
        elif draw < 0.12:
            event["name"] = "Not A Name"
        elif draw < 0.13:
            event["time"] = now + 365 * DAY_MS
        elif name == "mv_view":
            views.append(event)
        last = event
        yield event


def widened(event: Sent, rng: random.Random) -> Sent:
    """The event with 20 KB that no compression takes away, so that few of them fill the write-ahead log."""
    if event.get("adjust") or event["actor"] == "somebody-else":
        return event
    letters = string.ascii_letters + string.digits
    return event | {"properties": {"note": "".join(rng.choices(letters, k=20_000))}}


def content(event: Sent) -> Content:
    """What the log keeps of an event, in one form for what was sent and what is stored (with value in micros)."""
    maps = (event.get("source"), event.get("properties"))
    value = event.get("value")
    return (
        *(event["name"], event["time"], event.get("actor"), None if value is None else value * 1_000_000),
        *(event.get("currency"), event.get("order"), event.get("session"), event.get("adjust")),
        *(tuple(sorted((one or {}).items())) for one in maps),
    )
