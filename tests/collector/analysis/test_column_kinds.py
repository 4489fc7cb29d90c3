"""Every kind of funnel by columns: tables of many blocks and buckets, what the plain algorithm is left with, how much
is held at one time, and that all of it can be ended."""

from __future__ import annotations

import tracemalloc
from random import Random
from typing import Any

import msgspec
import numpy as np
import pytest

from kizashi_collector.analysis import (
    Codes,
    EventTable,
    FunnelFigures,
    Interval,
    LoggedEvent,
    Worth,
    evaluate_funnel,
    evaluate_table_funnel,
)
from kizashi_collector.analysis._column_funnel._kind import Kind
from kizashi_collector.analysis._column_funnel._mattering import Mattering
from kizashi_collector.analysis._column_funnel._order import buckets
from kizashi_collector.analysis._column_funnel._timelines import timelines_of
from kizashi_schemas import DAY_MS, Exclusion, Funnel, Histogram, Step, check_funnel
from oracle.timelines import ALL, START_MS, timeline
from properties.test_column_funnels_against_plain import LogDetails, table_of

HOUR_MS = 3_600_000
EXCLUDED = [Exclusion(event="x", to=1), Exclusion(event="d", from_=1)]
KINDS = {
    "entry first": Funnel(steps=["a", "b", "c"], entry="first", trend=True),
    "strict": Funnel(steps=["a", "b"], order="strict", trend=True),
    "strict, one at a time": Funnel(steps=["a", "b"], order="strict", entry="first"),
    "unordered": Funnel(steps=["a", "b", "c"], order="unordered", trend=True),
    "an actor leaves": Funnel(steps=["a", "b", "c"], exclude=EXCLUDED, trend=True),
    "an attempt is left out": Funnel(steps=["a", "b", "c"], exclude=EXCLUDED, exclusion="attempt"),
    "optional": Funnel(steps=["a", "b", "d", "c"], optional=[1, 2], trend=True),
    "attempts": Funnel(steps=["a", "b"], count="attempts", exclude=EXCLUDED[:1], trend=True),
    "attempts in any order": Funnel(steps=["a", "b"], count="attempts", order="unordered", trend=True),
    "repeated": Funnel(steps=["a", "b", "a", "b"]),
    "any event": Funnel(steps=["a", "*", Step(event="c", where={"source.campaign": "g"})], entry="first"),
}
SOURCES = [{}, {"campaign": "g"}, {"campaign": "h"}]


def drawn(actors: int, size: int, seed: int) -> list[LoggedEvent]:
    """Events on the hour over ten days, no two of an actor at once."""
    draw = Random(seed)
    return [
        LoggedEvent(
            id=f"e{number:05}",
            name=draw.choice("aaabbccdx"),
            time=START_MS + hour * HOUR_MS,
            received_at=0,
            actor=f"i{actor}",
            source=draw.choice(SOURCES),
        )
        for actor in range(actors)
        for number, hour in enumerate(draw.sample(range(240), size), actor * size)
    ]


def again_and_again(table: EventTable, times: int) -> EventTable:
    """The same events of so many times the actors, who are spread over all their codes."""
    most, many = int(table.actor.max()), len(table)
    copies = EventTable.joined([table] * times)
    actor = copies.actor.astype(np.int64) + np.repeat(np.arange(times), many) * most
    shuffled = np.random.default_rng(1).permutation(many * times)
    copies = msgspec.structs.replace(copies, seq=np.arange(1, many * times + 1), actor=actor)
    return EventTable(*(getattr(copies, name)[shuffled] for name in EventTable.__struct_fields__))


def counted(figures: FunnelFigures, times: int) -> Any:
    """What there is `times` as much of where there are `times` as many actors, and what stays as it is."""
    steps = {(): figures.steps} | {group.key: group.steps for group in figures.groups or []}
    return (
        {
            key: [(step.count * times, step.rate, step.mean_ms, step.median_ms) for step in own]
            for key, own in steps.items()
        },
        [(day.day, day.entered * times, day.completed * times) for day in figures.trend or []],
        [(edge, count * times) for edge, count in figures.histogram or []],
    )


@pytest.mark.parametrize(
    ("kind", "attribution"),
    [(kind, ["first", "last", "all", "step:1"][at % 4]) for at, kind in enumerate(KINDS)] + [("unordered", "all")],
)
def test_a_thousand_times_the_actors_count_a_thousand_times(kind: str, attribution: str) -> None:
    """Over several blocks and buckets, as the plain algorithm counts a part."""
    times = 1_000
    funnel = msgspec.structs.replace(KINDS[kind], conversion_window="1d", histogram=Histogram(bins=3))
    check_funnel(funnel)
    log = drawn(actors=15, size=20, seed=7)
    table, codes = table_of(log, Random(1))
    interval = Interval(START_MS + DAY_MS, START_MS + 8 * DAY_MS, START_MS + 9 * DAY_MS)
    asked: dict[str, Any] = {"worth": Worth(None, []), "by": ("campaign",), "attribution": attribution}
    large = again_and_again(table, times)
    found = evaluate_table_funnel(large, codes, funnel, interval, details=LogDetails(log), adjusted={}, **asked)
    expected = evaluate_funnel(log, funnel, interval, **asked)
    assert counted(found, 1) == counted(expected, times)
    assert expected.steps[1].count
    assert len(expected.groups or []) > 1


def test_events_that_fit_two_steps_may_come_late_in_a_table() -> None:
    """Long after the blocks of those that fit one, many of which are exactly the window apart."""
    one, other = drawn(actors=15, size=20, seed=8), drawn(actors=20, size=20, seed=9)
    log = [msgspec.structs.replace(event, source={}) for event in one]
    log += [msgspec.structs.replace(event, id=f"late{event.id}") for event in other if str(event.actor) > "i14"]
    table, codes = table_of(log, Random(1))
    early = table.only(table.seq <= len(one))
    steps: list[str | Step] = ["a", Step(event="*", where={"source.campaign": "g"}), "b"]
    funnel = Funnel(steps=steps, order="unordered", count="attempts", conversion_window="12h")
    asked: dict[str, Any] = {"worth": Worth(None, []), "details": LogDetails(log), "adjusted": {}}
    copies = again_and_again(early, 1_000)
    actors = int(copies.actor.max())
    few = table.only(table.seq > len(one))
    few = msgspec.structs.replace(few, actor=few.actor + np.int64(actors))
    found = evaluate_table_funnel(EventTable.joined([copies, few]), codes, funnel, ALL, **asked)
    once, rest = (
        evaluate_funnel(part, funnel, ALL, worth=Worth(None, [])) for part in (log[: len(one)], log[len(one) :])
    )
    assert rest.steps[2].count
    assert [step.count for step in found.steps] == [
        1_000 * step.count + other.count for step, other in zip(once.steps, rest.steps, strict=True)
    ]


def left_to_the_plain_algorithm(text: str, funnel: Funnel) -> list[int]:
    """The places of a timeline that are."""
    log = timeline(text)
    table, codes = table_of(log, Random(1))
    kind, details = Kind.of(funnel), LogDetails(log)
    mattering = Mattering.of(table, codes, funnel, kind, ALL, details, lambda: None)
    layout = mattering.layout
    assert layout is not None
    rows: list[int] = []
    for bucket in buckets(layout, table.actor, table.time, mattering.place, mattering.starters, lambda: None):
        lines, apart = timelines_of(bucket, layout, kind, mattering)
        assert len(lines) + len(apart) == len(bucket.rows)
        rows += table.seq[apart].tolist()
    return sorted(seq - 1 for seq in rows)


@pytest.mark.parametrize("kind", KINDS)
def test_columns_suffice_where_no_two_events_are_of_one_instant(kind: str) -> None:
    assert left_to_the_plain_algorithm("a@0 b@1 a@2 x@3 d@4 c@5 a@6", KINDS[kind]) == []


@pytest.mark.parametrize(
    ("kind", "text", "apart"),
    [
        ("optional", "a@0 b@1 d@1 c@1", []),
        ("optional", "a@0 b@1 b@1 c@1", [0, 1, 2, 3]),
        ("an actor leaves", "a@0 x@0 x@0 b@0", []),
        ("an actor leaves", "a@0 a@0", [0, 1]),
        ("unordered", "a@0 b@0 c@1", [0, 1, 2]),
        ("attempts", "a@0 x@1 b@1", []),
        ("attempts", "a@0 a@1 b@1", [0, 1, 2]),
        ("strict", "a@0 b@1 x@2 y@2", []),
        ("strict", "a@0 b@1 y@1", [0, 1, 2]),
        ("repeated", "a@0 a@0", [0, 1]),
    ],
)
def test_ties_are_left_to_the_plain_algorithm_only_where_their_order_may_matter(
    kind: str, text: str, apart: list[int]
) -> None:
    assert left_to_the_plain_algorithm(text, KINDS[kind]) == apart


def test_only_those_who_begin_in_the_interval_are_looked_at() -> None:
    log = [event for who in range(50) for event in timeline("b@0 b@1" if who else "a@0 b@1", actor=f"i{who}")]
    table, codes = table_of(log, Random(1))
    funnel = KINDS["entry first"]
    found = Mattering.of(table, codes, funnel, Kind.of(funnel), ALL, LogDetails(log), lambda: None)
    assert found.starters is not None
    assert found.starters.sum() == 1


def test_the_most_steps_fit() -> None:
    """64 steps, of which every event fits all, or one each."""
    names = [f"s{number}" for number in range(64)]
    log = timeline(" ".join(f"{name}@{at}" for at, name in enumerate(names)))
    table, codes = table_of(log, Random(1))
    asked: dict[str, Any] = {"worth": Worth(None, []), "by": ("campaign",), "attribution": "step:63"}
    for steps in (names, ["*"] * 64):
        for changed in ({"entry": "first"}, {"order": "unordered"}, {"order": "strict"}, {"optional": [*range(1, 63)]}):
            funnel = msgspec.convert({"steps": steps, **changed}, Funnel)
            found = evaluate_table_funnel(table, codes, funnel, ALL, details=LogDetails(log), adjusted={}, **asked)
            assert found == evaluate_funnel(log, funnel, ALL, **asked)
            assert found.steps[-1].count == 1


def test_an_actor_with_many_keys_needs_no_more_room_than_a_part_of_what_they_unfold_to() -> None:
    """3,000 events under 1,500 keys are four and a half million."""
    many = 3_000
    place = np.arange(many)
    codes = Codes(["", "a", "b"], [""], [{"campaign": f"g{key}"} for key in range(many // 2)])
    table = EventTable(
        seq=place + 1,
        name=1 + place % 2,
        time=START_MS + place * 1_000,
        received_at=place,
        value=np.full(many, -1),
        currency=np.zeros(many, np.int64),
        source=place // 2,
        actor=np.ones(many, np.int64),
        imported=np.zeros(many, np.bool_),
    )
    funnel = Funnel(steps=["a", "b"], order="unordered")
    asked: dict[str, Any] = {"details": LogDetails([]), "adjusted": {}, "worth": Worth(None, [])}
    tracemalloc.start()
    try:
        found = evaluate_table_funnel(*(table, codes, funnel, ALL), by=("campaign",), attribution="step:0", **asked)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert [group.steps[1].count for group in found.groups or []] == [1] * (many // 2)
    assert peak < 100 << 20


@pytest.mark.parametrize("kind", KINDS)
def test_a_check_that_raises_ends_the_work_of_every_kind(kind: str) -> None:
    class EnoughError(Exception):
        pass

    class Limit:
        def __init__(self, most: int) -> None:
            self.calls, self.most = 0, most

        def __call__(self) -> None:
            self.calls += 1
            if self.calls > self.most:
                raise EnoughError

    log = timeline("a@0 x@1 b@2 d@3[campaign=g] a@4 b@5 c@6[campaign=h] a@7 a@7")
    for attribution in ("first", "all", "step:1"):
        table, codes = table_of(log, Random(1))
        asked: dict[str, Any] = {"details": LogDetails(log), "worth": Worth(None, []), "adjusted": {}}
        asked |= {"by": ("campaign",), "attribution": attribution}
        never = Limit(1_000)
        evaluate_table_funnel(table, codes, KINDS[kind], ALL, **asked, check=never)
        assert never.calls > 6
        for most in range(never.calls):
            with pytest.raises(EnoughError):
                evaluate_table_funnel(table, codes, KINDS[kind], ALL, **asked, check=Limit(most))
