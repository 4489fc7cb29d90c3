"""Whether rows may be bid on: what decides on it, beside the evidence of a row."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from msgspec import Struct

from kizashi_collector.analysis import (
    Break,
    Codes,
    Column,
    EventTable,
    FittedKeys,
    Foretold,
    Grounds,
    Ladder,
    LoggedEvent,
    Pace,
    breaks,
    reason,
    sentences,
)
from kizashi_schemas import Reason
from kizashi_schemas.plan import Plan

__all__ = ["HISTORY_MS", "Judged", "PlannedPace", "breaks_until", "grounds_of", "judged"]

HISTORY_MS = 29 * 86_400_000
"""What happened before is not looked at when a break in the tracking is looked for."""

_FURTHEST_BACK_MS = 23 * 3_600_000
_MINUTE_MS = 60_000
_NEVER = 1 << 62


class PlannedPace:
    """How many of each planned event came in which hour, lately. What lies ahead of now waits for its time."""

    def __init__(self, plan: Plan, codes: Codes, now: int) -> None:
        self._codes = codes
        self._names = list(plan.events)
        self._place = {name: at for at, name in enumerate(self._names)}
        self._places = np.zeros(0, np.int64)
        self._pace = Pace(now)
        self._now = now
        # Times and places, in no order; and the first of the times.
        self._ahead: list[tuple[Column, Column]] = []
        self._due = _NEVER
        self._found: tuple[object, list[Break]] | None = None

    def add(self, events: EventTable, now: int) -> None:
        """Count events in, at an instant `now`."""
        names = self._codes.names
        if len(self._places) < len(names):
            self._places = np.array([self._place.get(name, -1) for name in names], np.int64)
        self._advance(now)
        places, times = self._places[events.name], events.time
        ahead = times > self._now
        if ahead.any():
            self._wait(times[ahead], places[ahead])
            places, times = places[~ahead], times[~ahead]
        self._pace.add(places, times)

    def take_back(self, events: Sequence[LoggedEvent]) -> None:
        """Count events out that are no longer in the log."""
        for event in events:
            place = self._place.get(event.name, -1)
            if event.adjust is not None:
                continue
            if event.time > self._now:
                times, places = self._joined()
                one = np.flatnonzero((times == event.time) & (places == place))[:1]
                self._ahead = [(np.delete(times, one), np.delete(places, one))]
            else:
                self._pace.add(np.array([place]), np.array([event.time]), -1)

    def _wait(self, times: Column, places: Column) -> None:
        self._ahead.append((times, places))
        self._due = min(self._due, int(times.min()))

    def _joined(self) -> tuple[Column, Column]:
        times, places = zip(*self._ahead, strict=True)
        return np.concatenate(times), np.concatenate(places)

    def _advance(self, now: int) -> None:
        self._now = max(now, self._now)
        if self._due <= self._now:
            times, places = self._joined()
            due = times <= self._now
            self._ahead, self._due = [], _NEVER
            if not due.all():
                self._wait(times[~due], places[~due])
            self._pace.add(places[due], times[due])
        self._pace.advance(self._now)

    def breaks(self, as_of: int, complete_until: int | None) -> list[Break]:
        """Events that stopped or jumped beyond what their history allows, up to the whole minute before which all have
        arrived. Found anew as a minute begins, and where more changed than how many came in the hour that runs."""
        self._advance(as_of)
        until = breaks_until(as_of, complete_until)
        if until is None:
            return []
        state = (until, self._pace.version)
        if self._found is None or self._found[0] != state:
            rows = self._pace.rows(until)
            self._found = state, breaks(rows, until, self._names)
        return self._found[1]


def breaks_until(as_of: int, complete_until: int | None) -> int | None:
    """The whole minute before which all have arrived, up to which breaks are looked for; None where that is too long
    ago."""
    if complete_until is None or as_of - complete_until > _FURTHEST_BACK_MS:
        return None
    return complete_until // _MINUTE_MS * _MINUTE_MS


def grounds_of(
    plan: Plan,
    ladder: Ladder,
    fitted: FittedKeys | None,
    found: Sequence[Break],
    *,
    as_of: int,
    length: int,
    complete_until: int | None,
    mending: bool,
    redefined: bool = False,
) -> Grounds:
    """What decides on all rows of the answer about a window of this length. `redefined`: journeys became another thing
    less than a horizon ago, by a change of plan (`rules_changed_at`)."""
    steps = [name for name, depth in ladder.depths.items() if 0 < depth <= ladder.steps]
    tests = () if fitted is None else fitted.fit.back_tests
    return Grounds(
        as_of=as_of,
        complete_until=complete_until,
        window_ms=length,
        ladder=steps,
        finals=plan.finals,
        minimum=plan.values.min_effective_conversions,
        unfitted=fitted is None,
        mending=mending,
        redefined=redefined,
        breaks=found,
        back_tests=[Foretold(test.foretold, test.happened, test.error) for test in tests],
    )


class Judged(Struct, frozen=True):
    """What there is to say of rows: why one with so much evidence is not ready, or None; and a sentence for each reason
    that one of them may have."""

    judge: Callable[[float], str | None]
    reasons: Mapping[Reason, str]


def judged(grounds: Grounds, *, young: bool) -> Judged:
    """Judge all rows of an answer by the same grounds. While no journey is as old as the horizon, none has evidence."""

    def of_evidence(evidence: float) -> str | None:
        why = reason(grounds, None if young else evidence)
        return None if why is None else why.code

    return Judged(of_evidence, sentences(grounds, young=young))
