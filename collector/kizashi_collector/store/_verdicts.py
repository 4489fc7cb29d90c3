"""Once by id and once by (name, order): what becomes of each event, given what is stored."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from itertools import chain
from typing import Protocol

from kizashi_collector.analysis import LoggedEvent
from kizashi_collector.store._event_columns import EventColumns
from kizashi_collector.store._protocol import ACCEPTED, Candidate, Outcome

__all__ = ["Judge", "Known", "Original", "Stored", "StoredEvent", "ids_of", "orders_of"]

Original = tuple[bool, str | None]
"""Whether an event that has an order carries a value, and its currency."""


class Stored(Protocol):
    """An event that is stored under some id."""

    def carries(self, event: LoggedEvent) -> bool:
        """Whether another one carries the same: name, actor, value, order and adjustment, and the same currency.

        A currency that was left out then and now is the same, even if another plan has another default meanwhile.
        """


class Known(Protocol):
    """What a log has of the ids and orders of one transaction."""

    @property
    def by_id(self) -> Mapping[str, Stored]:
        """What is stored under these ids."""

    @property
    def erased(self) -> Collection[str]:
        """Those of these ids that were erased."""

    @property
    def orders(self) -> Collection[tuple[str, str]]:
        """Name and order of which an event is stored."""

    def original(self, name: str, order: str) -> Original | None:
        """What is stored of such an event."""


_DUPLICATE = Outcome("duplicate")
_ERASED = Outcome("duplicate", "erased", "this event was erased with its actor; it is not stored again")


class Judge:
    """Judges the events of one transaction, one after the other; `accepted` are those to add.

    What it accepts it keeps in mind, so that a second copy in the same transaction is a duplicate too. Columns whose
    ids are all new and that have no orders pass whole.
    """

    def __init__(self, parts: Sequence[EventColumns | Candidate], known: Known) -> None:
        self.accepted = EventColumns()
        self._known = known
        self._by_id: dict[str, Stored] = dict(known.by_id)
        self._erased = known.erased
        # What needs a look: everybody else's id comes once, and is new.
        self._watched = {*self._by_id, *self._erased}
        ids = ids_of(parts)
        if len(set(ids)) < len(ids):
            self._watched.update(event_id for event_id, times in Counter(ids).items() if times > 1)
        # The event itself where it is of this transaction.
        self._orders: dict[tuple[str, str], LoggedEvent | None] = dict.fromkeys(known.orders)

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
            return _DUPLICATE if stored.carries(event) else _conflict(event)
        if event.id in self._erased:
            return _ERASED
        if event.order is not None:
            key = (event.name, event.order)
            if event.adjust is None and key in self._orders:
                return Outcome(
                    "duplicate", "order", f"{event.name} with order {event.order!r} is stored under another id"
                )
            if event.adjust == "restate" and key in self._orders:
                original = self._original(key)
                if original is not None and original[0] and event.currency != original[1]:
                    return Outcome(
                        "rejected",
                        "bad_currency",
                        f"restates in {event.currency} what was sent in {original[1]}; restate in {original[1]}",
                    )
            if event.adjust is None:
                self._orders[key] = event
        self._by_id[event.id] = StoredEvent(event)
        return ACCEPTED

    def _original(self, key: tuple[str, str]) -> Original | None:
        event = self._orders[key]
        return self._known.original(*key) if event is None else (event.value is not None, event.currency)


class StoredEvent:
    """One that is at hand as it is stored."""

    def __init__(self, event: LoggedEvent) -> None:
        self._event = event

    def carries(self, event: LoggedEvent) -> bool:
        """Whether another one carries the same; see Stored."""
        stored = self._event
        same_currency = event.currency == stored.currency or (event.currency_defaulted and stored.currency_defaulted)
        return same_currency and (event.name, event.actor, event.value, event.order, event.adjust) == (
            *(stored.name, stored.actor, stored.value, stored.order, stored.adjust),
        )


def ids_of(parts: Sequence[EventColumns | Candidate]) -> list[str]:
    """The ids of some parts, as often as each comes."""
    return list(chain.from_iterable(map(_ids, parts)))


def orders_of(parts: Sequence[EventColumns | Candidate]) -> list[tuple[str, str]]:
    """Name and order of those that have one."""
    found: list[tuple[str, str]] = []
    for part in parts:
        if isinstance(part, EventColumns):
            if part.order.count(None) < len(part):
                found += [(name, order) for name, order in zip(part.name, part.order, strict=True) if order is not None]
        elif part.event is not None and part.event.order is not None:
            found.append((part.event.name, part.event.order))
    return found


def _ids(part: EventColumns | Candidate) -> Sequence[str]:
    if isinstance(part, EventColumns):
        return part.id
    return (part.id,) if part.id is not None else ()


def _conflict(event: LoggedEvent) -> Outcome:
    return Outcome(
        "duplicate", "conflict", f"id {event.id!r} is stored with other content; the first stays, use a new id"
    )
