"""Funnels by columns: the field's own cases, tables of many blocks, ties, and what is asked of the caller."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from random import Random
from typing import Any

import msgspec
import numpy as np
import pytest

from kizashi_collector.analysis import Codes, EventTable, Interval, LoggedEvent, Worth, evaluate_funnel
from kizashi_collector.analysis._column_funnel import NO_STEP, evaluate_table_funnel, winners, winners_for_every_start
from kizashi_collector.analysis._column_funnel._order import Layout, buckets, in_order, order_of
from kizashi_schemas import DAY_MS, Exclusion, Funnel, Histogram, Step, parse_time
from kizashi_schemas.plan import load_plan
from oracle.timelines import ALL, START_MS, span, timeline
from properties.test_column_funnels_against_plain import LogDetails, table_of

DATA = Path(__file__).parents[3] / ".." / "shared" / "data" / "funnel_cases.json"
CASES: list[dict[str, Any]] = json.loads(DATA.read_text(encoding="utf-8")) if DATA.exists() else []
CENTURY = Interval(
    parse_time("2012-01-01T00:00:00Z"), parse_time("2025-01-01T00:00:00Z"), parse_time(1_800_000_000_000)
)
PLAN = load_plan(
    """
    currency = "JPY"
    [events.a]
    value = 5
    [events.b]
    value = "event"
    [events.c]
    final = true
    value = "event"
    """
)


class Counted(LogDetails):
    """Counts what is asked of the log."""

    def __init__(self, log: list[LoggedEvent]) -> None:
        super().__init__(log)
        self.asked: Counter[str] = Counter()

    def ids(self, seqs: Any) -> list[str]:
        self.asked["ids"] += len(seqs)
        return super().ids(seqs)

    def properties(self, seqs: Any) -> Any:
        self.asked["properties"] += len(seqs)
        return super().properties(seqs)


def both(
    log: list[LoggedEvent], funnel: Funnel, interval: Interval = ALL, **asked: Any
) -> tuple[Any, Any, Counter[str]]:
    """The answer by columns, the plain one, and what the first needed beyond the columns."""
    details = Counted(log)
    asked.setdefault("worth", Worth(None, []))
    table, codes = table_of(log, Random(1))
    found = evaluate_table_funnel(table, codes, funnel, interval, details=details, adjusted={}, **asked)
    return found, evaluate_funnel(log, funnel, interval, **asked), details.asked


def named(condition: str | dict[str, Any]) -> tuple[str, dict[str, Any]]:
    if isinstance(condition, str):
        return condition.lower(), {}
    where = {f"properties.{key}": value for key, value in condition.get("where", {}).items()}
    return condition["event"].lower(), where


@pytest.mark.skipif(not CASES, reason="the shared data folder is not beside the project")
@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_a_case_of_the_field_comes_out_as_by_the_plain_algorithm(case: dict[str, Any]) -> None:
    log = [
        LoggedEvent(id=f"e{at:03}", name=name.lower(), time=parse_time(time), received_at=0, actor=actor, properties=p)
        for at, (actor, name, time, p) in enumerate(case["events"])
    ]
    plain = Funnel(
        steps=[Step(event=event, where=where) for event, where in map(named, case["steps"])],
        order=case["order_type"],
        conversion_window=f"{case['window_seconds']}s",
        exclude=[
            Exclusion(event=named(rule)[0], where=named(rule)[1], from_=rule["from_step"], to=rule["to_step"])
            for rule in case["exclusions"]
            if isinstance(rule["from_step"], int)
        ],
        optional=case.get("optional_steps", []),
        trend=True,
        histogram=Histogram(bins=2) if len(case["steps"]) > 1 else None,
    )
    asked: dict[str, Any] = {}
    if breakdown := case.get("breakdown"):
        how = {"first_touch": "first", "step_1": "step:1"}[breakdown["attribution"]]
        asked = {"by": (f"properties.{breakdown['property']}",), "attribution": how}
    for funnel in (
        plain,
        msgspec.structs.replace(plain, entry="first"),
        msgspec.structs.replace(plain, order="strict"),
    ):
        found, expected, _ = both(log, funnel, CENTURY, **asked)
        assert found == expected
        if funnel == plain and "counts" in case["expected"]:
            assert [step.count for step in found.steps] == case["expected"]["counts"]


@pytest.mark.parametrize(("by", "attribution"), [((), "first"), (("campaign",), "last"), (("campaign",), "step:1")])
def test_a_table_of_many_blocks_and_buckets_comes_out_as_its_events_do(by: tuple[str, ...], attribution: str) -> None:
    draw = np.random.default_rng(5)
    size = 60_000
    slot, name, actor, source = (draw.integers(0, most, size) for most in (40_000, 4, 4_000, 4))
    time = START_MS + slot * 60_000
    sources: list[dict[str, str]] = [{}, {"campaign": "g"}, {"campaign": "h"}, {"device": "d"}]
    log = [
        LoggedEvent(
            id=f"{at * 7919 % size:06}",
            name="abcx"[name[at]],
            time=int(time[at]),
            received_at=0,
            actor=f"i{actor[at]}",
            value=at * 1_000_000,
            currency="JPY",
            source=sources[source[at]],
        )
        for at in range(size)
    ]
    codes = Codes(["", *"abcx"], ["", "JPY"], sources)
    number = np.arange(size)
    money = number * 1_000_000
    table = EventTable(
        number + 1, name + 1, time, time, money, number * 0 + 1, source, actor + 1, np.zeros(size, np.bool_)
    )
    funnel = Funnel(steps=["a", "b", "c"], conversion_window="5d", trend=True)
    interval = Interval(START_MS + DAY_MS, START_MS + 20 * DAY_MS, START_MS + 25 * DAY_MS)
    asked: dict[str, Any] = {"worth": Worth(PLAN, []), "by": by, "attribution": attribution}
    found = evaluate_table_funnel(table, codes, funnel, interval, details=LogDetails(log), adjusted={}, **asked)
    assert found == evaluate_funnel(log, funnel, interval, **asked)


def test_events_are_in_the_same_order_however_many_buckets_there_are() -> None:
    draw = np.random.default_rng(6)
    size = 5_000
    actor, time = draw.integers(0, 700, size), START_MS + draw.integers(0, 50, size)
    step = draw.choice(np.array([0, 1, 2, NO_STEP], np.uint8), size)
    expected = [row for row in np.lexsort((step, time, actor)).tolist() if step[row] != NO_STEP]
    plain = Layout.of(actor=699, first=START_MS, last=START_MS + 49, steps=3, window=DAY_MS, rows=size)
    assert plain.bucket_bits == 0
    for bits in (0, 1, 3, 9, 10):
        layout = msgspec.structs.replace(plain, actor_bits=plain.actor_bits - bits, bucket_bits=bits)
        rows = [bucket.rows.tolist() for bucket in buckets(layout, actor, time, step, None, lambda: None)]
        assert [row for part in rows for row in part] == expected


@pytest.mark.parametrize("late", [0, 1, 40, 5_000])
@pytest.mark.parametrize("actors", [3, 900, 1 << 17])
def test_however_many_events_came_late_the_order_is_that_of_all_digits(late: int, actors: int) -> None:
    draw = np.random.default_rng(late * actors)
    time = np.sort(draw.integers(0, 50_000, 5_000))
    time[draw.permutation(5_000)[:late]] = draw.integers(0, 50_000, late)
    actor, step = draw.integers(0, actors, 5_000), draw.integers(0, 3, 5_000).astype(np.uint8)
    layout = Layout(0, 1_000, 2, 17, (actors - 1).bit_length(), 0)
    packed = layout.packed(actor, time, step)
    found, order = in_order(packed, layout)
    assert found.tolist() == packed[order].tolist()
    # Events that are alike keep the order that they had.
    assert order.tolist() == order_of(packed, layout.bits).tolist() == np.argsort(packed, kind="stable").tolist()


def test_the_widest_actors_times_and_steps_fit() -> None:
    """The greatest code, an interval from 1970 on, 64 steps."""
    actor = np.array([2**31 - 1, 2**31 - 1, 2**31 - 2, 2**31 - 1])
    time = np.array([1, 60 * 366 * DAY_MS, 1, 60 * 366 * DAY_MS])
    step = np.array([0, 1, 0, 63], np.uint8)
    found = winners(actor, time, step, steps=64, window=3_660 * 366 * DAY_MS)
    assert found.actor.tolist() == [2**31 - 2, 2**31 - 1]
    assert found.row[:, :3].tolist() == [[2, -1, -1], [0, 1, -1]]


def test_the_widest_actors_fit_with_many_keys() -> None:
    log = timeline(" ".join(f"a@{at}[campaign=g{at}] b@{at + 1}[campaign=g{at % 3}]" for at in range(9)))
    table, codes = table_of(log, Random(1))
    table = msgspec.structs.replace(table, actor=table.actor + np.int64(2**31 - 2))
    funnel = Funnel(steps=["a", "b"])
    asked: dict[str, Any] = {"worth": Worth(None, []), "by": ("campaign",), "attribution": "all"}
    found = evaluate_table_funnel(table, codes, funnel, ALL, details=LogDetails(log), adjusted={}, **asked)
    assert found == evaluate_funnel(log, funnel, ALL, **asked)
    assert len(found.groups or []) == 9


def test_nothing_comes_of_nothing() -> None:
    none = np.zeros(0, np.int64)
    for found in (f(none, none, none.astype(np.uint8), steps=3, window=1) for f in (winners, winners_for_every_start)):
        assert found.actor.tolist() == []
        assert found.row.shape == (0, 3)
    funnel = Funnel(steps=["a", "b"], trend=True, histogram=Histogram())
    for order in ("ordered", "strict"):
        found, expected, _ = both([], msgspec.structs.replace(funnel, order=order), by=("campaign",))
        assert found == expected


def test_ids_are_asked_for_only_where_events_alike_differ_in_what_is_asked_about() -> None:
    funnel = Funnel(steps=["a", "b"])
    log = timeline("a@0[campaign=g] a@0[campaign=h] b@1[campaign=g] b@1[campaign=g] a@2[campaign=h]")
    assert both(log, funnel)[2] == {}
    found, expected, asked = both(log, funnel, by=("campaign",))
    assert found == expected
    assert asked == {"ids": 2}
    assert both(log, funnel, by=("campaign",), attribution="all")[2] == {}


def test_money_of_events_alike_is_that_of_the_smaller_id() -> None:
    amounts = [7, 3, 9, 9]
    log = [
        msgspec.structs.replace(event, value=amount * 1_000_000, currency="JPY")
        for event, amount in zip(timeline("a@0 b@1 b@1 c@2"), amounts, strict=True)
    ]
    found, expected, asked = both(log, Funnel(steps=["a", "b", "c"]), worth=Worth(PLAN, []))
    assert found == expected
    assert found.steps[1].declared == 3_000_000
    assert asked == {"ids": 2}


def test_of_events_alike_it_is_the_smaller_id_that_was_taken_back_or_not() -> None:
    log = [
        msgspec.structs.replace(event, value=4_000_000, currency="JPY", order=f"o{at}")
        for at, event in enumerate(timeline("a@0 b@1 b@1 c@2"))
    ]
    for order, declared in (("o1", 0), ("o2", 4_000_000)):
        taken_back = LoggedEvent(id="z", name="b", time=START_MS, received_at=0, order=order, adjust="retract")
        worth = Worth(PLAN, [taken_back])
        adjusted = {seq: event for seq, event in enumerate(log, 1) if event.order == order}
        table, codes = table_of(log, Random(1))
        funnel = Funnel(steps=["a", "b", "c"])
        found = evaluate_table_funnel(
            *(table, codes, funnel, ALL), details=LogDetails(log), worth=worth, adjusted=adjusted
        )
        assert found == evaluate_funnel(log, funnel, ALL, worth=worth)
        assert found.steps[1].declared == declared


@pytest.mark.parametrize("steps", [["*"], ["a"], ["b"]])
@pytest.mark.parametrize("rate", ["", "rates = { USD = 150.5 }"])
@pytest.mark.parametrize("retracted", [False, True])
def test_money_is_that_of_the_plan_whatever_the_events_carry(steps: list[str], rate: str, retracted: bool) -> None:
    """The largest amounts go beyond a column once they are converted; what has a number in the plan is worth that."""
    plan = load_plan(f'currency = "JPY"\n{rate}\n[events.a]\nvalue = 5\n[events.b]\nfinal = true\nvalue = "event"')
    carried = [(10**16, "USD"), (10**16, "USD"), (3_000_000, "JPY"), (None, None)]
    log = [
        LoggedEvent(
            id=f"{name}{at}",
            name=name,
            time=START_MS,
            received_at=0,
            actor=f"{name}{at}",
            value=value,
            currency=currency,
            order=f"o{at}",
        )
        for at, (value, currency) in enumerate(carried)
        for name in "ab"
    ]
    taken_back = [
        LoggedEvent(id=f"z{name}", name=name, time=START_MS, received_at=0, order="o0", adjust="retract")
        for name in ("ab" if retracted else "")
    ]
    worth = Worth(plan, taken_back)
    adjusted = {seq: event for seq, event in enumerate(log, 1) if retracted and event.order == "o0"}
    table, codes = table_of(log, Random(1))
    for funnel in (Funnel(steps=[*steps]), Funnel(steps=[*steps], order="unordered")):
        found = evaluate_table_funnel(
            *(table, codes, funnel, ALL), details=LogDetails(log), worth=worth, adjusted=adjusted
        )
        assert found == evaluate_funnel(log, funnel, ALL, worth=worth)


def test_properties_are_asked_for_only_where_name_and_source_fit() -> None:
    step = Step(event="a", where={"properties.p": "u", "source.campaign": "g"})
    log = timeline("a@0[campaign=g,p.p=u] a@1[campaign=h,p.p=u] b@2[p.p=u] x@3[p.p=u] a@99[campaign=g,p.p=u]")
    found, expected, asked = both(log, Funnel(steps=[step, "b"]), span(-1, 50))
    assert found == expected
    assert asked == {"properties": 1}


@pytest.mark.parametrize("exclude", [[], [Exclusion(event="x")]])
def test_a_day_that_comes_twice_is_one_day(exclude: list[Exclusion]) -> None:
    """Until 2011 the clocks of Newfoundland were set back a minute after midnight, into the day before."""
    back = parse_time("2009-11-01T02:31:00Z")  # 00:01 to 23:01
    log = [
        LoggedEvent(id=f"{at}", name=name, time=back + minutes * 60_000, received_at=0, actor="i")
        for at, (name, minutes) in enumerate([("a", -30), ("a", 0), ("b", 1), ("a", -1), ("a", 30), ("b", 31)])
    ]
    interval = Interval(back - DAY_MS, back + DAY_MS, back + DAY_MS)
    funnel = Funnel(steps=["a", "b"], exclude=exclude, trend=True)
    found, expected, _ = both(log, funnel, interval, zone="America/St_Johns")
    assert found == expected
    assert [(day.entered, day.completed) for day in found.trend] == [(1, 1), (1, 1)]


def test_a_check_that_raises_ends_the_work() -> None:
    class EnoughError(Exception):
        pass

    class Limit:
        def __init__(self, most: int) -> None:
            self.calls, self.most = 0, most

        def __call__(self) -> None:
            self.calls += 1
            if self.calls > self.most:
                raise EnoughError

    log = timeline("a@0 b@1 x@2")
    for funnel in (Funnel(steps=["a", "b"]), Funnel(steps=["a", "b"], order="strict")):
        table, codes = table_of(log, Random(1))
        asked: dict[str, Any] = {"details": LogDetails(log), "worth": Worth(None, []), "adjusted": {}}
        never = Limit(1_000)
        evaluate_table_funnel(table, codes, funnel, ALL, **asked, check=never)
        assert never.calls > 4
        for most in range(never.calls):
            with pytest.raises(EnoughError):
                evaluate_table_funnel(table, codes, funnel, ALL, **asked, check=Limit(most))
