"""Adjustments on their way to the events that they adjust, whichever came first."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Sequence
from sqlite3 import Connection

from kizashi_collector.analysis import LoggedEvent, RollingSummaries
from kizashi_collector.store._chunks import Texts, original_at

__all__ = ["Adjusted"]

_ORDER = "SELECT seq FROM orders WHERE order_id = ? AND name = ?"
_Key = tuple[str, str]


class Adjusted:
    """Adjustments by name and order: those of events that are held, and those whose event is yet to come.

    Adjustments of events that lie before all windows are let go of. Those from the future wait until they are due.
    """

    def __init__(self, rolling: RollingSummaries, texts: Texts) -> None:
        self._rolling = rolling
        self._texts = texts
        self._of: dict[_Key, list[LoggedEvent]] = {}
        self._ahead: list[tuple[int, int, LoggedEvent]] = []
        self._count = 0

    def add(self, connection: Connection, adjustments: Iterable[LoggedEvent]) -> None:
        """Bring adjustments to what they adjust."""
        if self._rolling.plan is None:
            return
        touched: dict[_Key, None] = {}
        for adjustment in adjustments:
            if adjustment.order is None:
                continue
            if adjustment.time > self._rolling.now:
                self._count += 1
                heapq.heappush(self._ahead, (adjustment.time, self._count, adjustment))
                continue
            key = adjustment.name, adjustment.order
            self._of.setdefault(key, []).append(adjustment)
            touched[key] = None
        found = sorted((seq, key) for key in touched if (seq := self._seq(connection, key)) is not None)
        for seq, key in found:
            self._adjust(connection, seq, key)

    def came(self, connection: Connection, orders: Sequence[tuple[int, str, str]]) -> None:
        """Events with these numbers, names and orders came: some may have been adjusted before."""
        if self._of:
            for seq, name, order in orders:
                if (name, order) in self._of:
                    self._adjust(connection, seq, (name, order))

    def advance(self, connection: Connection) -> None:
        """Time has passed: bring what is due."""
        due = []
        while self._ahead and self._ahead[0][0] <= self._rolling.now:
            due.append(heapq.heappop(self._ahead)[2])
        if due:
            self.add(connection, due)

    def forget(self, gone: Iterable[LoggedEvent]) -> None:
        """Forget the adjustments of events that were deleted."""
        for event in gone:
            if event.order is not None:
                self._of.pop((event.name, event.order), None)

    def _seq(self, connection: Connection, key: _Key) -> int | None:
        row = connection.execute(_ORDER, (key[1], self._texts.name_known(key[0]))).fetchone()
        return None if row is None else row[0]

    def _adjust(self, connection: Connection, seq: int, key: _Key) -> None:
        original = original_at(connection, self._texts, seq, key[1]) if self._rolling.holds(seq) else None
        if original is None:
            del self._of[key]
        else:
            self._rolling.adjust(seq, original, self._of[key])
