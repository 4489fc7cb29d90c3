"""Once by id and once by (name, order): what becomes of each candidate, given what is stored."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from sqlite3 import Connection
from typing import Any

from kizashi_collector.analysis import LoggedEvent
from kizashi_collector.store._protocol import Candidate, Outcome

__all__ = ["Judge"]

_ACCEPTED = Outcome("accepted")
_DUPLICATE = Outcome("duplicate")
_CHUNK = 256
_MARKS = ", ".join("?" * _CHUNK)
_KNOWN_IDS = (
    "SELECT id, name, actor, value, currency, currency_defaulted, order_id, adjust "  # noqa: S608  # only `?` go in
    f"FROM events WHERE id IN ({_MARKS})"
)
_KNOWN_ORDERS = (
    "SELECT name, order_id, value, currency FROM events "  # noqa: S608  # only `?` go in
    f"WHERE adjust IS NULL AND order_id IN ({_MARKS})"
)


class Judge:
    """Judges the candidates of one transaction, one after the other; `accepted` are those to insert.

    It reads what is stored under their ids and orders once, in the open transaction, and then keeps what it accepts
    in mind, so that a second copy in the same transaction is a duplicate too.
    """

    def __init__(self, connection: Connection, candidates: Sequence[Candidate]) -> None:
        self.accepted: list[LoggedEvent] = []
        events = [candidate.event for candidate in candidates if candidate.event is not None]
        self._by_id: dict[str, tuple[Any, ...]] = {}
        self._orders: dict[tuple[str, str], tuple[int | None, str | None]] = {}
        for chunk in _chunks({event.id for event in events}):
            for row in connection.execute(_KNOWN_IDS, chunk):
                self._by_id[row[0]] = row[1:]
        for chunk in _chunks({event.order for event in events if event.order is not None}):
            for name, order, value, currency in connection.execute(_KNOWN_ORDERS, chunk):
                self._orders[name, order] = (value, currency)

    def judge(self, candidate: Candidate) -> Outcome:
        """Return the candidate's outcome. The first content of an id wins; a rejected id is not used up."""
        event, refusal = candidate.event, candidate.refusal
        if event is not None and event.id in self._by_id:
            return _DUPLICATE if _same(event, self._by_id[event.id]) else _conflict(event)
        if event is None or refusal is not None:
            code, message = (refusal.code, refusal.message) if refusal else ("bad_event", "not an event")
            return Outcome("rejected", code, message)
        if event.order is not None:
            original = self._orders.get((event.name, event.order))
            if event.adjust is None and original is not None:
                return Outcome(
                    "duplicate", "order", f"{event.name} with order {event.order!r} is stored under another id"
                )
            if event.adjust == "restate" and original is not None and not _restates(event, *original):
                return Outcome(
                    "rejected",
                    "bad_currency",
                    f"restates in {event.currency} what was sent in {original[1]}; restate in {original[1]}",
                )
            if event.adjust is None:
                self._orders[event.name, event.order] = (event.value, event.currency)
        self._by_id[event.id] = (
            *(event.name, event.actor, event.value, event.currency, event.currency_defaulted),
            *(event.order, event.adjust),
        )
        self.accepted.append(event)
        return _ACCEPTED


def _same(event: LoggedEvent, stored: tuple[Any, ...]) -> bool:
    """Tell whether an event carries what is stored under its id.

    A currency that was left out then and now is the same, even if another plan has another default meanwhile.
    """
    name, actor, value, currency, defaulted, order, adjust = stored
    same_currency = event.currency == currency or (event.currency_defaulted and bool(defaulted))
    return same_currency and (event.name, event.actor, event.value, event.order, event.adjust) == (
        *(name, actor, value, order, adjust),
    )


def _conflict(event: LoggedEvent) -> Outcome:
    return Outcome(
        "duplicate", "conflict", f"id {event.id!r} is stored with other content; the first stays, use a new id"
    )


def _restates(event: LoggedEvent, value: int | None, currency: str | None) -> bool:
    return value is None or event.currency == currency


def _chunks(keys: set[str]) -> Iterator[list[str]]:
    """The keys in lists of one fixed length, so that SQLite compiles each query once; the last key fills up."""
    ordered = sorted(keys)
    for start in range(0, len(ordered), _CHUNK):
        chunk = ordered[start : start + _CHUNK]
        yield chunk + [chunk[-1]] * (_CHUNK - len(chunk))
