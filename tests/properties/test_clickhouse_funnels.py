"""Funnels counted by ClickHouse must equal the plain ones, field by field, whatever the funnel and the events."""

from __future__ import annotations

from random import Random
from typing import Any, Literal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clickhouse_engine import ask, drop, events_table
from kizashi_collector.analysis import Interval, LoggedEvent, Worth, evaluate_funnel
from kizashi_collector.store._clickhouse._funnels import funnel_figures
from kizashi_schemas import Funnel, Histogram, Step
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
from tried import tried

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
_LARGE = [0, 1, 500_000, 7_000_000, 2**62]
_CURRENCIES = ["JPY", "JPY", "USD", "EUR"]
_ADJUST: list[Literal["restate", "retract"]] = ["restate", "restate", "retract"]


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


@tried(8)
@given(data=st.data(), funnel=_funnels(), interval=intervals(), plan=st.sampled_from(_PLANS))
def test_any_funnel_equals_the_plain_one(
    data: st.DataObject, funnel: Funnel, interval: Interval, plan: Plan | None
) -> None:
    log = data.draw(event_logs(names="aaabbbccx", max_size=40, crowd=2, actors="ijklmnop"))
    by, how = data.draw(_breakdowns(len(funnel.steps)))
    check(log, funnel, interval, plan, by, how)


@pytest.mark.parametrize("usual", [True, False])
def test_crowded_funnels_equal_the_plain_ones(usual: bool) -> None:
    """Plain random draws, many actors to a table: far more events that meet. Half of the funnels are of the kind that
    is counted by a way of its own."""
    for number in range(6):
        check(*crowded(Random(number), usual))


def crowded(draw: Random, usual: bool) -> tuple[list[LoggedEvent], Funnel, Interval, Plan | None, tuple[str, ...], str]:
    """A funnel, and a log of crowds with adjustments; in half of the crowds events share an instant."""
    funnel = _usual_funnel(draw) if usual else _crowded_funnel(draw)
    slots = draw.choice([2, 4, 9, 40])
    log: list[LoggedEvent] = []
    for crowd in range(_CROWDS):
        apart = draw.random() < 0.5
        for event in _crowd(draw, slots):
            time = event.time + (int(event.id[1:]) if apart else 0)
            log.append(
                msgspec.structs.replace(
                    event,
                    id=f"{event.id}-{crowd}",
                    actor=f"{event.actor}{crowd}",
                    time=time,
                    value=draw.choice([event.value, event.value, draw.choice(_LARGE)]),
                    currency=draw.choice(_CURRENCIES),
                    order=draw.choice([None, f"{event.id}-{crowd}"]),
                )
            )
    if draw.random() < 0.6:
        log += _adjustments(draw, log)
    start, end, as_of = sorted(draw.randrange(-1, slots) for _ in range(3))
    if draw.random() < 0.7:
        start, end, as_of = -1, slots, slots
    interval = Interval(*(ORIGIN_MS + slot * GRID_MS for slot in (start, end, as_of)))
    how = draw.choice(["first", "last", "all", *(f"step:{k}" for k in range(len(funnel.steps)))])
    return log, funnel, interval, draw.choice(_PLANS), draw.choice(_KEYS), how


def _usual_funnel(draw: Random) -> Funnel:
    """Any first step begins an attempt, actors count, nothing is excluded and no event fits two steps."""
    conditions: list[dict[str, Any]] = [{}, {}, {}, {"properties.p": ["u", True]}, {"source.campaign": ["g", ""]}]
    names = draw.sample("abcx", draw.randint(1, 4))
    last = len(names) - 1
    return Funnel(
        steps=[Step(event=name, where=draw.choice(conditions)) for name in names],
        conversion_window=draw.choice(["6h", "12h", "1d", "2d"]),
        optional=[k for k in range(1, last) if draw.random() < 0.4],
        trend=draw.random() < 0.3,
        histogram=Histogram(from_=draw.randrange(last), bins=draw.randint(1, 4)) if last else None,
    )


def _adjustments(draw: Random, log: list[LoggedEvent]) -> list[LoggedEvent]:
    return [
        LoggedEvent(
            id=f"{adjust}-{number}-{event.id}",
            name=event.name,
            time=event.time + draw.choice([0, GRID_MS, 9 * GRID_MS]),
            received_at=event.time,
            value=draw.choice(_LARGE) if adjust == "restate" else None,
            currency=draw.choice(_CURRENCIES) if adjust == "restate" else None,
            order=event.order,
            adjust=adjust,
        )
        for event in log
        for number in range(2)
        if event.order and draw.random() < 0.2
        for adjust in [draw.choice(_ADJUST)]
    ]
