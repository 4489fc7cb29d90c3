"""A second oracle: an ordered funnel of disjoint steps counts what ClickHouse's `windowFunnel` counts, run by chdb.

Where no event fits two steps the two mean the same. ClickHouse sorts the rows of one instant by the number of the step
that they fit, so that in its default mode they, too, may be taken in whatever order advances furthest; its window holds
its last millisecond, and a newer first step carries an attempt on in place of an older one. That only the first step
must lie in (from, to] is said in the first condition.

They differ, and are not compared, where an event fits several steps (a row may take them all at once, while our event
takes one), in its modes `strict_increase` (steps of one instant do not count), `strict_order` and
`strict_deduplication` (neither is our `strict`), and in all that a single number per actor cannot tell.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Sequence
from pathlib import Path
from random import Random

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn

from clickhouse_engine import ask
from kizashi_collector.analysis import Interval, LoggedEvent, Worth, evaluate_funnel, evaluate_table_funnel
from kizashi_collector.store import EventColumns, FunnelReport, InThread, LogAnswers, SqliteLog
from kizashi_schemas import Funnel, Step, parse_duration
from kizashi_schemas.plan import load_plan
from live_collector import until
from oracle.logs import GRID_MS, ORIGIN_MS, event_logs, intervals
from oracle.timelines import ALL, at, timeline
from properties.test_column_funnels_against_plain import LogDetails, table_of
from tried import tried

_STEPS: list[Step] = [
    Step(event="a", where={"source.campaign": ["", "g"]}),
    Step(event="a", where={"source.campaign": "h"}),
    Step(event="b"),
    Step(event="c"),
    Step(event="d"),
]
_WINDOWS = ["6h", "12h", "1d", "2d"]
_LOGS = event_logs(names="aaabbbcccdx", min_size=12, max_size=40, crowd=40, actors="iiijkl")
_PROFILE = tried(12)


class ClickHouse:
    """The engine, in this process."""

    def funnel(
        self, log: Sequence[LoggedEvent], funnel: Funnel, interval: Interval = ALL, mode: str | None = None
    ) -> list[int]:
        """How many actors reached each step."""
        (counts,) = self.funnels(log, [(funnel, interval)], mode)
        return counts

    def funnels(
        self, log: Sequence[LoggedEvent], asked: Sequence[tuple[Funnel, Interval]], mode: str | None = None
    ) -> list[list[int]]:
        """The same of several funnels, with one query."""
        levels = ", ".join(_level(funnel, interval, mode) for funnel, interval in asked)
        reached = ", ".join(_reached(at, funnel) for at, (funnel, _) in enumerate(asked, 1))
        rows = [
            f"('{event.actor}', {event.time}, '{event.name}', '{event.source.get('campaign', '')}')"
            for event in log
            if event.adjust is None
        ]
        # The first row is of nobody: a table of values cannot be empty.
        table = ", ".join(["('', 0, '', '')", *rows])
        sql = (
            f"SELECT {reached} FROM (SELECT tuple({levels}) AS level "
            f"FROM values('actor String, time UInt64, name String, campaign String', {table}) GROUP BY actor)"
        )
        return [[int(count) for count in counts] for (counts,) in ask(sql)]


def _level(funnel: Funnel, interval: Interval, mode: str | None) -> str:
    window = f"{parse_duration(funnel.conversion_window)}" + (f", '{mode}'" if mode else "")
    conditions = [f"{_condition(step)} AND time <= {interval.as_of}" for step in funnel.normal_steps]
    conditions[0] += f" AND time > {interval.start} AND time <= {interval.end}"
    return f"windowFunnel({window})(time, {', '.join(conditions)})"


def _reached(at: int, funnel: Funnel) -> str:
    return f"[{', '.join(f'countIf(level.{at} > {step})' for step in range(len(funnel.steps)))}]"


def _condition(step: Step) -> str:
    campaigns = step.where.get("source.campaign", [])
    wanted = ", ".join(f"'{one}'" for one in (campaigns if isinstance(campaigns, list) else [campaigns]))
    return f"name = '{step.event}'" + (f" AND campaign IN ({wanted})" if wanted else "")


@pytest.fixture(scope="module")
def clickhouse() -> ClickHouse:
    return ClickHouse()


@st.composite
def _disjoint(draw: DrawFn) -> Funnel:
    indexes = draw(st.lists(st.sampled_from(range(len(_STEPS))), min_size=1, max_size=5, unique=True))
    return Funnel(steps=[_STEPS[at] for at in indexes], conversion_window=draw(st.sampled_from(_WINDOWS)))


def _counts(report: FunnelReport) -> list[int]:
    return [step.count for step in report.figures.steps]


async def _stored(folder: Path, log: Sequence[LoggedEvent], batches: int) -> SqliteLog:
    stored = SqliteLog(folder)
    for number in range(batches):
        await stored.append([EventColumns.of(log[number::batches])])
    return stored


async def _from_the_store(
    folder: Path, log: Sequence[LoggedEvent], batches: int, funnels: Sequence[tuple[Funnel, Interval]]
) -> list[list[int]]:
    stored = await _stored(folder, log, batches)
    answers = LogAnswers(stored)
    try:
        return [await answers.funnel(None, funnel, interval, (), "first", _counts) for funnel, interval in funnels]
    finally:
        await answers.close()
        await stored.close()


@_PROFILE
@given(
    log=_LOGS,
    asked=st.lists(st.tuples(_disjoint(), intervals()), min_size=3, max_size=3),
    batches=st.integers(1, 3),
    seed=st.integers(0, 9),
)
def test_a_funnel_of_disjoint_steps_counts_what_windowfunnel_counts(
    clickhouse: ClickHouse, log: list[LoggedEvent], asked: list[tuple[Funnel, Interval]], batches: int, seed: int
) -> None:
    expected = clickhouse.funnels(log, asked)
    worth = Worth(None, [])
    plain = [evaluate_funnel(log, funnel, interval, worth=worth) for funnel, interval in asked]
    assert [[step.count for step in figures.steps] for figures in plain] == expected
    table, codes = table_of(log, Random(seed))
    columns = [
        evaluate_table_funnel(
            table, codes, funnel, interval, details=LogDetails(log), worth=worth, adjusted={}, zone="UTC"
        )
        for funnel, interval in asked
    ]
    assert [[step.count for step in figures.steps] for figures in columns] == expected
    with tempfile.TemporaryDirectory() as folder:
        assert asyncio.run(_from_the_store(Path(folder), log, batches, asked)) == expected


_PLAN = load_plan(
    """
    currency = "JPY"
    windows = ["6h", "2d"]
    [events.a]
    [events.b]
    [events.c]
    [funnels.short]
    steps = ["a", "b", "c"]
    conversion_window = "6h"
    [funnels.long]
    steps = [{ event = "a", where = { "source.campaign" = ["", "g"] } }, "c", "b", "d"]
    conversion_window = "1d"
    """
)


async def _kept(folder: Path, log: Sequence[LoggedEvent], before: int, nows: Sequence[int]) -> list[list[int]]:
    """What is kept current of the plan's funnels at each of these times; some events are stored before it begins."""
    now = [nows[0]]
    stored = SqliteLog(folder)
    answers = LogAnswers(stored, InThread(stored, lambda: now[0]))
    try:
        await stored.append([EventColumns.of(log[:before])])
        answers.keep(_PLAN)
        await until(lambda: answers.state().current)
        await stored.append([EventColumns.of(log[before:])])
        return [
            await answers.funnel(_PLAN, funnel, interval, (), "first", _counts, name=name)
            for now[0] in nows
            for name, funnel in _PLAN.funnels.items()
            for interval in (Interval(now[0] - parse_duration(window), now[0], now[0]) for window in _PLAN.windows)
        ]
    finally:
        await answers.close()
        await stored.close()


@_PROFILE
@given(
    log=_LOGS,
    before=st.integers(0, 40),
    slots=st.lists(st.integers(0, 14), min_size=1, max_size=4, unique=True).map(sorted),
    beside=st.sampled_from([0, 0, -1, 1]),
)
def test_a_declared_funnel_that_is_kept_counts_what_windowfunnel_counts(
    clickhouse: ClickHouse, log: list[LoggedEvent], before: int, slots: list[int], beside: int
) -> None:
    nows = [ORIGIN_MS + slot * GRID_MS + beside for slot in slots]
    # What is received later than the first of these times is not known to it.
    log = [msgspec.structs.replace(event, received_at=nows[0]) for event in log]
    asked = [
        (funnel, Interval(now - parse_duration(window), now, now))
        for now in nows
        for funnel in _PLAN.funnels.values()
        for window in _PLAN.windows
    ]
    expected = clickhouse.funnels(log, asked)
    with tempfile.TemporaryDirectory() as folder:
        assert asyncio.run(_kept(Path(folder), log, before, nows)) == expected


def _ours(log: list[LoggedEvent], funnel: Funnel) -> list[int]:
    return [step.count for step in evaluate_funnel(log, funnel, ALL, worth=Worth(None, [])).steps]


@pytest.mark.parametrize("log", ["c@5 b@5 a@5", "a@5 b@5 c@5", "a@1 b@5 c@5 a@5"])
def test_steps_of_one_instant_count_in_any_order_unless_clickhouse_is_told_otherwise(
    clickhouse: ClickHouse, log: str
) -> None:
    funnel = Funnel(steps=["a", "b", "c"], conversion_window="10s")
    assert clickhouse.funnel(timeline(log), funnel) == _ours(timeline(log), funnel) == [1, 1, 1]
    assert clickhouse.funnel(timeline(log), funnel, mode="strict_increase")[2] == 0


def test_a_row_may_take_several_steps_where_an_event_takes_one(clickhouse: ClickHouse) -> None:
    funnel = Funnel(steps=["a", "a"], conversion_window="10s")
    once, twice = timeline("a@1"), timeline("a@1 a@2")
    assert (clickhouse.funnel(once, funnel), _ours(once, funnel)) == ([1, 1], [1, 0])
    assert clickhouse.funnel(twice, funnel) == _ours(twice, funnel) == [1, 1]


@pytest.mark.parametrize(("last", "reached"), [(10.999, 1), (11, 1), (11.001, 0)])
def test_the_conversion_window_holds_its_last_millisecond_in_both(
    clickhouse: ClickHouse, last: float, reached: int
) -> None:
    funnel = Funnel(steps=["a", "b"], conversion_window="10s")
    log = timeline(f"a@1 b@{last}")
    assert log[1].time == at(last)
    assert clickhouse.funnel(log, funnel) == _ours(log, funnel) == [1, reached]
