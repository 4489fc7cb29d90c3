"""Adjustments on their way to the events that they adjust, whichever came first."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Sequence
from sqlite3 import Connection

from kizashi_collector.analysis import LoggedEvent, RollingSummaries
from kizashi_collector.store._chunks import Texts, number_of, originals_at

__all__ = ["Adjusted"]

_Key = tuple[str, str]


class Adjusted:
    """The adjustments of the log, by the name and order that they adjust; some 300 bytes each.

    It holds what the table of adjustments holds, as far as this has been told; those from the future wait besides. An
    event is looked for in the log, which may know more by now than was told here: what lies beyond `last`, the number
    of the last event told, comes later, and is brought together then.
    """

    def __init__(self, rolling: RollingSummaries, texts: Texts) -> None:
        self.last = 0
        self._rolling = rolling
        self._texts = texts
        self._of: dict[_Key, dict[int, LoggedEvent]] = {}
        self._key_of: dict[int, _Key] = {}
        self._ahead: list[tuple[int, int]] = []
        self.passed_over: list[int] = []
        """The numbers of events that were adjusted and are older than what is held."""

    def add(
        self,
        connection: Connection,
        adjustments: Iterable[tuple[int, LoggedEvent]],
        stopped: Callable[[], bool] = lambda: False,
    ) -> None:
        """Bring adjustments, with their numbers, to what they adjust."""
        if self._rolling.plan is None:
            return
        touched: dict[_Key, None] = {}
        for seq, adjustment in adjustments:
            if adjustment.order is None:
                continue
            key = adjustment.name, adjustment.order
            self._of.setdefault(key, {})[seq] = _light(adjustment)
            self._key_of[seq] = key
            if adjustment.time > self._rolling.now:
                heapq.heappush(self._ahead, (adjustment.time, seq))
            else:
                touched[key] = None
        self._bring(connection, touched, stopped)

    def came(self, connection: Connection, orders: Sequence[tuple[int, str, str]]) -> None:
        """Events with these numbers, names and orders came: some may have been adjusted before."""
        if self._of:
            self._adjust(connection, [(seq, (name, order)) for seq, name, order in orders if (name, order) in self._of])

    def advance(self, connection: Connection) -> None:
        """Time has passed: bring what is due."""
        due: dict[_Key, None] = {}
        while self._ahead and self._ahead[0][0] <= self._rolling.now:
            key = self._key_of.get(heapq.heappop(self._ahead)[1])
            if key is not None:
                due[key] = None
        self._bring(connection, due)

    def lapse(self, connection: Connection, seqs: Iterable[int]) -> None:
        """The adjustments with these numbers are in force no more."""
        touched: dict[_Key, None] = {}
        for seq in seqs:
            key = self._key_of.pop(seq, None)
            if key is not None:
                del self._of[key][seq]
                touched[key] = None
        self._bring(connection, touched)
        for key in touched:
            if not self._of[key]:
                del self._of[key]

    def _bring(self, connection: Connection, keys: Iterable[_Key], stopped: Callable[[], bool] = lambda: False) -> None:
        """Have what is known of these keys in force, where the event is here."""
        texts = self._texts
        found = sorted((seq, key) for key in keys if (seq := number_of(connection, texts, *key)) is not None)
        self._adjust(connection, found, stopped)

    def _adjust(
        self, connection: Connection, found: Sequence[tuple[int, _Key]], stopped: Callable[[], bool] = lambda: False
    ) -> None:
        now = self._rolling.now
        told = [(seq, key) for seq, key in found if seq <= self.last]
        here = [(seq, key) for seq, key in told if self._rolling.holds(seq)]
        if len(here) < len(told):
            held = {seq for seq, _ in here}
            self.passed_over += [seq for seq, _ in told if seq not in held]
        keys = dict(here)
        for original in originals_at(connection, self._texts, [(seq, key[1]) for seq, key in here]):
            if stopped():
                return
            in_force = [one for one in self._of[keys[original[0]]].values() if one.time <= now]
            self._rolling.adjust(*original, in_force)


def _light(adjustment: LoggedEvent) -> LoggedEvent:
    """What an adjustment says, and not by whom."""
    return LoggedEvent(
        id=adjustment.id,
        name=adjustment.name,
        time=adjustment.time,
        received_at=adjustment.received_at,
        value=adjustment.value,
        currency=adjustment.currency,
        order=adjustment.order,
        adjust=adjustment.adjust,
    )
