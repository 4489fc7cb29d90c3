"""The rules of docs/funnels.md, sentence by sentence: `by` and `attribution`."""

from __future__ import annotations

from typing import Any

import pytest

from kizashi_collector.analysis import FunnelFigures
from kizashi_schemas import Exclusion, FunnelError, check_keys
from oracle.timelines import ask, counts, span, timeline


def groups(figures: FunnelFigures) -> dict[Any, list[int]]:
    """Counts by key; a key of one value is written as that value."""
    assert figures.groups is not None
    return {g.key[0] if len(g.key) == 1 else g.key: counts(g.steps) for g in figures.groups}


def by(log: list[Any], steps: str, *keys: str, **rules: Any) -> dict[Any, list[int]]:
    return groups(ask(log, steps, by=keys or ("campaign",), **rules))


def test_without_by_there_are_no_groups() -> None:
    assert ask(timeline("a@0"), "a").groups is None


def test_by_takes_source_keys_and_properties() -> None:
    log = timeline("a@0[campaign=g,p.sku=A-1]")
    assert by(log, "a", "campaign") == {"g": [1]}
    assert by(log, "a", "properties.sku") == {"A-1": [1]}
    assert by(log, "a", "sku") == {"": [1]}


def test_groups_are_sorted_by_key() -> None:
    log = [*timeline("a@0[campaign=z]"), *timeline("a@1[campaign=b]", "j"), *timeline("a@2", "k")]
    assert list(by(log, "a")) == ["", "b", "z"]


def test_first_takes_the_first_non_empty_value_among_the_winning_attempts_step_events() -> None:
    log = timeline("a@0 x@1[campaign=other] b@2[campaign=g] c@3[campaign=h]")
    assert by(log, "a b c", attribution="first") == {"g": [1, 1, 1]}


def test_last_takes_the_last_non_empty_value_among_the_winning_attempts_step_events() -> None:
    log = timeline("a@0[campaign=f] b@2[campaign=g] c@3")
    assert by(log, "a b c", attribution="last") == {"g": [1, 1, 1]}


def test_an_actor_with_no_value_goes_under_the_empty_string() -> None:
    assert by(timeline("a@0 b@1"), "a b", attribution="first") == {"": [1, 1]}
    assert by(timeline("a@0 b@1"), "a b", attribution="last") == {"": [1, 1]}


def test_all_runs_the_funnel_on_the_events_of_each_value_alone() -> None:
    log = timeline("a@0[campaign=g] b@1[campaign=h] a@2[campaign=h] b@3[campaign=h] b@4 c@5[campaign=g]")
    assert by(log, "a b c", attribution="all") == {"g": [1, 0, 0], "h": [1, 1, 0]}


def test_all_runs_on_the_events_with_the_empty_value_too() -> None:
    assert by(timeline("a@0 b@1[campaign=g] b@2"), "a b", attribution="all") == {"": [1, 1]}


def test_all_sees_only_the_exclusions_and_interruptions_of_that_value() -> None:
    log = timeline("a@0[campaign=g] x@1[campaign=h] b@2[campaign=g]")
    assert by(log, "a b", attribution="all", exclude=[Exclusion(event="x", to=1)]) == {"g": [1, 1]}
    assert by(log, "a b", attribution="all", order="strict") == {"g": [1, 1]}


def test_step_k_runs_an_actors_funnel_once_for_each_value_on_the_events_that_fit_step_k() -> None:
    log = timeline("a@0[campaign=f] b@1[campaign=g] b@2[campaign=h] c@3")
    assert by(log, "a b c", attribution="step:1") == {"g": [1, 1, 1], "h": [1, 1, 1]}
    assert by(log, "a b c", attribution="step:0") == {"f": [1, 1, 1]}


def test_step_k_restricts_step_k_to_the_value() -> None:
    log = timeline("a@0 b@1[campaign=g] c@2 b@3[campaign=h]")
    assert by(log, "a b c", attribution="step:1") == {"g": [1, 1, 1], "h": [1, 1, 0]}


def test_step_k_takes_no_value_from_before_the_interval() -> None:
    log = timeline("b@0[campaign=old] a@10 b@11[campaign=g]")
    assert by(log, "a b", attribution="step:1", interval=span(5, 20)) == {"g": [1, 1]}
    assert by(log, "a b", attribution="step:1") == {"g": [1, 1], "old": [1, 0]}


def test_step_k_actors_with_no_value_are_in_no_group() -> None:
    log = [*timeline("a@0[campaign=g] b@1"), *timeline("a@0 b@1[campaign=h]", "j")]
    assert by(log, "a b", attribution="step:1") == {"h": [1, 1]}


def test_with_several_by_keys_the_values_are_of_one_event() -> None:
    log = timeline("a@0[device=d] b@1[campaign=g]")
    assert by(log, "a b", "campaign", "device", attribution="first") == {("", "d"): [1, 1]}
    assert by(log, "a b", "campaign", "device", attribution="last") == {("g", ""): [1, 1]}
    assert by(log, "a b", "campaign", "device", attribution="step:1") == {("g", ""): [1, 1]}


def test_group_sums_need_not_equal_the_total() -> None:
    log = timeline("a@0 b@1[campaign=g] b@2[campaign=h]")
    assert counts(ask(log, "a b")) == [1, 1]
    assert by(log, "a b", attribution="step:1") == {"g": [1, 1], "h": [1, 1]}


def test_only_keys_with_a_counted_attempt_are_listed() -> None:
    log = timeline("a@0[campaign=g] x@1[campaign=h] b@2[campaign=g]")
    assert by(log, "a b", attribution="first", exclude=[Exclusion(event="x", to=1)]) == {}
    assert by(log, "b", attribution="first") == {"g": [1]}


def test_each_attempt_goes_under_its_own_key() -> None:
    log = timeline("a@0[campaign=g] b@1 a@2[campaign=h] b@3 a@4[campaign=h]")
    assert by(log, "a b", count="attempts") == {"g": [1, 1], "h": [2, 1]}


@pytest.mark.parametrize(
    ("value", "key"),
    [("true", "true"), ("false", "false"), ("2.0", "2"), ("2", "2"), ("2.5", "2.5"), ('"2"', "2"), ("null", "")],
)
def test_a_property_is_a_key_by_its_text(value: str, key: str) -> None:
    assert by(timeline(f"a@0[p.v={value}]"), "a", "properties.v") == {key: [1]}


@pytest.mark.parametrize(
    ("keys", "attribution"),
    [
        (["campaign", "campaign"], "first"),
        (["Campaign"], "first"),
        (["source.campaign"], "first"),
        (["campaign"], "middle"),
        (["campaign"], "step:2"),
    ],
)
def test_a_breakdown_that_cannot_be_is_refused(keys: list[str], attribution: str) -> None:
    with pytest.raises(FunnelError, match=r"^(by|attribution): "):
        check_keys(keys, properties=True, attribution=attribution, steps=2)
