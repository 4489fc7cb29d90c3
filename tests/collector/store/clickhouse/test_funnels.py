"""Funnels counted by ClickHouse, one promise at a time; what they equal is proven in tests/properties."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from clickhouse_engine import ask, events_table
from kizashi_collector.analysis import FunnelFigures, LoggedEvent, Worth, evaluate_funnel
from kizashi_collector.store._clickhouse._funnels import funnel_figures
from kizashi_schemas import Exclusion, Funnel, FunnelError, Histogram, Step
from oracle.timelines import ALL, timeline


def asked(log: list[LoggedEvent], funnel: Funnel, by: tuple[str, ...] = (), how: str = "first") -> FunnelFigures:
    """The figures, which must be the plain ones."""
    figures = funnel_figures(ask, events_table(log), funnel, ALL, None, by, how, False, lambda: None)
    assert figures == evaluate_funnel(log, funnel, ALL, worth=Worth(None, []), by=by, attribution=how)
    return figures


def counts(figures: FunnelFigures) -> list[int]:
    return [step.count for step in figures.steps]


def test_an_empty_log_has_no_attempts() -> None:
    funnel = Funnel(steps=["a", "b"], histogram=Histogram(), trend=True)
    figures = asked([], funnel, ("campaign",), "all")
    assert (counts(figures), figures.groups, figures.histogram) == ([0, 0], [], [])


@pytest.mark.parametrize("order", ["ordered", "strict", "unordered"])
def test_steps_of_one_instant_go_in_the_order_that_advances_furthest(order: Any) -> None:
    log = timeline("c@5 b@5 a@5")
    assert counts(asked(log, Funnel(steps=["a", "b", "c"], order=order))) == [1, 1, 1]


def test_an_exclusion_at_the_instant_of_a_step_does_not_count() -> None:
    funnel = Funnel(steps=["a", "b"], exclude=[Exclusion(event="x")])
    assert counts(asked(timeline("a@1 x@1 x@9 b@9"), funnel)) == [1, 1]
    assert counts(asked(timeline("a@1 x@1 x@5 b@9"), funnel)) == [0, 0]


def test_the_next_attempt_begins_once_the_last_one_is_over() -> None:
    funnel = Funnel(steps=["a", "b"], count="attempts", conversion_window="10s")
    assert counts(asked(timeline("a@1 a@5 b@11 a@20 a@30 a@31 b@32"), funnel)) == [3, 2]


def test_a_number_equals_itself_in_another_notation_and_true_does_not_equal_one() -> None:
    funnel = Funnel(steps=[Step(event="a", where={"properties.n": [2, 0.5]}), Step(event="b")])
    log = timeline("a@1[p.n=2.0] b@2", "i") + timeline("a@1[p.n=5e-1] b@2", "j")
    log += timeline('a@1[p.n="2"] b@2', "k") + timeline("a@1[p.n=true] b@2", "l")
    assert counts(asked(log, funnel)) == [2, 2]


def test_of_events_alike_the_smaller_id_names_the_key() -> None:
    log = timeline("a@1[campaign=h] a@1[campaign=g] b@2")
    groups = asked(log, Funnel(steps=["a", "b"]), ("campaign",)).groups
    assert groups is not None
    assert [group.key for group in groups] == [("h",)]


def test_days_and_bins_count_whom_the_total_counts() -> None:
    """Which of two events alike names the key is not settled by sorting: the actor is counted apart, once."""
    log = timeline("a@1[campaign=h] a@1[campaign=g] b@2", "i") + timeline("a@1 b@9", "j")
    figures = asked(log, Funnel(steps=["a", "b"], trend=True, histogram=Histogram(bins=2)), ("campaign",))
    assert figures.trend is not None
    assert sum(day.entered for day in figures.trend) == 2


@pytest.mark.parametrize("steps", [8, 9])
def test_a_long_funnel_is_counted(steps: int) -> None:
    names = "abcdefghi"[:steps]
    log = timeline(" ".join(f"{name}@{number}" for number, name in enumerate(names, start=1)))
    assert counts(asked(log, Funnel(steps=list(names)))) == [1] * steps


def test_more_steps_in_any_order_than_can_be_planned_are_refused() -> None:
    with pytest.raises(FunnelError, match="steps: 64 given"):
        asked([], Funnel(steps=["a"] * 64, order="unordered"))


def test_the_middle_time_is_found_among_units_counted_in_two_ways() -> None:
    """Half of the actors have events of which the order is not settled by sorting."""
    log = [e for n in range(9) for e in timeline(f"a@1 a@{1 if n % 2 else 2} b@{10 + n * n}", f"i{n}")]
    figures = asked(log, Funnel(steps=["a", "*"], histogram=Histogram(bins=3)))
    assert figures.steps[1].count == 9


def test_an_actor_may_have_thousands_of_events() -> None:
    log = timeline(" ".join(f"{'ab'[n % 2]}@{n}" for n in range(3000)))
    for funnel in (Funnel(steps=["a", "b", "c"]), Funnel(steps=["a", "b", "c"], order="unordered")):
        view = events_table(log)
        figures = funnel_figures(ask, view, funnel, ALL, None, (), "first", False, lambda: None)
        assert counts(figures) == [1, 1, 0]


def test_the_work_is_given_up_between_queries() -> None:
    funnel, queries = Funnel(steps=["a", "b"], trend=True), []

    def counting(sql: str, parameters: Mapping[str, Any]) -> list[Any]:
        queries.append(sql)
        return ask(sql, parameters)

    def give_up() -> None:
        raise TimeoutError

    with pytest.raises(TimeoutError):
        funnel_figures(counting, events_table(timeline("a@1 b@2")), funnel, ALL, None, (), "first", False, give_up)
    assert len(queries) == 1
