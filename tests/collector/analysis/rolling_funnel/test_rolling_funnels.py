"""Which funnels are kept, when they are there, and crowds of actors and events."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
import pytest

from kizashi_collector.analysis import (
    NO_VALUE,
    Codes,
    EventTable,
    FunnelFigures,
    Interval,
    RollingSummaries,
    Worth,
    evaluate_table_funnel,
)
from kizashi_collector.analysis._rolling_funnel import RollingFunnels
from kizashi_schemas import Exclusion, Funnel, Histogram, Step
from kizashi_schemas.plan import load_plan

HOUR = 3_600_000
NOW = 1_790_000_000_000
LENGTHS = (HOUR, 24 * HOUR, 7 * 24 * HOUR)
PLAN = load_plan(
    """
    currency = "JPY"
    [events.mv_a]
    value = 5
    [events.mv_b]
    value = 20
    [events.c]
    final = true
    value = "event"
    """
)
CODES = Codes(
    ["", "mv_a", "mv_b", "c", "x"],
    ["", "JPY"],
    [{}, *({"campaign": f"c{at}", "device": device} for at in range(40) for device in "md")],
)
FUNNEL = Funnel(steps=["mv_a", "mv_b", "c"], conversion_window="2d", histogram=Histogram(from_=0, to=2))


class Log:
    """Random events beside what keeps them."""

    def __init__(self, events: int, actors: int, *, grain: int = 1, ordered: bool = False) -> None:
        draw = np.random.default_rng(events + actors)
        time = NOW - draw.integers(0, LENGTHS[-1], events) // grain * grain
        name = draw.choice([1, 1, 1, 2, 2, 3, 4], events)
        value = np.where(name == 3, draw.integers(0, 10**9, events), NO_VALUE)
        self.table = EventTable(
            *(np.arange(1, events + 1), name, np.sort(time) if ordered else time, time, value),
            *((value >= 0).astype(np.int64), draw.integers(0, 81, events), draw.integers(0, actors + 1, events)),
            np.zeros(events, np.bool_),
        )
        self.asked: list[int] = []
        self.rolling = self.summaries()

    def summaries(self) -> RollingSummaries:
        return RollingSummaries(PLAN, CODES, windows=LENGTHS, groupings=[("campaign",), ("device",)], now=NOW)

    def ids(self, seqs: Sequence[int]) -> list[str]:
        self.asked += seqs
        return [f"{seq * 7919 % 10_007:05}" for seq in seqs]

    def properties(self, seqs: Sequence[int]) -> list[dict[str, Any]]:
        return [{} for _ in seqs]

    def arrive(self, batch: int, first: int = 0, end: int | None = None) -> None:
        for begin in range(first, len(self.table) if end is None else end, batch):
            some = (self.table.seq > begin) & (self.table.seq <= begin + batch)
            self.rolling.add(self.table.only(some))

    def counted(self, length: int, by: tuple[str, ...]) -> FunnelFigures:
        now, asked = self.rolling.now, list(self.asked)
        interval = Interval(now - length, now, now)
        found = evaluate_table_funnel(
            self.table, CODES, FUNNEL, interval, details=self, worth=Worth(PLAN, []), adjusted={}, by=by
        )
        self.asked = asked
        return found

    def check(self, funnels: RollingFunnels) -> None:
        for length in LENGTHS:
            for by in ((), ("campaign",), ("device",)):
                assert funnels.figures("f", length, by) == self.counted(length, by)


@pytest.mark.parametrize("ordered", [False, True])
@pytest.mark.parametrize("batch", [700, 9_000])
def test_a_crowd_is_counted_as_from_the_table(batch: int, ordered: bool) -> None:
    log = Log(27_000, 4_000, grain=1_000, ordered=ordered)
    funnels = RollingFunnels(log.rolling, {"f": FUNNEL}, log.ids)
    log.arrive(batch)
    log.check(funnels)
    for minutes in (1, 60, 24 * 60):
        log.rolling.advance(log.rolling.now + minutes * 60_000)
        log.check(funnels)


@pytest.mark.parametrize("ordered", [False, True])
def test_actors_with_thousands_of_events_are_counted_as_from_the_table(ordered: bool) -> None:
    log = Log(12_000, 3, grain=60_000, ordered=ordered)
    funnels = RollingFunnels(log.rolling, {"f": FUNNEL}, log.ids)
    log.arrive(500)
    log.check(funnels)
    log.rolling.advance(NOW + 30 * HOUR)
    log.check(funnels)


def test_events_that_come_one_by_one_meet_those_of_their_instant_and_end_with_the_conversion_window() -> None:
    for actors in range(1, 6):
        log = Log(90, actors, grain=12 * HOUR, ordered=True)
        funnels = RollingFunnels(log.rolling, {"f": FUNNEL}, log.ids)
        for seq in range(90):
            log.arrive(1, seq, seq + 1)
        log.check(funnels)


def test_what_was_held_before_is_taken_in_by_and_by_while_events_come() -> None:
    log = Log(20_000, 2_000)
    log.arrive(5_000, end=10_000)
    funnels = RollingFunnels(log.rolling, {"f": FUNNEL}, log.ids)
    done = []
    for begin in range(10_000, 20_000, 500):
        assert not funnels.keeps("f", HOUR, ())
        with pytest.raises(KeyError):
            funnels.figures("f", HOUR, ())
        done.append(funnels.build_some(events=2_000))
        log.arrive(500, begin, begin + 500)
        if done[-1] == 1:
            break
    log.arrive(1_000, begin + 500)
    assert done == sorted(done)
    assert done[-1] == 1
    assert len(done) > 4
    log.check(funnels)


def one_actor(events: list[tuple[int, int, int]]) -> Log:
    """A log of one actor's events, each with its name, time before NOW and source."""
    log = Log(0, 1)
    name, before, source = (np.array(column, np.int64) for column in zip(*events, strict=True))
    one, seq = np.ones(len(events), np.int64), np.arange(1, len(events) + 1)
    log.table = EventTable(seq, name, NOW - before, NOW - before, -one, 0 * one, source, one, one < 0)
    return log


def test_a_step_may_be_taken_until_the_conversion_window_ends() -> None:
    log = one_actor([(1, 72 * HOUR, 1), (2, 24 * HOUR, 1), (3, 24 * HOUR - 1, 1)])
    funnels = RollingFunnels(log.rolling, {"f": FUNNEL}, log.ids)
    for seq in range(3):
        log.arrive(1, seq, seq + 1)
    log.check(funnels)
    assert [step.count for step in funnels.figures("f", LENGTHS[-1], ()).steps] == [1, 1, 0]


def test_what_was_copied_is_put_together_later_as_it_was() -> None:
    log = Log(6_000, 500)
    funnels = RollingFunnels(log.rolling, {"f": FUNNEL}, log.ids)
    log.arrive(1_000, end=3_000)
    before = funnels.figures("f", LENGTHS[1], ("campaign",))
    copied = funnels.copied("f", LENGTHS[1], ("campaign",))
    log.arrive(1_000, 3_000)
    log.rolling.advance(NOW + HOUR)
    assert funnels.figures("f", LENGTHS[1], ("campaign",)) != before
    assert copied() == before


def test_ids_are_asked_for_where_they_decide_alone() -> None:
    # Twice the same visit; then the same step twice, from different sources.
    log = one_actor([(1, 30, 1), (1, 30, 1), (2, 20, 1), (2, 20, 2)])
    funnels = RollingFunnels(log.rolling, {"f": FUNNEL}, log.ids)
    log.arrive(4)
    assert log.asked == [3, 4]
    log.check(funnels)


@pytest.mark.parametrize(
    "other",
    [
        {"order": "strict"},
        {"order": "unordered"},
        {"entry": "first"},
        {"count": "attempts"},
        {"exclude": [Exclusion(event="x")]},
        {"optional": [1]},
        {"trend": True},
        {"steps": ["mv_a", "mv_b", "mv_a"]},
        {"steps": ["mv_a", "*"]},
        {"steps": ["mv_a", Step(event="mv_b", where={"properties.p": 1})]},
    ],
    ids=str,
)
def test_funnels_of_other_kinds_are_not_kept(other: dict[str, Any]) -> None:
    log = Log(100, 10)
    funnels = RollingFunnels(log.rolling, {"f": msgspec.structs.replace(FUNNEL, **other), "g": FUNNEL}, log.ids)
    log.arrive(100)
    assert not funnels.keeps("f", HOUR, ())
    assert funnels.keeps("g", HOUR, ())


def test_what_is_not_declared_is_not_kept() -> None:
    funnels = RollingFunnels(Log(0, 1).rolling, {"f": FUNNEL}, lambda _: [])
    assert funnels.keeps("f", HOUR, ("campaign",))
    assert funnels.keeps("f", HOUR, (), "step:1")
    assert not funnels.keeps("f", HOUR, ("campaign",), "last")
    assert not funnels.keeps("f", HOUR, ("country",))
    assert not funnels.keeps("f", 2 * HOUR, ())
    assert not funnels.keeps("g", HOUR, ())
