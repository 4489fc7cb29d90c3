"""The plain algorithm: one actor's journeys, event by event."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from msgspec import Struct

from kizashi_collector.analysis._events import LoggedEvent
from kizashi_collector.analysis._journeys._ladder import Ladder

__all__ = ["Journey", "walk_journeys"]


class Journey(Struct):
    """A journey: its events in order, and when it reached each depth as a deeper step than all before."""

    events: list[LoggedEvent]
    reached: dict[int, int]
    final: LoggedEvent | None = None

    @property
    def begin(self) -> int:
        """When it began."""
        return self.events[0].time

    @property
    def clock(self) -> int:
        """When it first reached its deepest step: from then the horizon counts. Of a lone final, when that happened."""
        return self.reached[max(self.reached)] if self.reached else self.begin

    def deepest(self, ladder: Ladder) -> int:
        """The depth that it reached before its final; that of finals, where there is nothing else."""
        return max(self.reached, default=ladder.final)

    def source(self, ladder: Ladder) -> Mapping[str, str]:
        """The source that it is credited to: the whole one of its last, or first, event that has one; else none."""
        sources = [event.source for event in self.events if event.source]
        return (sources[0] if ladder.credit == "first" else sources[-1]) if sources else {}


def walk_journeys(events: Iterable[LoggedEvent], ladder: Ladder, *, as_of: int) -> list[Journey]:
    """The journeys of one actor as they stand at as_of, in order.

    Events come in the order of their numbers in the log, adjustments and unplanned ones aside or not. Within one
    instant the ladder goes first, then other micro-conversions, then finals; of one depth the lower number.
    """
    known = [event for event in events if event.adjust is None and event.name in ladder.depths and event.time <= as_of]
    known.sort(key=lambda event: (event.time, ladder.rank(ladder.depths[event.name])))
    journeys: list[Journey] = []
    current: Journey | None = None
    for event in known:
        if current is None or event.time > current.clock + ladder.horizon_ms:
            current = Journey(events=[], reached={})
            journeys.append(current)
        current.events.append(event)
        depth = ladder.depths[event.name]
        if depth == ladder.final:
            current.final = event
            current = None
        elif depth > max(current.reached, default=-1):
            current.reached[depth] = event.time
    return journeys
