"""What ClickHouse finds of journeys is what the plain algorithm and the columns find, to the last integer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec
import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from clickhouse_engine import ask, events_table
from kizashi_collector.analysis import (
    Interval,
    LagGrid,
    LoggedEvent,
    RowCells,
    Statistics,
    Worth,
    by_actor,
    fit,
    walk_journeys,
    walked_journeys,
)
from kizashi_collector.store._clickhouse._amounts import Amounts
from kizashi_collector.store._clickhouse._journeys import journeys_sql, row_cells
from kizashi_collector.store._clickhouse._journeys._asking import Asking
from kizashi_collector.store._clickhouse._journeys._bounded import told_apart
from kizashi_collector.store._clickhouse._journeys._statistics import statistics
from kizashi_collector.store._clickhouse._rows import DIMENSIONS
from kizashi_collector.store._clickhouse._sql import Parameters, View
from kizashi_collector.store._current import Learned, learn
from kizashi_collector.store._known_keys import bounded
from kizashi_schemas.plan import Plan
from oracle.logs import GRID_MS, ORIGIN_MS, event_logs, intervals
from properties.test_journeys_against_oracle import NAMES, PLANS, ladder_of
from tried import tried

HOUR_MS = 3_600_000
_PROFILE = tried(5)
_AS_OF = st.builds(lambda slot, beside: ORIGIN_MS + slot * GRID_MS + beside, st.integers(-1, 12), st.integers(-1, 1))
_WHOLE = ORIGIN_MS + 13 * GRID_MS


def rows_of(sql: str, parameters: Parameters) -> list[tuple[Any, ...]]:
    return list(zip(*ask(sql, parameters.values), strict=True))


def amounts_of(log: Sequence[LoggedEvent], plan: Plan, view: View, as_of: int, parameters: Parameters) -> Amounts:
    return Amounts.of(plan, view, as_of, parameters, adjusted=any(event.adjust for event in log))


def worth_of(log: Sequence[LoggedEvent], plan: Plan, as_of: int) -> Worth:
    return Worth(plan, [event for event in log if event.adjust and event.time <= as_of])


def walked_rows(
    log: Sequence[LoggedEvent], plan: Plan, as_of: int, fields: Sequence[str], begun_after: int
) -> Iterator[tuple[Any, ...]]:
    """What the plain algorithm finds, in the columns of the query."""
    ladder, worth = ladder_of(plan), worth_of(log, plan, as_of)
    for own in by_actor(log).values():
        for journey in walk_journeys(own, ladder, as_of=as_of):
            final, source = journey.final, journey.source(ladder)
            if journey.begin > begun_after:
                yield (
                    journey.begin,
                    bool(source),
                    *(source.get(field, "") for field in fields),
                    journey.deepest(ladder),
                    *(journey.reached.get(depth, -1) for depth in range(ladder.final)),
                    0 if final is None else 2 if worth.retracted(final) else 1,
                    -1 if final is None else final.time,
                    "" if final is None else final.name,
                    0 if final is None else worth.final(final),
                )


def enlarged(log: Sequence[LoggedEvent], factor: int) -> list[LoggedEvent]:
    return [msgspec.structs.replace(e, value=None if e.value is None else min(e.value * factor, 10**16)) for e in log]


_LOGS = event_logs(names=NAMES, min_size=4, max_size=24, crowd=24, actors="iiij")
_FIELDS = st.sampled_from([(), ("campaign",), ("campaign", "device"), ("gclid", "campaign")])


@_PROFILE
@given(
    log=_LOGS,
    plan=st.sampled_from(PLANS),
    as_of=st.one_of(st.just(_WHOLE), _AS_OF),
    begun_after=st.one_of(st.none(), _AS_OF),
    fields=_FIELDS,
    factor=st.sampled_from([1, 10**9]),
)
def test_any_journeys_are_those_of_the_plain_algorithm(
    log: list[LoggedEvent], plan: Plan, as_of: int, begun_after: int | None, fields: tuple[str, ...], factor: int
) -> None:
    log, view, parameters = enlarged(log, factor), events_table(enlarged(log, factor)), Parameters()
    amounts = amounts_of(log, plan, view, as_of, parameters)
    sql = journeys_sql(ladder_of(plan), view, as_of, parameters, amounts, fields, begun_after=begun_after)
    found = [row[1:] for row in rows_of(sql, parameters)]
    expected = walked_rows(log, plan, as_of, fields, -2 if begun_after is None else begun_after)
    assert sorted(found, key=repr) == sorted(expected, key=repr)


def plain(value: object) -> object:
    """The same with columns as their type and numbers."""
    if isinstance(value, np.ndarray):
        return value.dtype, value.tolist()
    if isinstance(value, msgspec.Struct):
        return {name: plain(one) for name, one in msgspec.structs.asdict(value).items()}
    return value


@_PROFILE
@given(
    log=_LOGS,
    plan=st.sampled_from(PLANS),
    interval=intervals(),
    fields=_FIELDS,
    factor=st.sampled_from([1, 10**9]),
    at_once=st.sampled_from([64_000_000, 4]),
)
def test_any_cells_are_those_of_the_walked_journeys(
    log: list[LoggedEvent], plan: Plan, interval: Interval, fields: tuple[str, ...], factor: int, at_once: int
) -> None:
    log, ladder = enlarged(log, factor), ladder_of(plan)
    grid, worth = LagGrid.of(ladder.horizon_ms), worth_of(log, plan, interval.as_of)
    journeys, sources = walked_journeys(log, ladder, worth, as_of=interval.as_of)
    keys = [tuple(source.get(field, "") for field in fields) for source in sources]
    expected = RowCells.of(journeys, keys, ladder, grid, interval)
    adjusted = any(event.adjust for event in log)
    found = row_cells(ask, events_table(log), plan, ladder, interval, fields, grid, adjusted, at_once)
    assert plain(found) == plain(expected)


def known_sources(log: Sequence[LoggedEvent], credited: Sequence[Mapping[str, str]], by: Sequence[str]) -> list[Any]:
    """Sources as the other store knows them: all that were ever sent, by what has a column; else those credited."""
    return [*credited, *(event.source for event in log)] if set(by) <= set(DIMENSIONS) else [*credited]


@_PROFILE
@given(
    log=_LOGS,
    plan=st.sampled_from(PLANS),
    now=st.one_of(st.just(_WHOLE), _AS_OF),
    by=_FIELDS,
    lookback=st.sampled_from([90 * 24, 30, 7]),
    factor=st.sampled_from([1, 10**9]),
    at_once=st.sampled_from([64_000_000, 4]),
    most=st.sampled_from([None, 2_000, 1, 2, 3]),
)
def test_what_is_learned_is_the_same_to_the_byte(
    log: list[LoggedEvent],
    plan: Plan,
    now: int,
    by: tuple[str, ...],
    lookback: int,
    factor: int,
    at_once: int,
    most: int | None,
) -> None:
    log = enlarged(log, factor)
    ladder = msgspec.structs.replace(ladder_of(plan), lookback_ms=lookback * HOUR_MS)
    journeys, credited = walked_journeys(log, ladder, worth_of(log, plan, now), as_of=now)
    known = known_sources(log, credited, by)
    sources = known if most is None else bounded(known, by, most)
    adjusted = any(event.adjust for event in log)
    asking = Asking(ask, plan, ladder, events_table(log), now, adjusted, at_once)
    expected = Statistics.of(
        journeys,
        np.arange(len(sources)),
        [tuple(source.get(field, "") for field in by) for source in sources],
        boundary=now // HOUR_MS * HOUR_MS,
        horizon=ladder.horizon_ms,
        lookback=ladder.lookback_ms,
    )
    found = statistics(asking, told_apart(asking, by, most), now // HOUR_MS * HOUR_MS)
    assert plain(found.statistics) == plain(expected)
    packed = Learned.packed([(by, fit(found.statistics))], asking.oldest(), found.begun)
    assert packed == learn(journeys, sources, plan, ladder, now, [by]).fits
