"""What a review counts, from events and journeys as columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from msgspec import Struct
from msgspec.structs import replace
from numpy.typing import NDArray

from kizashi_collector.analysis._journeys import CONVERTED, Journeys, Ladder
from kizashi_collector.analysis._matching import Check
from kizashi_collector.analysis._percentiles import nearest_rank
from kizashi_collector.analysis._review._counts import RECENT_MS, AmountSums, Cohort, EventCounts, ReviewCounts
from kizashi_collector.analysis._review._figures import Lag
from kizashi_collector.analysis._review._occurrences import Belonging, Occurrences
from kizashi_collector.analysis._table import Codes, Column, EventTable
from kizashi_schemas.plan import Plan

__all__ = ["count_review"]

_SUMMED = 1 << 16


def count_review(
    table: EventTable,
    codes: Codes,
    plan: Plan,
    journeys: Journeys | None,
    as_of: int,
    check: Check = lambda: None,
) -> ReviewCounts:
    """Count what the review of a plan is worked out from.

    `table` holds the planned events with time in (as_of − lookback − horizon, as_of], in any order, and may hold
    others; of their columns name, time and actor are looked at, and 28 days of events are needed for `recent`.
    `journeys` are those of the plan's ladder as they stand at as_of, from where no journey was open; None where the
    plan has no final. Every event and journey counted is known at as_of, and the order of events changes nothing.
    `check` is called between events' names, and what it raises ends the work.
    """
    ladder = Ladder.of(plan)
    cohort = Cohort.of(ladder, as_of)
    members = _Members.of(journeys, ladder, cohort)
    belonging = Belonging(members.journeys, cohort.horizon_ms)
    known = {name: code for code, name in enumerate(codes.names) if code}
    events: dict[str, EventCounts] = {}
    primaries: dict[str, Occurrences] = {}
    for name, rule in plan.events.items():
        if not rule.final:
            rows = np.flatnonzero(table.name == known.get(name, -1))
            rows = rows[table.time[rows] <= as_of]
            time = table.time[rows]
            found = belonging.occurrences(table.actor[rows], time)
            events[name] = members.counts(found, cohort, recent=int((time > as_of - RECENT_MS).sum()))
            if rule.action == "primary":
                primaries[name] = found
            check()
    finals = {name: known.get(name, -1) for name in plan.finals if plan.events[name].action == "primary"}
    for name in primaries:
        events[name] = replace(events[name], followed=_followed(name, primaries, finals, members))
    return ReviewCounts(
        events=events,
        journeys=len(members.rows),
        converted=int(members.converted[members.rows].sum()),
        brought=_brought(members.journeys, members.with_finals),
    )


def _sums(amounts: Sequence[int] | Column) -> AmountSums:
    """Σy and Σy² of any amounts, exactly."""
    total = squares = 0
    for start in range(0, len(amounts), _SUMMED):
        # Python's integers outgrow 64 bits, and take 30 bytes each.
        part = amounts[start : start + _SUMMED]
        plain = part.tolist() if isinstance(part, np.ndarray) else part
        total += sum(plain)
        squares += sum(amount * amount for amount in plain)
    return AmountSums(len(amounts), total, squares)


class _Members(Struct, frozen=True, eq=False):
    """Which journeys are of the cohort (`rows`), with those that are a lone final, and which wait."""

    journeys: Journeys
    rows: Column
    with_finals: Column
    converted: NDArray[np.bool_]
    waiting: NDArray[np.bool_]

    @classmethod
    def of(cls, journeys: Journeys | None, ladder: Ladder | None, cohort: Cohort) -> _Members:
        if journeys is None or ladder is None:
            return cls(_no_journeys(), *(np.zeros(0, np.int64),) * 2, *(np.zeros(0, np.bool_),) * 2)
        is_open = journeys.open_at(cohort.as_of, cohort.horizon_ms)
        known = (journeys.begin > cohort.start) & (journeys.begin <= cohort.end) & ~is_open
        return cls(
            journeys=journeys,
            rows=np.flatnonzero(known & (journeys.deepest < ladder.final)),
            with_finals=np.flatnonzero(known),
            converted=journeys.ended == CONVERTED,
            waiting=(journeys.begin > cohort.start) & (is_open | (journeys.begin > cohort.end)),
        )

    def counts(self, found: Occurrences, cohort: Cohort, recent: int) -> EventCounts:
        had = self.rows[found.there[self.rows]]
        converted = had[self.converted[had]]
        lags = np.sort(self.journeys.end[converted] - found.first[converted]).tolist()
        begin = self.journeys.begin[had]
        periods = []
        for start, end in cohort.periods:
            within = had[(begin > start) & (begin <= end)]
            periods.append((len(within), int(self.converted[within].sum())))
        return EventCounts(
            journeys=len(had),
            converted=len(converted),
            waiting=int((self.waiting & found.there).sum()),
            recent=recent,
            lag=Lag(nearest_rank(lags, 500), nearest_rank(lags, 900)) if lags else None,
            periods=tuple(periods),
        )


def _followed(
    name: str, primaries: Mapping[str, Occurrences], finals: Mapping[str, int], members: _Members
) -> dict[str, int]:
    """In how many of the cohort's journeys with a primary micro-conversion each other primary event followed it."""
    had = members.rows[primaries[name].there[members.rows]]
    first = primaries[name].first[had]
    after = {other: int((one.last[had] >= first).sum()) for other, one in primaries.items() if other != name}
    ended_by = members.journeys.final[had[members.converted[had]]]
    after |= {final: int((ended_by == code).sum()) for final, code in finals.items()}
    return {other: count for other, count in after.items() if count}


def _brought(journeys: Journeys, rows: Column) -> AmountSums:
    """Of those of some journeys that converted, and whose amounts are known."""
    converted = rows[journeys.ended[rows] == CONVERTED]
    apart = np.fromiter(journeys.apart, np.int64, len(journeys.apart))
    plain = _sums(journeys.brought[converted[~np.isin(converted, apart)]])
    known = [journeys.apart[row] for row in apart[np.isin(apart, converted)].tolist()]
    large = _sums([amount for amount in known if amount is not None])
    return AmountSums(plain.count + large.count, plain.total + large.total, plain.squares + large.squares)


def _no_journeys() -> Journeys:
    none = np.zeros(0, np.int64)
    few = none.astype(np.int8)
    return Journeys(
        actor=none,
        begin=none,
        source=none,
        deepest=none.astype(np.int16),
        reached=np.zeros((0, 1), np.int64),
        ended=few,
        end=none,
        final=none,
        brought=none,
        apart={},
    )
