"""Events that lie ahead of now, until their time comes."""

from __future__ import annotations

import numpy as np

from kizashi_collector.analysis._table import Column, EventTable

__all__ = ["Waiting"]


class Waiting:
    """Events by their time. A clock that runs ahead sends a few; whoever sends many pays for them."""

    def __init__(self) -> None:
        self._events = EventTable.empty()
        self._next: int | None = None

    def __len__(self) -> int:
        return len(self._events)

    def __contains__(self, seq: int) -> bool:
        return seq in self._events.seq

    def add(self, events: EventTable) -> None:
        """Keep some events."""
        self._set(EventTable.joined([self._events, events]))

    def due(self, now: int) -> EventTable | None:
        """Take out the events with time ≤ now, by their numbers; None where there are none."""
        if self._next is None or self._next > now:
            return None
        due = self._events.only(self._events.time <= now)
        self._set(self._events.only(self._events.time > now))
        return due

    def remove(self, seqs: Column) -> None:
        """Forget the events with these numbers."""
        if self._next is not None:
            self._set(self._events.only(~np.isin(self._events.seq, seqs)))

    def _set(self, events: EventTable) -> None:
        self._events = events
        self._next = int(events.time.min()) if len(events) else None
