"""Whether a micro-conversion is worth keeping: the rules, from plain numbers."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from kizashi_collector.analysis._review._lift import Lift, lift

__all__ = ["EVERYWHERE", "Judged", "VerdictReason", "WorthKeeping", "judge"]

WorthKeeping = Literal["keep", "prune", "unknown"]
VerdictReason = Literal[
    "lifts",
    "everywhere",
    "no_gain",
    "no_lift",
    "weak_lift",
    "no_final",
    "no_conversions",
    "unseen",
    "too_early",
    "thin",
    "unclear",
]
"""Why: keep because it `lifts`; prune from `everywhere` to `weak_lift`; unknown from `no_final` on."""

LEAST_LIFT = 1.1
"""A micro-conversion that makes a final less than a tenth likelier is not worth its place."""

WEAK_LIFT = 1.5
"""An interval that holds LEAST_LIFT and ends below this is no matter of too little evidence."""

EVERYWHERE = 0.95
"""What more than this part of the journeys have tells them apart no longer."""

NO_GAIN = 0.02
"""So close to the chance of the next step, the two tell the same."""

_MANY = 100


class Judged(Struct, frozen=True):
    """The counts that a verdict rests on, all of journeys whose outcome is known.

    `waiting` had the event, but their outcome is not known yet; `enough` is the number of conversions from which a
    verdict may be told.
    """

    journeys: int
    converted: int
    other_journeys: int
    other_converted: int
    waiting: int
    marginal_gain: float | None
    enough: float

    @property
    def lift(self) -> Lift | None:
        """Conversions with the event against those without it."""
        return lift(self.converted, self.journeys, self.other_converted, self.other_journeys)


def judge(counts: Judged, *, has_final: bool = True) -> tuple[WorthKeeping, VerdictReason]:
    """The verdict and its reason. More of the same evidence never undoes a verdict, and never turns keep to prune."""
    conversions = counts.converted + counts.other_converted
    everyone = counts.journeys + counts.other_journeys
    if not has_final:
        return "unknown", "no_final"
    if not counts.journeys:
        return "unknown", "too_early" if counts.waiting else "unseen"
    if not conversions:
        return "unknown", "no_conversions"
    if everyone >= _MANY and counts.journeys > EVERYWHERE * everyone:
        return "prune", "everywhere"
    if conversions < counts.enough:
        return "unknown", "thin"
    if counts.converted >= counts.enough and counts.marginal_gain is not None and abs(counts.marginal_gain) < NO_GAIN:
        return "prune", "no_gain"
    return _by_lift(counts, conversions)


def _by_lift(counts: Judged, conversions: int) -> tuple[WorthKeeping, VerdictReason]:
    found = counts.lift
    enough = counts.converted >= counts.enough
    if found is not None:
        if found.high < LEAST_LIFT:
            return "prune", "no_lift"
        if found.low > LEAST_LIFT and enough:
            return "keep", "lifts"
        if found.low <= LEAST_LIFT and found.high < WEAK_LIFT and conversions >= _MANY:
            return "prune", "weak_lift"
    return "unknown", "unclear" if enough and found is not None else "thin"
