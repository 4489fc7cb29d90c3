"""What a review counts, as ClickHouse counts it: Python only puts the numbers in their places."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from msgspec.structs import replace

from kizashi_collector.analysis import RECENT_MS, AmountSums, Cohort, EventCounts, Ladder, Lag, ReviewCounts
from kizashi_collector.store._clickhouse._amounts import Amounts
from kizashi_collector.store._clickhouse._journeys import journeys_sql
from kizashi_collector.store._clickhouse._review._counts_sql import Codes, counts_sql
from kizashi_collector.store._clickhouse._sql import Ask, Parameters, View
from kizashi_schemas.plan import Plan

__all__ = ["review_counts"]


def review_counts(
    ask: Ask, view: View, plan: Plan, as_of: int, adjusted: bool, check: Callable[[], None] = lambda: None
) -> ReviewCounts:
    """The same numbers as `analysis.count_review` counts from the journeys of these events as they stand at as_of.

    `adjusted` tells whether the view has any adjustment at all. `check` is called between queries.
    """
    ladder = Ladder.of(plan)
    if ladder is None:
        return ReviewCounts.none(plan)
    cohort, codes = Cohort.of(ladder, as_of), Codes.of(plan)
    parameters = Parameters()
    amounts = Amounts.of(plan, view, as_of, parameters, adjusted=adjusted)
    journeys = journeys_sql(ladder, view, as_of, parameters, amounts, (), begun_after=cohort.start)
    counted = ask(counts_sql(journeys, view, ladder, codes, cohort, parameters), parameters.values)
    check()
    recent = _recent(ask, view, codes, as_of)
    return _arranged(counted, recent, codes, cohort)


def _recent(ask: Ask, view: View, codes: Codes, as_of: int) -> dict[str, int]:
    """How often each micro-conversion happened lately, to whomever."""
    parameters = Parameters()
    names, until = parameters.add(codes.micros, "Array(String)"), parameters.add(as_of, "Int64")
    columns = ask(
        f"""
        SELECT toString(name) AS event, count()
        FROM {view.table}
        WHERE {view.where} AND adjust = 0 AND has({names}, name) AND time > {until} - {RECENT_MS} AND time <= {until}
        GROUP BY event""",  # names travel as parameters
        parameters.values,
    )
    return dict(zip(*columns, strict=True))


def _arranged(
    counted: Sequence[Sequence[Any]], recent: Mapping[str, int], codes: Codes, cohort: Cohort
) -> ReviewCounts:
    rows = {row[0]: row[1:] for row in zip(*counted, strict=True)}
    events = {}
    none = EventCounts(periods=((0, 0),) * len(cohort.periods))
    for code, name in enumerate(codes.micros, 1):
        events[name] = replace(_event(rows[code], codes) if code in rows else none, recent=recent.get(name, 0))
    journeys, converted, *_ = rows.get(0, (0, 0))
    sums = [row[-3:] for code, row in rows.items() if code in (0, codes.lone_final)]
    return ReviewCounts(
        events=events,
        journeys=journeys,
        converted=converted,
        brought=AmountSums(*(sum(column) for column in zip(*sums, strict=True))),
    )


def _event(row: Sequence[Any], codes: Codes) -> EventCounts:
    journeys, converted, waiting, p50, p90, period_journeys, period_converted, followed, *_ = row
    return EventCounts(
        journeys=journeys,
        converted=converted,
        waiting=waiting,
        lag=Lag(p50, p90) if converted else None,
        periods=tuple(zip(period_journeys, period_converted, strict=True)),
        # None has followed at all where the list is empty.
        followed={name: count for name, count in zip(codes.followers, followed, strict=False) if count},
    )
