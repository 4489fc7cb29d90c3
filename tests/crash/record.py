"""What clients were told about each event, and whether a log keeps to it."""

from __future__ import annotations

import threading
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from msgspec import Struct

from crash.load import Content, Sent, content
from kizashi_collector.analysis import LoggedEvent
from kizashi_collector.store import NameSeen, RejectedRow

__all__ = ["Damage", "Record", "Told", "stored_content"]


class Told(Struct, frozen=True):
    """One event's verdict in an answer that a client received."""

    sent: Sent
    content: Content
    verdict: str
    code: str | None = None


class Damage(Struct, frozen=True):
    """What is wrong with a log: acknowledged events that are not there, events that are there twice, and the rest."""

    lost: tuple[str, ...] = ()
    twice: tuple[str, ...] = ()
    other: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.lost or self.twice or self.other)

    def __add__(self, more: Damage) -> Damage:
        return Damage(self.lost + more.lost, self.twice + more.twice, self.other + more.other)


def stored_content(event: LoggedEvent) -> Content:
    """The stored event in the form of `content`."""
    return (
        *(event.name, event.time, event.actor, event.value, event.currency, event.order, event.session, event.adjust),
        *(tuple(sorted(one.items())) for one in (event.source, event.properties)),
    )


class Record:
    """Everything that was sent, and every verdict that came back. Clients in several threads write into it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._sent: dict[str, list[Content]] = defaultdict(list)
        self.told: list[Told] = []
        self.damage = Damage()
        self._accepted: dict[str, int] = {}
        self._accepted_orders: dict[tuple[str, str], str] = {}

    def sending(self, events: Iterable[Sent]) -> None:
        """Note what is about to be sent, so that it may be in the log from now on."""
        with self._lock:
            for event in events:
                if (one := content(event)) not in self._sent[event["id"]]:
                    self._sent[event["id"]].append(one)

    def answered(self, events: Sequence[Sent], answer: dict[str, Any]) -> list[Told]:
        """Note an answer to a batch; return it event by event."""
        verdicts = {verdict["index"]: verdict for verdict in answer["verdicts"]}
        told = []
        for index, event in enumerate(events):
            verdict = verdicts.get(index, {"verdict": "accepted"})
            told.append(Told(event, content(event), verdict["verdict"], verdict.get("code")))
        with self._lock:
            self.told += told
            for one in told:
                if one.verdict == "accepted":
                    self._accept(one.sent)
        return told

    def _accept(self, event: Sent) -> None:
        """What is acknowledged as new twice is counted twice, whatever the log holds in the end."""
        if event["id"] in self._accepted:
            self.damage += Damage(twice=(f"id {event['id']} was accepted twice",))
        self._accepted[event["id"]] = 1
        if event.get("order") and not event.get("adjust"):
            key = event["name"], event["order"]
            if key in self._accepted_orders:
                self.damage += Damage(twice=(f"{key} was accepted as {self._accepted_orders[key]} and {event['id']}",))
            self._accepted_orders[key] = event["id"]

    @property
    def acknowledged(self) -> int:
        """How many events are known to be stored."""
        return len({one.sent["id"] for one in self.told if one.verdict != "rejected"})

    def compare(
        self,
        log: Sequence[LoggedEvent],
        rejected: Iterable[RejectedRow],
        names: Iterable[NameSeen],
        told: Sequence[Told] | None = None,
    ) -> Damage:
        """What is wrong with a log, given everything that was sent and the verdicts (those given, or all)."""
        contents = [stored_content(event) for event in log]
        stored = {event.id: whole for event, whole in zip(log, contents, strict=True)}
        orders = {(event.name, event.order): event.id for event in log if event.order and event.adjust is None}
        refused = {row.id for row in rejected}
        lost: list[str] = []
        for one in self.told if told is None else told:
            event = one.sent
            found = stored.get(event["id"])
            whole = found == one.content
            same = whole or (found is not None and _identity(found) == _identity(one.content))
            key = event["name"], event.get("order")
            kept = {
                ("accepted", None): whole,
                ("duplicate", None): same,
                ("duplicate", "conflict"): found is not None and not same,
                ("duplicate", "order"): key in orders and orders[key] != event["id"],
            }.get((one.verdict, one.code), one.verdict == "rejected" and event["id"] in refused)
            if not kept:
                lost.append(
                    f"{event['id']} ({event['name']}) was {one.verdict} ({one.code}), the log has {found}"[:300]
                )
        return Damage(tuple(dict.fromkeys(lost)), self._repeated(log), self._strange(log, contents, names))

    def _repeated(self, log: Sequence[LoggedEvent]) -> tuple[str, ...]:
        ids = Counter(event.id for event in log)
        orders = Counter((event.name, event.order) for event in log if event.order and event.adjust is None)
        return tuple(f"{key} is there {count} times" for key, count in [*ids.items(), *orders.items()] if count > 1)

    def _strange(
        self, log: Sequence[LoggedEvent], contents: Sequence[Content], names: Iterable[NameSeen]
    ) -> tuple[str, ...]:
        strange = [
            f"{event.id} was never sent like this: {event}"[:300]
            for event, whole in zip(log, contents, strict=True)
            if whole not in self._sent.get(event.id, ())
        ]
        counted = Counter(event.name for event in log if event.adjust is None)
        if (seen := {name.name: name.count for name in names}) != counted:
            strange.append(f"names are counted as {seen}, the log has {dict(counted)}")
        return tuple(strange)

    def again(self) -> list[Told]:
        """Every acknowledged event once, with the verdict that a second sending must get."""
        first: dict[Content, Told] = {}
        for one in self.told:
            first.setdefault((one.sent["id"], one.content), one)
        return [
            Told(one.sent, one.content, "duplicate") if one.verdict == "accepted" else one for one in first.values()
        ]


def _identity(whole: Content) -> Content:
    """The part of a content that makes a second event with its id the same event, and not a conflict."""
    name, _, actor, value, currency, order, _, adjust, *_ = whole
    return name, actor, value, currency, order, adjust
