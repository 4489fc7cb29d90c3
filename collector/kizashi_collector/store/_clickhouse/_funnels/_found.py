"""What is found of a funnel, in integers."""

from __future__ import annotations

from msgspec import Struct

__all__ = ["NONE", "Counted", "Key", "Ranked", "StepCount", "ninety_of"]

Key = tuple[str, ...]


class Ranked(Struct, frozen=True):
    """Some of the values of a sorted list that lie side by side; `first` is the place of the first of them."""

    first: int
    values: list[int]


class StepCount(Struct, frozen=True):
    """One step: attempts that count there; the milliseconds since the last required step before (how many such times,
    their sum, those around the median and those around the 90th percentile); money in micros, None if not known."""

    count: int
    times: int
    total: int
    median: Ranked
    p90: Ranked
    declared: int | None
    final: int | None


NONE = StepCount(0, 0, 0, Ranked(0, []), Ranked(0, []), 0, 0)
"""A step that nobody reached."""


class Counted(Struct, frozen=True):
    """What one question gives: the steps of each key, () being all; how many times the histogram has, the least and
    the greatest; and how many units are apart, with how many events."""

    groups: dict[Key, list[StepCount]]
    spans: tuple[int, int, int]
    apart: int
    apart_events: int


def ninety_of(count: str) -> str:
    """In SQL, the place of the 90th percentile by nearest rank among so many sorted values."""
    return f"greatest(0, intDiv(900 * ({count}) + 999, 1000) - 1)"
