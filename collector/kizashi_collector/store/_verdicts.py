"""Once by id and once by (name, order): what becomes of each candidate, given what is stored."""

from __future__ import annotations

from collections.abc import Sequence
from sqlite3 import Connection

from kizashi_collector.analysis import LoggedEvent
from kizashi_collector.store._chunks import Chunks
from kizashi_collector.store._protocol import Candidate, Outcome

__all__ = ["Judge"]

_ACCEPTED = Outcome("accepted")
_DUPLICATE = Outcome("duplicate")


class Judge:
    """Judges the candidates of one transaction, one after the other; `accepted` are those to add.

    It looks up what is stored under their ids and orders once, and then keeps what it accepts in mind, so that a second
    copy in the same transaction is a duplicate too.
    """

    def __init__(self, connection: Connection, candidates: Sequence[Candidate], chunks: Chunks) -> None:
        self.accepted: list[LoggedEvent] = []
        self._connection = connection
        self._chunks = chunks
        events = [candidate.event for candidate in candidates if candidate.event is not None]
        self._by_id = {event.id: event for event in chunks.with_ids(connection, [event.id for event in events])}
        # The event itself, or its number in the log.
        self._orders: dict[tuple[str, str], LoggedEvent | int] = {}
        orders = [event.order for event in events if event.order is not None]
        if orders:
            for name, order, seq in chunks.with_orders(connection, orders):
                self._orders[name, order] = seq

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
        self.accepted.append(event)
        return _ACCEPTED


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
