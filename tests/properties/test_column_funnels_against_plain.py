"""Funnels by columns must equal the plain ones, field by field, whatever the funnel and the events."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from random import Random
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn

from kizashi_collector.analysis import (
    NO_VALUE,
    Attempt,
    Codes,
    EventTable,
    Interval,
    LoggedEvent,
    PropertyValue,
    Rules,
    Worth,
    attempts,
    best,
    evaluate_funnel,
)
from kizashi_collector.analysis._column_funnel import (
    ANY_START,
    NO_STEP,
    evaluate_table_funnel,
    winners,
    winners_for_every_start,
)
from kizashi_schemas import Funnel, Step
from kizashi_schemas.plan import Plan, load_plan
from oracle.logs import GRID_MS, ORIGIN_MS, event_logs, intervals
from properties.test_funnels_against_oracle import (
    _CONDITIONS,
    _KEYS,
    PLAN,
    _breakdowns,
    _crowd,
    _crowded_funnel,
    _funnels,
)
from tried import tried

_PROFILE = tried(60)
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


class LogDetails:
    """What columns do not hold, from the log itself."""

    def __init__(self, log: Sequence[LoggedEvent]) -> None:
        self._log = log

    def ids(self, seqs: Sequence[int]) -> list[str]:
        return [event.id for event in self._events(seqs)]

    def properties(self, seqs: Sequence[int]) -> list[Mapping[str, PropertyValue]]:
        return [event.properties for event in self._events(seqs)]

    def _events(self, seqs: Sequence[int]) -> list[LoggedEvent]:
        assert list(seqs) == sorted(set(seqs))
        return [self._log[seq - 1] for seq in seqs]


def table_of(log: Sequence[LoggedEvent], draw: Random) -> tuple[EventTable, Codes]:
    """The log as columns, in any order, with codes in any order and some of nothing."""
    rows = [(seq, event) for seq, event in enumerate(log, 1) if event.adjust is None]
    draw.shuffle(rows)
    known: dict[str, list[Any]] = {"names": [""], "currencies": [""], "sources": [{}], "actors": [""]}

    def code(kind: str, thing: Any) -> int:
        if not thing:
            return 0
        if thing not in known[kind]:
            known[kind] += [{"n": "o"} if kind == "sources" else f"no{len(known[kind])}"] * draw.randrange(3)
            known[kind].append(thing)
        return known[kind].index(thing)

    columns = [
        [seq for seq, _ in rows],
        [code("names", event.name) for _, event in rows],
        [event.time for _, event in rows],
        [event.received_at for _, event in rows],
        [NO_VALUE if event.value is None else event.value for _, event in rows],
        [code("currencies", event.currency) for _, event in rows],
        [code("sources", dict(event.source)) for _, event in rows],
        [code("actors", event.actor) for _, event in rows],
    ]
    # Codes in 32 bits, as the log's tables have them.
    kinds = (np.int64, np.int32, np.int64, np.int64, np.int64, np.int32, np.int32, np.int32)
    arrays: list[Any] = [np.array(column, kind) for column, kind in zip(columns, kinds, strict=True)]
    arrays.append(np.zeros(len(rows), np.bool_))
    return EventTable(*arrays), Codes(known["names"], known["currencies"], known["sources"])


def check(
    log: list[LoggedEvent],
    funnel: Funnel,
    interval: Interval,
    plan: Plan | None,
    by: tuple[str, ...],
    attribution: str,
    seed: int = 0,
) -> None:
    worth = Worth(plan, [event for event in log if event.adjust and event.time <= interval.as_of])
    adjusted = {seq: event for seq, event in enumerate(log, 1) if (event.name, event.order) in worth.adjusted}
    asked: dict[str, Any] = {"worth": worth, "zone": PLAN.timezone, "by": by, "attribution": attribution}
    expected = evaluate_funnel(log, funnel, interval, **asked)
    table, codes = table_of(log, Random(seed))
    given_: dict[str, Any] = {"details": LogDetails(log), "adjusted": adjusted}
    assert evaluate_table_funnel(table, codes, funnel, interval, **asked, **given_) == expected


@st.composite
def usual_funnels(draw: DrawFn) -> Funnel:
    """Ordered funnels of distinct names, in which the core is at home; conditions may leave few events or none."""
    names = draw(st.lists(st.sampled_from("abcd"), min_size=1, max_size=4, unique=True))
    where = st.sampled_from([{}, {}, {}, *_CONDITIONS])
    like = draw(_funnels())
    last = len(names) - 1
    return msgspec.structs.replace(
        like,
        steps=[Step(event=name, where=draw(where)) for name in names],
        order="ordered",
        entry="latest",
        count="actors",
        exclude=[],
        optional=[],
        histogram=None
        if like.histogram is None or not last
        else msgspec.structs.replace(like.histogram, from_=0, to=last),
    )


def _larger(log: list[LoggedEvent], factor: int) -> list[LoggedEvent]:
    return [msgspec.structs.replace(e, value=None if e.value is None else min(e.value * factor, 10**16)) for e in log]


@_PROFILE
@given(
    data=st.data(),
    funnel=usual_funnels(),
    interval=intervals(),
    plan=st.sampled_from(_PLANS),
    factor=st.sampled_from([1, 10**9]),
)
def test_a_usual_funnel_by_columns_equals_the_plain_one(
    data: st.DataObject, funnel: Funnel, interval: Interval, plan: Plan | None, factor: int
) -> None:
    log = _larger(data.draw(event_logs(names="aaabbbccd", max_size=24, crowd=24)), factor)
    by, attribution = data.draw(_breakdowns(len(funnel.steps)))
    check(log, funnel, interval, plan, by, attribution, data.draw(st.integers(0, 9)))


@_PROFILE
@given(data=st.data(), funnel=_funnels(), interval=intervals(), plan=st.sampled_from(_PLANS))
def test_any_funnel_by_columns_equals_the_plain_one(
    data: st.DataObject, funnel: Funnel, interval: Interval, plan: Plan | None
) -> None:
    log = data.draw(event_logs(names="aaabbbccx", max_size=18, crowd=7))
    by, attribution = data.draw(_breakdowns(len(funnel.steps)))
    check(log, funnel, interval, plan, by, attribution, data.draw(st.integers(0, 9)))


@pytest.mark.parametrize("seed", range(4))
def test_crowded_funnels_by_columns_equal_the_plain_ones(seed: int) -> None:
    for number in range(200):
        draw = Random(f"{seed}/{number}")
        funnel = _crowded_funnel(draw)
        if draw.random() < 0.6:
            names = draw.sample("abcx", min(len(funnel.steps), 4))
            histogram = None if funnel.histogram is None or len(names) < 2 else funnel.histogram
            funnel = msgspec.structs.replace(
                funnel,
                steps=[*names],
                order="ordered",
                entry="latest",
                count="actors",
                exclude=[],
                optional=[],
                histogram=histogram and msgspec.structs.replace(histogram, from_=0, to=None),
            )
        slots = draw.choice([2, 3, 4, 6, 9])
        log = [event for part in range(3) for event in _again(_crowd(draw, slots), part)]
        start, end, as_of = sorted(draw.randrange(-1, slots) for _ in range(3))
        if draw.random() < 0.7:
            start, end, as_of = -1, slots, slots
        interval = Interval(*(ORIGIN_MS + slot * GRID_MS for slot in (start, end, as_of)))
        attribution = draw.choice(["first", "last", "all", *(f"step:{k}" for k in range(len(funnel.steps)))])
        check(log, funnel, interval, PLAN, draw.choice(_KEYS), attribution, number)


@pytest.mark.parametrize("seed", range(6))
def test_every_kind_of_funnel_by_columns_equals_the_plain_one(seed: int) -> None:
    """Timelines with few events of one instant or many, alike or not, often exactly the window apart."""
    for number in range(150):
        draw = Random(f"{seed}/{number}")
        funnel = _crowded_funnel(draw)
        if draw.random() < 0.4:
            names = draw.sample("abcdx*" if draw.random() < 0.2 else "abcdx", min(len(funnel.steps), 5))
            funnel = msgspec.structs.replace(funnel, steps=[*names])
        hours = draw.choice([5, 30, 90, 90])
        log = _apart(draw, hours, draw.randint(2, 60))
        if draw.random() < 0.5:
            log = list({(event.actor, event.time, event.name): event for event in log}.values())
        start, end, as_of = sorted(draw.randrange(-1, hours) for _ in range(3))
        if draw.random() < 0.6:
            start, end, as_of = -1, hours, hours
        interval = Interval(*(ORIGIN_MS + hour * _HOUR_MS for hour in (start, end, as_of)))
        attribution = draw.choice(["first", "last", "all", *(f"step:{k}" for k in range(len(funnel.steps)))])
        check(log, funnel, interval, PLAN, draw.choice(_KEYS), attribution, number)


_HOUR_MS = 3_600_000


def _apart(draw: Random, hours: int, size: int) -> list[LoggedEvent]:
    """Events of some actors on the hour or a millisecond beside it, seldom two of an actor at once in many hours."""
    names = draw.choice(["abc", "aaabbcx", "aabbcdx"])
    return [
        LoggedEvent(
            id=f"e{number:02}",
            name=draw.choice(names),
            time=ORIGIN_MS + draw.randrange(hours) * _HOUR_MS + draw.choice([0, 0, 0, 0, -1, 1]),
            received_at=0,
            actor=draw.choice("iiijjkl"),
            value=draw.choice([None, number * 1_000_000]),
            currency="JPY",
            source=draw.choice([{}, {"campaign": "g"}, {"campaign": "h"}, {"campaign": "g", "device": "d"}]),
            properties=draw.choice([{}, {"p": "u"}, {"p": "v"}, {"p": 1}, {"p": True}]),
        )
        for number in draw.sample(range(100), size)
    ]


def _again(log: list[LoggedEvent], part: int) -> list[LoggedEvent]:
    """The same with ids and some actors of their own."""
    return [
        msgspec.structs.replace(
            event, id=f"{event.id}{(7 * number + part) % 3}-{part}", actor=f"{event.actor}{part % 2}"
        )
        for number, event in enumerate(log)
    ]


# -- the core -------------------------------------------------------------------------------------------------------

_EVENTS = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 40), st.integers(-1, 3)), max_size=40)


def _core(events: list[tuple[int, int, int]]) -> tuple[Any, Any, Any]:
    actor, time, step = (np.array([event[at] for event in events], np.int64) for at in range(3))
    return actor, time, np.where(step < 0, NO_STEP, step).astype(np.uint8)


def _attempts(events: list[tuple[int, int, int]], window: int) -> tuple[dict[int, list[Attempt]], Rules]:
    """The plain attempts; ids follow the order of the arguments, times are seconds."""
    rules = Rules(Funnel(steps=[*"abcd"], conversion_window=f"{window}s"))
    runs = {}
    for actor in sorted({event[0] for event in events}):
        own = [
            LoggedEvent(id=f"{row:03}", name="abcdx"[step], time=time * 1000, received_at=0, actor=str(actor))
            for row, (whose, time, step) in enumerate(events)
            if whose == actor
        ]
        own.sort(key=lambda event: event.position)
        runs[actor] = attempts(own, rules, Interval(-1, 100_000, 100_000))
    return runs, rules


def _row(attempt: Attempt) -> list[int]:
    return [-1 if (event := attempt.event(step)) is None else int(event.id) for step in range(4)]


@_PROFILE
@given(events=_EVENTS, window=st.integers(1, 50))
def test_the_core_finds_the_attempt_that_counts(events: list[tuple[int, int, int]], window: int) -> None:
    runs, rules = _attempts(events, window)
    expected = {actor: _row(winner) for actor, run in runs.items() if (winner := best(run, rules)) is not None}
    found = winners(*_core(events), steps=4, window=window)
    assert dict(zip(found.actor.tolist(), found.row.tolist(), strict=True)) == expected
    assert len(found.actor) == len(expected)
    alike = Counter(events)
    assert found.tied.tolist() == [[at >= 0 and alike[events[at]] > 1 for at in row] for row in found.row.tolist()]
    assert found.depth.tolist() == [max(k for k in range(4) if row[k] >= 0) for row in found.row.tolist()]


@_PROFILE
@given(events=_EVENTS, window=st.integers(1, 50))
def test_the_attempts_kept_are_those_that_count_from_each_start(
    events: list[tuple[int, int, int]], window: int
) -> None:
    runs, rules = _attempts(events, window)
    found = winners_for_every_start(*_core(events), steps=4, window=window)
    kept = list(zip(found.actor.tolist(), found.row.tolist(), found.since.tolist(), found.until.tolist(), strict=True))
    for start in range(-1, 42):
        expected = {
            actor: _row(winner)
            for actor, run in runs.items()
            if (winner := best([attempt for attempt in run if attempt.start.time > start * 1000], rules)) is not None
        }
        assert {actor: row for actor, row, since, until in kept if since <= start < until} == expected
    assert all(since < until for _, _, since, until in kept)
    assert all(since == ANY_START or since >= 0 for _, _, since, _ in kept)
