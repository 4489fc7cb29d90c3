"""Once by id and once by (name, order): what becomes of each event, given what is stored."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import chain
from sqlite3 import Connection

from kizashi_collector.analysis import LoggedEvent
from kizashi_collector.store._chunks import Chunks
from kizashi_collector.store._event_columns import EventColumns
from kizashi_collector.store._protocol import ACCEPTED, Candidate, Outcome

__all__ = ["Judge"]

_DUPLICATE = Outcome("duplicate")
_ERASED = Outcome("duplicate", "erased", "this event was erased with its actor; it is not stored again")


class Judge:
    """Judges the events of one transaction, one after the other; `accepted` are those to add.

    It looks up what is stored under their ids and orders once, and then keeps what it accepts in mind, so that a second
    copy in the same transaction is a duplicate too. Columns whose ids are all new and that have no orders pass whole.
    """

    def __init__(self, connection: Connection, parts: Sequence[EventColumns | Candidate], chunks: Chunks) -> None:
        self.accepted = EventColumns()
        self._connection = connection
        self._chunks = chunks
        ids = list(chain.from_iterable(map(_ids, parts)))
        self._by_id = {event.id: event for event in chunks.with_ids(connection, ids)}
        self._erased = chunks.tombstones.among(connection, ids)
        # What needs a look: everybody else's id comes once, and is new.
        self._watched = {*self._by_id, *self._erased}
        if len(set(ids)) < len(ids):
            self._watched.update(event_id for event_id, times in Counter(ids).items() if times > 1)
        # The event itself, or its number in the log.
        self._orders: dict[tuple[str, str], LoggedEvent | int] = {}
        orders = [order for order in chain.from_iterable(map(_orders, parts)) if order is not None]
        if orders:
            for name, order, seq in chunks.with_orders(connection, orders):
                self._orders[name, order] = seq

    def judge(self, part: EventColumns | Candidate) -> Sequence[Outcome]:
        """Return the outcome of each event. The first content of an id wins; a rejected id is not used up."""
        if isinstance(part, Candidate):
            outcome = self._outcome(part)
            if outcome is ACCEPTED and part.event is not None:
                self.accepted.append(part.event)
            return (outcome,)
        outcomes = [ACCEPTED] * len(part)
        watched = self._watched
        if watched or part.order.count(None) < len(part):
            for at, (event_id, order) in enumerate(zip(part.id, part.order, strict=True)):
                if order is not None or event_id in watched:
                    outcomes[at] = self._of_event(part.event(at))
        taken = outcomes.count(ACCEPTED)
        self.accepted.extend(part if taken == len(part) else part.only([outcome is ACCEPTED for outcome in outcomes]))
        return outcomes

    def _outcome(self, candidate: Candidate) -> Outcome:
        event, refusal = candidate.event, candidate.refusal
        if event is not None and (refusal is None or event.id in self._by_id):
            return self._of_event(event)
        if candidate.id in self._erased:
            return _ERASED
        if refusal is None:
            return Outcome("rejected", "bad_event", "not an event")
        return Outcome("rejected", refusal.code, refusal.message)

    def _of_event(self, event: LoggedEvent) -> Outcome:
        stored = self._by_id.get(event.id)
        if stored is not None:
            return _DUPLICATE if _same(event, stored) else _conflict(event)
        if event.id in self._erased:
            return _ERASED
        if event.order is not None:
            original = self._orders.get((event.name, event.order))
            if event.adjust is None and original is not None:
                return Outcome(
                    "duplicate", "order", f"{event.name} with order {event.order!r} is stored under another id"
                )
            if event.adjust == "restate" and original is not None:
                if isinstance(original, int):
                    original = self._chunks.at(self._connection, original)
                if original is not None and original.value is not None and event.currency != original.currency:
                    return Outcome(
                        "rejected",
                        "bad_currency",
                        f"restates in {event.currency} what was sent in {original.currency}; "
                        f"restate in {original.currency}",
                    )
            if event.adjust is None:
                self._orders[event.name, event.order] = event
        self._by_id[event.id] = event
        return ACCEPTED


def _ids(part: EventColumns | Candidate) -> Sequence[str]:
    if isinstance(part, EventColumns):
        return part.id
    return (part.id,) if part.id is not None else ()


def _orders(part: EventColumns | Candidate) -> Sequence[str | None]:
    if isinstance(part, EventColumns):
        return part.order
    return (part.event.order,) if part.event is not None else ()


def _same(event: LoggedEvent, stored: LoggedEvent) -> bool:
    """Tell whether an event carries what is stored under its id.

    A currency that was left out then and now is the same, even if another plan has another default meanwhile.
    """
    same_currency = event.currency == stored.currency or (event.currency_defaulted and stored.currency_defaulted)
    return same_currency and (event.name, event.actor, event.value, event.order, event.adjust) == (
        *(stored.name, stored.actor, stored.value, stored.order, stored.adjust),
    )


def _conflict(event: LoggedEvent) -> Outcome:
    return Outcome(
        "duplicate", "conflict", f"id {event.id!r} is stored with other content; the first stays, use a new id"
    )
