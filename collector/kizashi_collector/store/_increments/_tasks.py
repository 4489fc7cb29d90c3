"""What the ledger lacks: journeys of which something is to be told, and what is read of their events for that."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from msgspec import Struct
from msgspec.structs import replace

from kizashi_collector.analysis import (
    Emitted,
    Ladder,
    LoggedEvent,
    Standing,
    free_of,
    matched,
    source_text,
    standing_journeys,
    unchanged,
)

__all__ = ["History", "Read", "Task", "in_parts", "tasks"]

_LOOK = 500
_AT_ONCE = 100_000
_PART = 2_000
_NO_SOURCE = source_text({})


class History(Struct, frozen=True):
    """An actor's planned events in the order of journeys: when, how deep, whether certainly from a source, and their
    numbers, which are positive."""

    actor: int
    times: Sequence[int]
    depths: Sequence[int]
    sourced: Sequence[bool]
    events: Sequence[int]

    def only(self, places: Sequence[int]) -> History:
        """The events at these places."""
        times, depths = [self.times[at] for at in places], [self.depths[at] for at in places]
        sourced, events = [self.sourced[at] for at in places], [self.events[at] for at in places]
        return History(self.actor, times, depths, sourced, events)


class Task(Struct, frozen=True):
    """Something to be told: of a journey, or that the one told of `before` is over, with no event of its own."""

    actor: int
    journey: Standing | None
    before: Emitted | None
    over: bool = False


def tasks(
    histories: Iterable[History],
    emitted: Mapping[int, list[Emitted]],
    ladder: Ladder,
    edge: int,
    adjusted: set[int],
    as_of: int,
    check: Callable[[], None],
) -> Iterator[Task]:
    """What is to be told of these actors. Journeys that began before `edge` stay as they are: events of theirs went."""
    rules = zlib.crc32(repr(ladder).encode())
    left = dict(emitted)
    for at, history in enumerate(histories):
        if at % _LOOK == 0:
            check()
        known = left.pop(history.actor, [])
        kept = [one for one in known if one.begin < edge]
        if kept:
            yield from _expired(kept, as_of)
            finals = [depth == ladder.final for depth in history.depths]
            history = history.only(free_of(kept, history.times, finals, history.events))
        journeys = standing_journeys(history.times, history.depths, history.sourced, history.events, ladder, rules)
        pairs, gone = matched([one for one in known if one.begin >= edge], journeys)
        for one in gone:
            yield Task(history.actor, None, one)
        for journey, before in pairs:
            if not unchanged(journey, before, as_of) or journey.final in adjusted:
                yield Task(history.actor, journey, before)
    for actor, known in left.items():
        yield from _expired([one for one in known if one.begin < edge], as_of)
        for one in known:
            if one.begin >= edge:
                yield Task(actor, None, one)


def _expired(kept: list[Emitted], as_of: int) -> Iterator[Task]:
    for one in kept:
        if not one.final and one.until < as_of:
            yield Task(one.actor, None, one, True)


def in_parts(some: list[Task]) -> Iterator[list[Task]]:
    """Tasks as many as one transaction of some 20 ms takes, all of an actor in one; one part at least."""
    begin = 0
    while len(some) - begin > _PART:
        end = begin + _PART
        while end < len(some) and some[end].actor == some[end - 1].actor:
            end += 1
        yield some[begin:end]
        begin = end
    yield some[begin:]


class Read:
    """What is read of events for the sake of some tasks: what they caused, and the sources that they name.

    `may_have` tells of an event, by its number, whether it may have a source.
    """

    def __init__(self, tasks: Iterable[Task], as_of: int, may_have: Callable[[int], bool] = lambda _: True) -> None:
        self.events: dict[int, LoggedEvent] = {}
        self._sources: dict[int, str] = {}
        self._same: dict[str, str] = {}
        self._causes: set[int] = set()
        self._clues: set[int] = set()
        for task in tasks:
            journey = task.journey
            if journey is not None and (journey.final or journey.until >= as_of):
                self._causes.add(journey.final or journey.step)
                self._clues.update(clue for clue in journey.clues if may_have(clue))
        self._waiting = sorted(self._causes | self._clues)
        self._at = 0

    @property
    def done(self) -> bool:
        """Whether all was read."""
        return self._at == len(self._waiting)

    def some(
        self, events_at: Callable[[Sequence[int]], Iterable[tuple[int, LoggedEvent]]], check: Callable[[], None]
    ) -> None:
        """Read on, for a few seconds at most. `events_at` yields events by their numbers, which ascend."""
        seqs = self._waiting[self._at : self._at + _AT_ONCE]
        for at, (seq, event) in enumerate(events_at(seqs)):
            if at % _LOOK == 0:
                check()
            if seq in self._clues and event.source:
                text = source_text(event.source)
                self._sources[seq] = self._same.setdefault(text, text)
            if seq in self._causes:
                self.events[seq] = replace(event, source={}, properties={}, consent={})
        self._at += len(seqs)

    def source(self, journey: Standing) -> str:
        """The source that a journey is credited to."""
        return next((self._sources[clue] for clue in journey.clues if clue in self._sources), _NO_SOURCE)
