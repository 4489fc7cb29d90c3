"""Funnels counted by ClickHouse must equal the plain ones, field by field, whatever the funnel and the events."""

from __future__ import annotations

from random import Random

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from clickhouse_engine import ask, drop, events_table
from kizashi_collector.analysis import Interval, LoggedEvent, Worth, evaluate_funnel
from kizashi_collector.store._clickhouse._funnels import funnel_figures
from kizashi_schemas import Funnel
from kizashi_schemas.plan import Plan, load_plan
from oracle.logs import GRID_MS, ORIGIN_MS, event_logs, intervals
from properties.test_funnels_against_oracle import (
    _KEYS,
    PLAN,
    _breakdowns,
    _crowd,
    _crowded_funnel,
    _funnels,
)

_NO_RATE = load_plan(
    """
    currency = "JPY"
    [events.a]
    final = true
    value = "event"
    [events.b]
    value = 12
    [events.c]
    value = "event"
    """
)
_PLANS = [PLAN, PLAN, _NO_RATE, None]
_CROWDS = 12


def check(
    log: list[LoggedEvent], funnel: Funnel, interval: Interval, plan: Plan | None, by: tuple[str, ...], how: str
) -> None:
    """Ask both about a log."""
    adjustments = [event for event in log if event.adjust and event.time <= interval.as_of]
    zone = "UTC" if plan is None else plan.timezone
    worth = Worth(plan, adjustments)
    expected = evaluate_funnel(log, funnel, interval, worth=worth, zone=zone, by=by, attribution=how)
    view = events_table(log)
    try:
        found = funnel_figures(ask, view, funnel, interval, plan, by, how, bool(adjustments), lambda: None)
    finally:
        drop(view)
    assert found == expected


@settings(max_examples=6, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(data=st.data(), funnel=_funnels(), interval=intervals(), plan=st.sampled_from(_PLANS))
def test_any_funnel_equals_the_plain_one(
    data: st.DataObject, funnel: Funnel, interval: Interval, plan: Plan | None
) -> None:
    log = data.draw(event_logs(names="aaabbbccx", max_size=40, crowd=2, actors="ijklmnop"))
    by, how = data.draw(_breakdowns(len(funnel.steps)))
    check(log, funnel, interval, plan, by, how)


def test_crowded_funnels_equal_the_plain_ones() -> None:
    """Plain random draws, many actors to a table: far more events that meet."""
    for number in range(6):
        check(*crowded(Random(number)))


def crowded(draw: Random) -> tuple[list[LoggedEvent], Funnel, Interval, Plan | None, tuple[str, ...], str]:
    """A funnel, and a log of crowds; in half of them events share an instant."""
    funnel = _crowded_funnel(draw)
    slots = draw.choice([2, 4, 9, 40])
    log: list[LoggedEvent] = []
    for crowd in range(_CROWDS):
        apart = draw.random() < 0.5
        log += [
            msgspec.structs.replace(
                event,
                id=f"{event.id}-{crowd}",
                actor=f"{event.actor}{crowd}",
                time=event.time + (int(event.id[1:]) if apart else 0),
            )
            for event in _crowd(draw, slots)
        ]
    start, end, as_of = sorted(draw.randrange(-1, slots) for _ in range(3))
    if draw.random() < 0.7:
        start, end, as_of = -1, slots, slots
    interval = Interval(*(ORIGIN_MS + slot * GRID_MS for slot in (start, end, as_of)))
    how = draw.choice(["first", "last", "all", *(f"step:{k}" for k in range(len(funnel.steps)))])
    return log, funnel, interval, draw.choice(_PLANS), draw.choice(_KEYS), how
