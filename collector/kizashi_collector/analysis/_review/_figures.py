"""What a review says: of each micro-conversion, and of the plan as a whole."""

from __future__ import annotations

from datetime import date
from typing import Literal

from msgspec import Struct

from kizashi_collector.analysis._review._lift import Lift
from kizashi_collector.analysis._review._proportion import Proportion
from kizashi_collector.analysis._review._verdicts import VerdictReason, WorthKeeping
from kizashi_collector.analysis._values import Fit

__all__ = ["DoubleCount", "EventReview", "Lag", "Learned", "NumberedFit", "Overdue", "Period", "Review", "Trend"]


class NumberedFit(Struct, frozen=True):
    """A fit as the log keeps it: under its number, and how many seconds it took."""

    number: int
    seconds: float
    fit: Fit


class Learned(Struct, frozen=True):
    """What an event is worth, in micros, and the chance of a final behind it, each with a 90 % credible interval.

    `method` is `fit` where both come from the fit of the whole site, `simple` where the chance is the plain share of
    journeys with the event that converted, and the money the mean of what conversions brought.
    """

    value: int
    low: int
    high: int
    chance: Proportion
    method: Literal["fit", "simple"]


class Lag(Struct, frozen=True):
    """Milliseconds from the first such event of a journey to its final, by nearest rank."""

    p50: int
    p90: int


class Period(Struct, frozen=True):
    """Journeys that began in (start, end] and had the event, and how many of them converted."""

    start: int
    end: int
    journeys: int
    converted: int


class Trend(Struct, frozen=True):
    """The last periods of one horizon, the oldest first; `direction` is None where there is too little to tell."""

    periods: tuple[Period, ...]
    direction: Literal["rising", "falling", "steady"] | None


class EventReview(Struct, frozen=True, kw_only=True):
    """One micro-conversion. Money is micros of the plan's currency.

    - `step`: its place in the ladder, from 1; None off it. `next_step`: the step after it, or a final.
    - `journeys`, `converted`, `share`: of the journeys of the review those that had it, how many of them converted, and
      which part they are of all that have a micro-conversion; `waiting`: younger or open ones that had it, not counted.
    - `marginal_gain`: 1 − chance here / chance at the next step: how much of what the next step tells is still open
      here. At 0 the two tell the same; below 0 the next step tells less.
    - `recent`: how often it happened in the last 28 days.
    """

    event: str
    step: int | None
    next_step: str | None
    action: Literal["primary", "secondary"]
    declared: int | Literal["event"] | None
    learned: Learned | None
    journeys: int
    converted: int
    share: float | None
    waiting: int
    lift: Lift | None
    marginal_gain: float | None
    lag: Lag | None
    trend: Trend
    recent: int
    owner: str | None
    review_by: date | None
    overdue: bool
    verdict: WorthKeeping
    reason: VerdictReason
    sentence: str

    @property
    def only_watched(self) -> bool:
        """Whether nobody ever meant to pay for it: it is no step of the ladder, and the plan declares no value.

        A sign of trouble, as an error in the form of the checkout, may lift as well, since it happens late.
        """
        return self.step is None and self.declared is None


class DoubleCount(Struct, frozen=True):
    """A primary event that another primary one follows in nearly every journey: declared_value counts both."""

    event: str
    followed_by: str
    journeys: int
    followed: int
    sentence: str


class Overdue(Struct, frozen=True):
    """Events whose review is overdue, by who answers for them; None where the plan says nobody."""

    owner: str | None
    events: tuple[str, ...]


class Review(Struct, frozen=True, kw_only=True):
    """The review of a plan at as_of, over the journeys that began in (start, end]; times in ms since 1970.

    Counted are those that ended or whose horizon is over, and that had a micro-conversion at all.
    """

    as_of: int
    start: int
    end: int
    plan: str
    currency: str
    journeys: int
    converted: int
    fit: NumberedFit | None
    events: tuple[EventReview, ...]
    double_counts: tuple[DoubleCount, ...]
    overdue: tuple[Overdue, ...]
    sentence: str
