"""Two readings of the rules of funnels meet: `evaluate_funnel` must equal the brute force, entirely."""

from __future__ import annotations

from collections import Counter
from random import Random
from typing import Any, Literal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn

from kizashi_collector.analysis import FunnelFigures, Interval, LoggedEvent, Worth, evaluate_funnel
from kizashi_schemas import Exclusion, Funnel, Histogram, Step, check_funnel
from kizashi_schemas.plan import Plan, load_plan
from oracle.funnels import funnel_answer
from oracle.logs import GRID_MS, ORIGIN_MS, event_logs, intervals
from tried import tried

PLAN = load_plan(
    """
    currency = "JPY"
    rates = { USD = 150.5 }
    timezone = "America/New_York"
    [events.a]
    action = "secondary"
    value = 300
    [events.b]
    action = "primary"
    value = "event"
    [events.c]
    final = true
    action = "primary"
    value = "event"
    """
)

_CONDITIONS: list[dict[str, Any]] = [
    {},
    {},
    {},
    {},
    {"properties.p": "u"},
    {"properties.p": ["u", 1]},
    {"properties.p": True},
    {"properties.p": None},
    {"source.campaign": ""},
    {"source.campaign": ["g", "h"], "properties.p": ["u", "v", False]},
]
_ORDERS: list[Literal["ordered", "strict", "unordered"]] = ["ordered", "ordered", "strict", "unordered"]
_KEYS = [(), ("campaign",), ("campaign", "device"), ("properties.p",), ("campaign", "properties.p")]


def _steps(names: str) -> st.SearchStrategy[Step]:
    return st.builds(Step, event=st.sampled_from(names), where=st.sampled_from(_CONDITIONS))


@st.composite
def _funnels(draw: DrawFn) -> Funnel:
    plain = st.sampled_from("aabbc*").map(lambda name: Step(event=name))
    steps = draw(st.lists(st.one_of(plain, plain, _steps("abc*")), min_size=1, max_size=4))
    last = len(steps) - 1
    order = draw(st.sampled_from(_ORDERS))
    optional = [k for k in range(1, last) if order != "unordered" and draw(st.booleans())]
    exclude = []
    if last and draw(st.booleans()):
        for _ in range(draw(st.integers(1, 2))):
            begin = draw(st.integers(0, last - 1))
            condition = draw(_steps("xxab*"))
            end = draw(st.one_of(st.none(), st.integers(begin + 1, last)))
            exclude.append(Exclusion(event=condition.event, where=condition.where, from_=begin, to=end))
    histogram = None
    if last and draw(st.booleans()):
        begin = draw(st.integers(0, last - 1))
        end = draw(st.one_of(st.none(), st.integers(begin + 1, last)))
        histogram = Histogram(from_=begin, to=end, bins=draw(st.integers(1, 4)))
    funnel = Funnel(
        steps=list(steps),
        order=order,
        conversion_window=draw(st.sampled_from(["6h", "12h", "1d", "2d"])),
        entry=draw(st.sampled_from(["latest", "first"])),
        count=draw(st.sampled_from(["actors", "actors", "attempts"])),
        exclude=exclude,
        exclusion=draw(st.sampled_from([None, "actor", "attempt"])),
        optional=optional,
        trend=draw(st.booleans()),
        histogram=histogram,
    )
    check_funnel(funnel)
    return funnel


@st.composite
def _breakdowns(draw: DrawFn, steps: int) -> tuple[tuple[str, ...], str]:
    attributions = ["first", "last", "all", *(f"step:{k}" for k in range(steps))]
    return draw(st.sampled_from(_KEYS)), draw(st.sampled_from(attributions))


def _plain(figures: FunnelFigures) -> dict[str, Any]:
    answer = {name: msgspec.structs.asdict(figures)[name] for name in ("steps", "groups", "trend", "histogram")}
    answer["steps"] = [msgspec.structs.asdict(step) for step in figures.steps]
    if figures.groups is not None:
        answer["groups"] = {g.key: [msgspec.structs.asdict(step) for step in g.steps] for g in figures.groups}
    if figures.trend is not None:
        answer["trend"] = [msgspec.structs.asdict(day) for day in figures.trend]
    return answer


def _check(
    log: list[LoggedEvent],
    funnel: Funnel,
    interval: Interval,
    plan: Plan | None,
    by: tuple[str, ...],
    attribution: str,
) -> None:
    zone = PLAN.timezone
    adjustments = [event for event in log if event.adjust and event.time <= interval.as_of]
    figures = evaluate_funnel(
        log, funnel, interval, worth=Worth(plan, adjustments), zone=zone, by=by, attribution=attribution
    )
    expected = funnel_answer(log, funnel, interval, plan=plan, zone=zone, by=by, attribution=attribution)
    assert _plain(figures) == expected
    assert [group.key for group in figures.groups or []] == sorted(expected["groups"] or [])


@tried(200)
@given(data=st.data(), funnel=_funnels(), interval=intervals(), plan=st.sampled_from([PLAN, PLAN, None]))
def test_any_funnel_equals_the_brute_force(
    data: st.DataObject, funnel: Funnel, interval: Interval, plan: Plan | None
) -> None:
    log = data.draw(event_logs(names="aaabbbccx", max_size=14, crowd=5))
    by, attribution = data.draw(_breakdowns(len(funnel.steps)))
    _check(log, funnel, interval, plan, by, attribution)


@pytest.mark.parametrize("seed", range(10))
def test_crowded_funnels_equal_the_brute_force(seed: int) -> None:
    """Plain random draws: less to look at than a shrunk example, but far more events that meet."""
    for number in range(400):
        draw = Random(f"{seed}/{number}")
        funnel = _crowded_funnel(draw)
        slots = draw.choice([2, 3, 4, 6, 9])
        log = _crowd(draw, slots)
        start, end, as_of = sorted(draw.randrange(-1, slots) for _ in range(3))
        if draw.random() < 0.7:
            start, end, as_of = -1, slots, slots
        interval = Interval(*(ORIGIN_MS + slot * GRID_MS for slot in (start, end, as_of)))
        attribution = draw.choice(["first", "last", "all", *(f"step:{k}" for k in range(len(funnel.steps)))])
        _check(log, funnel, interval, PLAN, draw.choice(_KEYS), attribution)


def _crowded_funnel(draw: Random) -> Funnel:
    conditions: list[dict[str, Any]] = [{}, {}, {}, {}, {"properties.p": ["u", True]}, {"source.campaign": ["g", ""]}]
    steps = [Step(event=draw.choice("aabbc*"), where=draw.choice(conditions)) for _ in range(draw.randint(1, 5))]
    last = len(steps) - 1
    order = draw.choice(_ORDERS)
    ranges = [(begin, draw.choice([None, *range(begin + 1, last + 1)])) for begin in range(last)]
    exclude = [Exclusion(event=draw.choice("xxabc*"), from_=begin, to=end) for begin, end in ranges]
    funnel = Funnel(
        steps=[*steps],
        order=order,
        conversion_window=draw.choice(["6h", "12h", "1d", "2d"]),
        entry=draw.choice(["latest", "first"]),
        count=draw.choice(["actors", "actors", "attempts"]),
        exclude=draw.sample(exclude, min(len(exclude), draw.choice([0, 0, 1, 2]))),
        exclusion=draw.choice([None, "actor", "attempt"]),
        optional=[k for k in range(1, last) if order != "unordered" and draw.random() < 0.5],
        trend=draw.random() < 0.5,
        histogram=Histogram(from_=ranges[-1][0], to=ranges[-1][1], bins=draw.randint(1, 4)) if ranges else None,
    )
    check_funnel(funnel)
    return funnel


def _crowd(draw: Random, slots: int) -> list[LoggedEvent]:
    crowds: Counter[tuple[str, int]] = Counter()
    log = []
    for number in draw.sample(range(100), draw.randint(3, 16)):
        actor, time = draw.choice("iij"), ORIGIN_MS + GRID_MS * draw.randrange(slots)
        crowds[actor, time] += 1
        if crowds[actor, time] <= 5:
            log.append(
                LoggedEvent(
                    id=f"e{number:02}",
                    name=draw.choice("aaabbbccx"),
                    time=time,
                    received_at=time,
                    actor=actor,
                    value=draw.choice([None, number * 1_000_000]),
                    currency="JPY",
                    source=draw.choice([{}, {"campaign": "g"}, {"campaign": "h"}, {"campaign": "g", "device": "d"}]),
                    properties=draw.choice([{}, {"p": "u"}, {"p": "v"}, {"p": 1}, {"p": True}]),
                )
            )
    return log


@tried(75)
@given(data=st.data(), funnel=_funnels(), interval=intervals())
def test_for_entry_latest_nothing_depends_on_what_came_before_the_interval(
    data: st.DataObject, funnel: Funnel, interval: Interval
) -> None:
    latest = msgspec.structs.replace(funnel, entry="latest", count="actors")
    log = data.draw(event_logs(names="aaabbbccx", max_size=14, crowd=14))
    by, attribution = data.draw(_breakdowns(len(funnel.steps)))
    inside = [event for event in log if event.time > interval.start]
    worth = Worth(None, [])
    assert evaluate_funnel(inside, latest, interval, worth=worth, by=by, attribution=attribution) == evaluate_funnel(
        log, latest, interval, worth=worth, by=by, attribution=attribution
    )
