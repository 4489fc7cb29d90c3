"""Crowds of events at one instant: as exact as ever, and never a matter of hours."""

from __future__ import annotations

from itertools import count

import pytest

from kizashi_collector.analysis import Interval, LoggedEvent, Worth, evaluate_funnel
from kizashi_schemas import Funnel, FunnelError, Step

DAY = Interval(0, 1_000, 1_000)


def crowd(names: list[str], time: int = 5, **properties: int) -> list[LoggedEvent]:
    return [
        LoggedEvent(id=f"{name}-{number:03}", name=name, time=time, received_at=time, actor="a", properties=properties)
        for number, name in enumerate(names)
    ]


def depths(events: list[LoggedEvent], funnel: Funnel, looks: int = 100_000) -> list[int]:
    """The counts of the steps; fails when the work needs more looks at its patience than that."""
    looked = count()

    def check() -> None:
        assert next(looked) < looks

    return [step.count for step in evaluate_funnel(events, funnel, DAY, worth=Worth(None, []), check=check).steps]


@pytest.mark.parametrize("steps", [5, 20, 60])
def test_an_unordered_funnel_of_many_steps_at_one_instant(steps: int) -> None:
    names = [f"s{n}" for n in range(steps)]
    funnel = Funnel(steps=list(names), order="unordered")
    assert depths(crowd(names[::-1]), funnel) == [1] * steps
    assert depths(crowd(names[1:] * 3), funnel) == [1] * (steps - 1) + [0]


@pytest.mark.parametrize("steps", [5, 20, 60])
def test_an_ordered_funnel_of_many_optional_steps_at_one_instant(steps: int) -> None:
    names = [f"s{n}" for n in range(steps)]
    funnel = Funnel(steps=list(names), optional=list(range(1, steps - 1)))
    assert depths(crowd(names[::-1]), funnel) == [1] * steps
    assert depths(crowd([names[-1], names[0]]), funnel) == [1, *[0] * (steps - 2), 1]


def test_a_thousand_events_of_one_name_at_one_instant() -> None:
    funnel = Funnel(steps=["s", "s", "s", "t"])
    assert depths(crowd(["s"] * 300 + ["t"]), funnel) == [1, 1, 1, 1]


def test_steps_that_overlap_beyond_what_can_be_tried_are_refused() -> None:
    # Steps 18 and 19 want the same lone event, so that no order is ever good enough to stop at.
    wanted = [sorted({n, (5 * n + 3) % 18, (7 * n + 1) % 18}) for n in range(18)] + [[18], [18]]
    steps: list[str | Step] = [Step(event="*", where={"properties.n": list(values)}) for values in wanted]
    events = [event for n in range(19) for event in crowd([f"e{n:02}"], n=n)]
    with pytest.raises(FunnelError, match="overlap"):
        depths([*events, *crowd(["f"], n=0)], Funnel(steps=steps, order="unordered"))
