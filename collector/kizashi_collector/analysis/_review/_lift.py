"""Lift: how many times as often journeys with an event convert as those without it. Observed, not caused."""

from __future__ import annotations

import math

from msgspec import Struct

from kizashi_collector.analysis._review._proportion import Z90

__all__ = ["Lift", "lift"]


class Lift(Struct, frozen=True):
    """P(final | event) / P(final | no event), with its 90 % interval; 0 < low < ratio < high."""

    ratio: float
    low: float
    high: float


def lift(converted_with: int, with_it: int, converted_without: int, without_it: int) -> Lift | None:
    """The ratio of two shares; None where there is nobody on one side, or nobody converted on either.

    The interval is symmetric on the log scale (Katz, Baptista, Azen and Pike 1978), ½ being added to each count so
    that none is 0 (Walter 1975).
    """
    if not with_it or not without_it or not converted_with + converted_without:
        return None
    a, n, c, m = converted_with + 0.5, with_it + 0.5, converted_without + 0.5, without_it + 0.5
    middle = math.log(a / n) - math.log(c / m)
    spread = Z90 * math.sqrt(1 / a - 1 / n + 1 / c - 1 / m)
    return Lift(math.exp(middle), math.exp(middle - spread), math.exp(middle + spread))
