"""What is told of journeys, line by line, as the ledger takes it."""

from __future__ import annotations

from collections.abc import Sequence
from sqlite3 import Connection

from msgspec.structs import replace

from kizashi_collector.analysis import Emitted, Increment, StepValues, Worth, settle, take_back
from kizashi_collector.store._chunks import Texts
from kizashi_collector.store._increments._tasks import Read, Task
from kizashi_collector.store._ledger import LedgerNews, LedgerState, Line, source_of_line

__all__ = ["Told"]


class Told:
    """Gathers what is told, and numbers it."""

    def __init__(self, connection: Connection, texts: Texts, state: LedgerState, as_of: int) -> None:
        self._connection, self._texts, self._state, self._as_of = connection, texts, state, as_of
        self._journeys = state.journeys
        self._lines: list[Line] = []
        self._kept: list[Emitted] = []
        self._dropped: list[int] = []

    def settle(self, tasks: Sequence[Task], read: Read, values: StepValues, worth: Worth) -> None:
        """Carry tasks out."""
        for task in tasks:
            before, journey = task.before, task.journey
            if journey is None:
                if before is not None:
                    self._write(take_back(before, "expired" if task.over else "correction"), read)
                    self._dropped.append(before.number)
                continue
            number = self._journeys + 1
            increments, now = settle(
                journey,
                before,
                number,
                task.actor,
                read.events.__getitem__,
                read.source(journey),
                values,
                worth,
                self._as_of,
            )
            line = self._write(increments, read)
            if before is None and (now is not None or increments):
                self._journeys = number
            if now is not None:
                self._kept.append(now if line is None else replace(now, entry=line))
            elif before is not None:
                self._dropped.append(before.number)

    def _write(self, increments: Sequence[Increment], read: Read) -> int | None:
        """Add lines; return the number of the last one."""
        number = None
        for one in increments:
            number = self._state.lines + len(self._lines) + 1
            event = read.events[one.event] if one.event else None
            source = source_of_line(self._connection, one.source) if isinstance(one.source, int) else one.source
            self._lines.append(
                Line(
                    number=number,
                    journey=one.journey,
                    actor=one.actor,
                    kind=one.kind,
                    name=None if event is None else self._texts.name_known(event.name),
                    event_id=None if event is None else event.id,
                    event_time=None if event is None else event.time,
                    order=None if event is None else event.order,
                    source=source,
                    value=one.value,
                    emitted=one.emitted,
                    fit=one.fit,
                )
            )
        return number

    def news(self, last: int, as_of: int, share: int, shares: int) -> LedgerNews:
        """All of it: the ledger knows the events up to the `last` then, at as_of, of so many shares of the actors."""
        return LedgerNews(
            before=self._state,
            last_seq=last,
            time=self._as_of,
            as_of=as_of,
            journeys=self._journeys,
            share=share,
            shares=shares,
            lines=self._lines,
            kept=self._kept,
            dropped=self._dropped,
        )
