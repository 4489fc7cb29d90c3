"""Whether rows may be bid on: what decides on it, beside the evidence of a row."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Sequence

import numpy as np

from kizashi_collector.analysis import (
    Break,
    Codes,
    EventTable,
    FittedKeys,
    Foretold,
    Grounds,
    Ladder,
    LoggedEvent,
    Pace,
    breaks,
    reason,
)
from kizashi_schemas.plan import Plan

__all__ = ["HISTORY_MS", "PlannedPace", "grounds_of", "judge"]

HISTORY_MS = 29 * 86_400_000
"""What happened before is not looked at when a break in the tracking is looked for."""

_FURTHEST_BACK_MS = 23 * 3_600_000


class PlannedPace:
    """How many of each planned event came in which hour, lately. What lies ahead of now waits for its time."""

    def __init__(self, plan: Plan, codes: Codes, now: int) -> None:
        self._codes = codes
        self._names = list(plan.events)
        self._place = {name: at for at, name in enumerate(self._names)}
        self._places = np.zeros(0, np.int64)
        self._pace = Pace(now)
        self._now = now
        self._ahead: list[tuple[int, int]] = []

    def add(self, events: EventTable) -> None:
        """Count events in."""
        names = self._codes.names
        if len(self._places) < len(names):
            self._places = np.array([self._place.get(name, -1) for name in names], np.int64)
        places, times = self._places[events.name], events.time
        ahead = times > self._now
        if ahead.any():
            for time, place in zip(times[ahead].tolist(), places[ahead].tolist(), strict=True):
                heapq.heappush(self._ahead, (time, place))
            places, times = places[~ahead], times[~ahead]
        self._pace.add(places, times)

    def take_back(self, events: Sequence[LoggedEvent]) -> None:
        """Count events out that are no longer in the log."""
        for event in events:
            place = self._place.get(event.name, -1)
            if event.adjust is not None:
                continue
            if event.time > self._now:
                self._ahead.remove((event.time, place))
                heapq.heapify(self._ahead)
            else:
                self._pace.add(np.array([place]), np.array([event.time]), -1)

    def _advance(self, now: int) -> None:
        self._now = max(now, self._now)
        while self._ahead and self._ahead[0][0] <= self._now:
            time, place = heapq.heappop(self._ahead)
            self._pace.add(np.array([place]), np.array([time]))
        self._pace.advance(self._now)

    def breaks(self, as_of: int, complete_until: int | None) -> list[Break]:
        """Events that stopped or jumped beyond what their history allows, as far as events have arrived."""
        self._advance(as_of)
        if complete_until is None or as_of - complete_until > _FURTHEST_BACK_MS:
            return []
        rows = self._pace.rows(complete_until)
        return breaks(rows, complete_until, self._names[: len(rows)])


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
) -> Grounds:
    """What decides on all rows of the answer about a window of this length."""
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
        breaks=found,
        back_tests=[Foretold(test.foretold, test.happened, test.error) for test in tests],
    )


def judge(grounds: Grounds, *, young: bool) -> Callable[[float], str | None]:
    """Why a row with so much evidence is not ready, or None. While no journey is as old as the horizon, none is."""

    def of_evidence(evidence: float) -> str | None:
        why = reason(grounds, None if young else evidence)
        return None if why is None else why.code

    return of_evidence
