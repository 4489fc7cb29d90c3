"""What a review counts is the same, to the micro, whether ClickHouse counts it or it is counted from columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from random import Random
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from clickhouse_engine import engine, events_table
from kizashi_collector.analysis import Ladder, LoggedEvent, ReviewCounts, Worth, count_review
from kizashi_collector.analysis._journeys import find_journeys
from kizashi_collector.store._clickhouse._review import review_counts
from kizashi_schemas.plan import Plan, load_plan
from oracle.logs import GRID_MS, ORIGIN_MS, event_logs
from properties.test_column_funnels_against_plain import table_of
from tried import tried

TEXT = """
    currency = "JPY"
    rates = { USD = 150.5 }
    [events.a]
    [events.b]
    action = "primary"
    [events.c]
    value = 40
    action = "primary"
    [events.o]
    action = "primary"
    [events.f]
    final = true
    action = "primary"
    value = "event"
    [events.g]
    final = true
    action = "primary"
    value = 70
    [values]
    ladder = ["a", "b", "c"]
    horizon = "6h"
    lookback = "2d"
"""
PLANS = [
    load_plan(text)
    for text in (
        TEXT,
        TEXT.replace("6h", "18h"),
        TEXT.replace("6h", "12h").replace("2d", "12h"),
        TEXT.replace('["a", "b", "c"]', '["c"]').replace('"primary"', '"secondary"', 2).replace("2d", "7d"),
        TEXT.replace('["a", "b", "c"]', "[]").replace('"primary"', '"secondary"'),
        TEXT.replace("rates = { USD = 150.5 }", "").replace("6h", "1d"),
    )
]
NAMES = "aaabbccooffgx"
_AS_OF = st.builds(lambda slot, beside: ORIGIN_MS + slot * GRID_MS + beside, st.integers(-1, 16), st.integers(-1, 1))


def in_columns(log: Sequence[LoggedEvent], plan: Plan, as_of: int, seed: int = 0) -> ReviewCounts:
    """The counts of a log from columns, in any order."""
    ladder = Ladder.of(plan)
    table, codes = table_of(log, Random(seed))
    if ladder is None:
        return count_review(table, codes, plan, None, as_of)
    worth = Worth(plan, [event for event in log if event.adjust and event.time <= as_of])
    adjusted = {seq: event for seq, event in enumerate(log, 1) if (event.name, event.order) in worth.adjusted}
    journeys = find_journeys(table, codes, ladder, worth=worth, adjusted=adjusted, as_of=as_of)
    return count_review(table, codes, plan, journeys, as_of)


def quickly(sql: str, parameters: Mapping[str, Any]) -> list[Any]:
    """The columns of a query, without a pass of the analysis that takes longer than small logs take to be counted."""
    settings = {"optimize_and_compare_chain": 0}
    return list(
        engine().query(sql, parameters=dict(parameters), settings=settings, column_oriented=True).result_columns
    )


def in_clickhouse(log: Sequence[LoggedEvent], plan: Plan, as_of: int) -> ReviewCounts:
    """The counts of a log by queries."""
    return review_counts(quickly, events_table(log), plan, as_of, any(event.adjust for event in log))


@tried(8)
@given(
    log=event_logs(names=NAMES, max_size=40, crowd=6, min_size=8),
    plan=st.sampled_from(PLANS),
    as_of=_AS_OF,
    factor=st.sampled_from([1, 10**9]),
)
def test_queries_count_what_columns_count(log: list[LoggedEvent], plan: Plan, as_of: int, factor: int) -> None:
    log = [msgspec.structs.replace(e, value=None if e.value is None else min(e.value * factor, 10**16)) for e in log]
    assert in_clickhouse(log, plan, as_of) == in_columns(log, plan, as_of)
