"""One reason for each row that is not ready: which comes first, and where each begins to hold."""

from __future__ import annotations

import math
from typing import Any, get_args

import pytest

from kizashi_collector.analysis import Ladder
from kizashi_collector.analysis._readiness import (
    GENERALLY,
    Break,
    Foretold,
    Grounds,
    bids_rest_on,
    incomplete,
    miscalibrated,
    reason,
    sentences,
)
from kizashi_schemas import Reason
from kizashi_schemas.plan import load_plan

MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000
NOW = 20_000 * DAY
STOPPED = Break("purchase", "stopped", 0, 30.0, NOW - HOUR, "No purchase has come in.")
OFF = (Foretold(100.0, 200.0, 12.0),)


def grounds(**other: Any) -> Grounds:
    usual: dict[str, Any] = {
        "as_of": NOW,
        "complete_until": NOW - MINUTE,
        "window_ms": 7 * DAY,
        "ladder": ("mv_view", "mv_cart"),
        "finals": ("purchase",),
        "minimum": 15.0,
    }
    return Grounds(**usual | other)


def code(evidence: float | None = 41.2, **other: Any) -> str | None:
    why = reason(grounds(**other), evidence)
    return None if why is None else why.code


def test_a_row_with_evidence_on_a_sound_site_is_ready() -> None:
    assert reason(grounds(), 15.0) is None


def test_the_first_reason_that_holds_is_given() -> None:
    wrong: list[tuple[str, dict[str, Any]]] = [
        ("recomputing", {"redefined": True}),
        ("recomputing", {"unfitted": True}),
        ("recomputing", {"mending": True}),
        ("incomplete", {"complete_until": None}),
        ("tracking_break", {"breaks": (STOPPED,)}),
        ("miscalibrated", {"back_tests": OFF}),
        ("thin", {"evidence": 3.0}),
    ]
    for first, (expected, _) in enumerate(wrong):
        together = {key: value for _, one in wrong[first:] for key, value in one.items()}
        assert code(**together) == expected


@pytest.mark.parametrize(
    ("window", "allowed"),
    [
        (HOUR, 15 * MINUTE),
        (5 * HOUR, 15 * MINUTE),
        (DAY, 72 * MINUTE),
        (5 * DAY, 6 * HOUR),
        (28 * DAY, 6 * HOUR),
        (0, 15 * MINUTE),
    ],
)
def test_a_twentieth_of_the_window_may_be_on_its_way_within_bounds(window: int, allowed: int) -> None:
    assert not incomplete(NOW, NOW - allowed, window)
    assert incomplete(NOW, NOW - allowed - 1, window)


def test_where_nothing_was_ever_received_the_window_is_incomplete() -> None:
    assert incomplete(NOW, None, 7 * DAY)
    why = reason(grounds(complete_until=None), 41.2)
    assert why is not None
    assert why.sentence == "No event has ever been received, imported ones aside."


def test_how_far_delivery_is_behind_is_told() -> None:
    why = reason(grounds(complete_until=NOW - 50 * HOUR), 41.2)
    assert why is not None
    assert why.sentence == (
        "Events are complete only up to 2024-10-01 22:00 UTC, 2 days back: delivery is behind, or stopped."
    )


def test_only_a_break_of_what_the_value_rests_on_counts() -> None:
    elsewhere = Break("mv_newsletter", "stopped", 0, 30.0, NOW - HOUR, "No mv_newsletter has come in.")
    assert code(breaks=(elsewhere,)) is None
    why = reason(grounds(breaks=(elsewhere, STOPPED)), 41.2)
    assert why is not None
    assert (why.code, why.sentence) == ("tracking_break", "No purchase has come in.")
    assert code(breaks=(elsewhere,), ladder=("mv_newsletter",)) == "tracking_break"


def test_bids_rest_on_the_ladder_and_the_finals_and_on_nothing_before_any_is_final() -> None:
    plan = 'currency = "JPY"\n[events.mv_view]\n[events.mv_newsletter]\n[events.purchase]\n'
    assert bids_rest_on(Ladder.of(load_plan(plan))) == frozenset()
    plan += 'final = true\n[values]\nladder = ["mv_view"]\n'
    assert bids_rest_on(Ladder.of(load_plan(plan))) == {"mv_view", "purchase"}


@pytest.mark.parametrize(
    ("foretold", "happened", "error", "off"),
    [
        (1_000, 1_100, 1, False),
        (1_000, 1_101, 1, True),
        (1_000, 899, 1, True),
        (1_000, 900, 1, False),
        (100, 120, 12.2, False),
        (100, 120, 12.1, True),
        (0, 0, 0, False),
        (0, 3, 1, True),
        (0.4, 1, 0.63, False),
    ],
)
def test_back_tests_are_off_by_more_than_a_tenth_and_more_than_noise(
    foretold: float, happened: float, error: float, off: bool
) -> None:
    assert miscalibrated([Foretold(foretold, happened, error)]) is off


def test_back_tests_are_judged_together() -> None:
    low, high = Foretold(100, 130, 10), Foretold(100, 70, 10)
    assert miscalibrated([low])
    assert not miscalibrated([low, high])
    # Each alone is within its noise, and so are two of them: they may have missed the same journeys.
    assert not miscalibrated([Foretold(100, 115, 10)] * 2)


def test_without_back_tests_nothing_speaks_against_a_row() -> None:
    assert not miscalibrated([])


def test_what_was_foretold_and_what_came_is_told() -> None:
    why = reason(grounds(back_tests=(Foretold(1_000.4, 1_500, 40), Foretold(200, 300, 20))), 41.2)
    assert why is not None
    assert why.sentence.startswith("In recent weeks 1,200 conversions were foretold where 1,800 came")


@pytest.mark.parametrize("evidence", [None, 0.0, -1.0, 14.999, math.nan])
def test_a_row_whose_evidence_is_below_the_minimum_is_thin(evidence: float | None) -> None:
    assert code(evidence) == "thin"


@pytest.mark.parametrize(
    ("evidence", "told"),
    [(None, "no"), (0.0, "no"), (0.04, "fewer than 0.1"), (3.25, "3.2"), (3.0, "3"), (14.96, "14.9")],
)
def test_the_evidence_is_told_and_what_the_plan_asks_for(evidence: float | None, told: str) -> None:
    why = reason(grounds(), evidence)
    assert why is not None
    assert why.sentence == f"The value rests on {told} conversions; the plan asks for 15."


def test_a_plan_without_a_ladder_is_thin_whatever_the_evidence() -> None:
    assert code(1_000.0, ladder=()) == "thin"


def test_for_each_reason_that_rows_have_there_is_one_sentence() -> None:
    for wrong in ({"redefined": True}, {"mending": True}, {"complete_until": None}, {"breaks": (STOPPED,)}):
        why = reason(grounds(**wrong), 3.0)
        assert why is not None
        # All rows have that reason, whatever their evidence.
        assert sentences(grounds(**wrong)) == sentences(grounds(**wrong), young=True) == {why.code: why.sentence}
    assert sentences(grounds(breaks=(STOPPED,))) == {"tracking_break": "No purchase has come in."}


@pytest.mark.parametrize(
    ("other", "young", "told"),
    [
        ({}, False, "A thin row's value rests on less than the 15 effective_conversions that the plan asks for."),
        ({"minimum": 2.5}, False, "A thin row's value rests on less than the 2.5 effective_conversions"),
        ({}, True, "No journey is as old as the plan's horizon yet"),
        ({"ladder": ()}, False, "Give values.ladder."),
        ({"ladder": ()}, True, "Give values.ladder."),
    ],
)
def test_where_nothing_is_wrong_rows_can_only_be_thin(other: dict[str, Any], young: bool, told: str) -> None:
    found = sentences(grounds(**other), young=young)
    assert found.keys() == {"thin"}
    assert told in found["thin"]


def test_no_reason_is_without_a_sentence() -> None:
    wrong: list[dict[str, Any]] = [{"mending": True}, {"complete_until": None}, {"breaks": (STOPPED,)}, {}]
    told = {code for one in [*wrong, {"back_tests": OFF}] for code in sentences(grounds(**one))}
    assert told | GENERALLY.keys() == set(get_args(Reason))
