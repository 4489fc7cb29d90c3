"""The integers that a review is worked out from: whatever counts them, the review is the same."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from kizashi_collector.analysis._journeys import Ladder
from kizashi_collector.analysis._review._figures import Lag
from kizashi_schemas import DAY_MS, Millis
from kizashi_schemas.plan import Plan

__all__ = ["PERIODS", "RECENT_MS", "AmountSums", "Cohort", "EventCounts", "ReviewCounts"]

RECENT_MS = 28 * DAY_MS
"""How far back events are counted that tell whether a micro-conversion is still sent."""

PERIODS = 3
"""How many periods of one horizon a trend looks back over."""


class Cohort(Struct, frozen=True):
    """The journeys that are counted: begun in (start, end], with a micro-conversion, and with an outcome at as_of.

    They end a horizon before as_of: of younger ones, only those that converted soon would have an outcome. Younger and
    open ones *wait*. Without a final in the plan there are none, and the horizon is 0.
    """

    as_of: int
    start: int
    end: int
    horizon_ms: Millis

    @classmethod
    def of(cls, ladder: Ladder | None, as_of: int) -> Cohort:
        """Those of a ladder; None where the plan has no final."""
        if ladder is None:
            return cls(as_of, as_of, as_of, Millis(0))
        end = as_of - ladder.horizon_ms
        return cls(as_of, end - ladder.lookback_ms, end, ladder.horizon_ms)

    @property
    def periods(self) -> list[tuple[int, int]]:
        """(start, end] of those periods of one horizon each that lie in the lookback, the oldest first."""
        ends = [self.end - back * self.horizon_ms for back in reversed(range(PERIODS))]
        return [(end - self.horizon_ms, end) for end in ends if self.start <= end - self.horizon_ms < end]


class EventCounts(Struct, frozen=True):
    """Of one micro-conversion. Each number is of journeys, but for `recent`, which is of events.

    - `journeys`, `converted`: those of the cohort that had it, and how many of them converted.
    - `waiting`: those that had it, and began after the cohort did, but do not count because their outcome is not known
      yet, or not known of all of their age.
    - `recent`: how often it happened in (as_of − RECENT_MS, as_of].
    - `lag`: from the first one of each journey to its final, of those that converted; None where none did.
    - `periods`: for each of `Cohort.periods`, `journeys` and `converted` of those that began in it.
    - `followed`: where the event is primary, for each other primary event in how many of `journeys` that one followed:
      a micro-conversion that happened at the time of the first such event or later, or a final that converted it.
      Those that never did may be left out.
    """

    journeys: int = 0
    converted: int = 0
    waiting: int = 0
    recent: int = 0
    lag: Lag | None = None
    periods: tuple[tuple[int, int], ...] = ()
    followed: Mapping[str, int] = {}


class AmountSums(Struct, frozen=True):
    """How many amounts y there are, Σy and Σy², exactly; y in micros of the plan's currency."""

    count: int = 0
    total: int = 0
    squares: int = 0


class ReviewCounts(Struct, frozen=True):
    """What a review counts of a log under a plan at one as_of.

    `journeys`, `converted` are of the cohort. `brought` is what those that converted brought, journeys that are a lone
    final among them, as far as a rate leads to the plan's currency. `events` has each micro-conversion of the plan.
    """

    events: Mapping[str, EventCounts]
    journeys: int = 0
    converted: int = 0
    brought: AmountSums = AmountSums()

    @classmethod
    def none(cls, plan: Plan) -> ReviewCounts:
        """Those of an empty log, or under a plan without a final."""
        cohort = Cohort.of(Ladder.of(plan), as_of=0)
        nothing = EventCounts(periods=((0, 0),) * len(cohort.periods))
        return cls({name: nothing for name, rule in plan.events.items() if not rule.final})
