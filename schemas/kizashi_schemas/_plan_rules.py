"""What of a plan makes journeys, and what they are worth, what they are."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from kizashi_schemas._plan_model import Plan
from kizashi_schemas._time import Millis

__all__ = ["JourneyRules"]


class JourneyRules(Struct, frozen=True):
    """The keys of a plan by which journeys are told apart, and learned from; lengths are milliseconds.

    `finals` are the final conversions, by name, and whether each brings what its events carry. Where one of all these
    changes, values learned before and after are values of different things. Nothing else is here on purpose: what a
    number is (a declared value, a rate), who owns an event, which windows and summaries are kept. An event off the
    ladder only makes journeys that have not come to a step yet.
    """

    ladder: tuple[str, ...]
    finals: tuple[tuple[str, bool], ...]
    horizon: Millis
    lookback: Millis
    credit: Literal["first", "last"]

    @classmethod
    def of(cls, plan: Plan) -> JourneyRules | None:
        """Those of a plan; None where it has no ladder or no final, so that nothing is learned under it."""
        values = plan.values
        if not values.ladder or not plan.finals:
            return None
        finals = sorted((name, plan.events[name].value == "event") for name in plan.finals)
        return cls(values.ladder, tuple(finals), values.horizon, values.lookback, values.credit)

    def changes(self, other: JourneyRules) -> list[str]:
        """What another plan has otherwise, as the plan's keys say it; `finals` for what is final and what it brings."""
        names = {"ladder": "values.ladder", "horizon": "values.horizon", "lookback": "values.lookback"}
        names |= {"credit": "values.credit", "finals": "finals"}
        return [name for field, name in names.items() if getattr(self, field) != getattr(other, field)]
