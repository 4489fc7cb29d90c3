"""What is told of journeys, line by line, as a ledger takes it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from msgspec.structs import replace

from kizashi_collector.analysis import Emitted, Increment, StepValues, Worth, settle, take_back
from kizashi_collector.store._increments._tasks import Read, Task
from kizashi_collector.store._ledger import Line

__all__ = ["Told"]


class Told:
    """Gathers what is told at as_of, and numbers it on from so many lines and `journeys`.

    `source_of` gives the source that a line named, `name_of` what stands for the name of an event in the ledger. What
    is gathered are `lines`, journeys as they stand now, which are `kept`, and the ones `dropped`, of which there is no
    more to remember.
    """

    def __init__(
        self,
        lines: int,
        journeys: int,
        as_of: int,
        source_of: Callable[[int], str],
        name_of: Callable[[str], str | int | None],
    ) -> None:
        self.journeys = journeys
        self.lines: list[Line] = []
        self.kept: list[Emitted] = []
        self.dropped: list[Emitted] = []
        self._before, self._as_of, self._source_of, self._name_of = lines, as_of, source_of, name_of

    @property
    def last(self) -> int:
        """The number of the last line that there is now."""
        return self._before + len(self.lines)

    def settle(self, tasks: Sequence[Task], read: Read, values: StepValues, worth: Worth) -> None:
        """Carry tasks out."""
        for task in tasks:
            before, journey = task.before, task.journey
            if journey is None:
                if before is not None:
                    self._write(take_back(before, "expired" if task.over else "correction"), read)
                    self.dropped.append(before)
                continue
            number = self.journeys + 1
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
                self.journeys = number
            if now is not None:
                self.kept.append(now if line is None else replace(now, entry=line))
            elif before is not None:
                self.dropped.append(before)

    def _write(self, increments: Sequence[Increment], read: Read) -> int | None:
        """Add lines; return the number of the last one."""
        number = None
        for one in increments:
            number = self.last + 1
            event = read.events[one.event] if one.event else None
            source = self._source_of(one.source) if isinstance(one.source, int) else one.source
            self.lines.append(
                Line(
                    number=number,
                    journey=one.journey,
                    actor=one.actor,
                    kind=one.kind,
                    name=None if event is None else self._name_of(event.name),
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
