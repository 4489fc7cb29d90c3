"""What a SQLite log has of the ids and orders of one transaction."""

from __future__ import annotations

from collections.abc import Sequence
from sqlite3 import Connection

from kizashi_collector.store._chunks import Chunks
from kizashi_collector.store._event_columns import EventColumns
from kizashi_collector.store._protocol import Candidate
from kizashi_collector.store._verdicts import Original, Stored, StoredEvent, ids_of, orders_of

__all__ = ["KnownEvents"]


class KnownEvents:
    """See Known. Looked up once, in the open transaction."""

    def __init__(self, connection: Connection, parts: Sequence[EventColumns | Candidate], chunks: Chunks) -> None:
        ids = ids_of(parts)
        orders = [order for _, order in orders_of(parts)]
        self.by_id: dict[str, Stored] = {event.id: StoredEvent(event) for event in chunks.with_ids(connection, ids)}
        self.erased = chunks.tombstones.among(connection, ids)
        found = chunks.with_orders(connection, orders) if orders else ()
        self.orders = {(name, order): seq for name, order, seq in found}
        self._connection, self._chunks = connection, chunks

    def original(self, name: str, order: str) -> Original | None:
        """What is stored of such an event."""
        event = self._chunks.at(self._connection, self.orders[name, order])
        return None if event is None else (event.value is not None, event.currency)
