"""`where` of a step: JSON equality on properties and source, or a list for "one of"."""

from __future__ import annotations

from typing import Any

import pytest

from kizashi_schemas import Step
from oracle.timelines import ask, counts, timeline


def fits(extras: str, **where: Any) -> bool:
    condition = {key.replace("__", "."): value for key, value in where.items()}
    return counts(ask(timeline(f"a@0[{extras}]"), [Step(event="a", where=condition)])) == [1]


@pytest.mark.parametrize(
    ("sent", "wanted", "equal"),
    [
        ("A-1", "A-1", True),
        ("A-1", "a-1", False),
        ("2", 2, True),
        ("2.0", 2, True),
        ("2", 2.0, True),
        ("2.5", 2, False),
        ('"2"', 2, False),
        ("2", "2", False),
        ("true", True, True),
        ("true", 1, False),
        ("1", True, False),
        ("0", False, False),
        ("null", None, True),
        ("null", "", False),
        ('""', None, False),
    ],
)
def test_a_property_is_compared_as_json_is(sent: str, wanted: Any, equal: bool) -> None:
    assert fits(f"p.v={sent}", properties__v=wanted) is equal
    assert fits(f"p.v={sent}", properties__v=["something else", wanted]) is equal


def test_a_list_means_one_of() -> None:
    assert fits("p.v=2", properties__v=[1, 2])
    assert not fits("p.v=3", properties__v=[1, 2])
    assert not fits("p.v=3", properties__v=[])


def test_a_missing_property_equals_nothing() -> None:
    assert not fits("", properties__v=None)
    assert not fits("", properties__v="")


def test_a_missing_source_field_is_the_empty_string() -> None:
    assert fits("", source__campaign="")
    assert not fits("", source__campaign="g")
    assert not fits("campaign=g", source__campaign="")
    assert fits("campaign=g", source__campaign=["g", "h"])


def test_all_conditions_must_hold() -> None:
    assert fits("campaign=g,p.v=1", source__campaign="g", properties__v=1)
    assert not fits("campaign=g,p.v=1", source__campaign="g", properties__v=2)
