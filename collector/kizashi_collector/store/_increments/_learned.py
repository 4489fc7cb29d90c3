"""What steps are worth to a feed: as they were learned last, or as the plan declares."""

from __future__ import annotations

from collections.abc import Callable

from kizashi_collector.analysis import Ladder, StepValues, Worth
from kizashi_collector.store._current import Learned
from kizashi_collector.store._fits import StoredFit
from kizashi_schemas.plan import Plan

__all__ = ["LearnedLast"]


class LearnedLast:
    """Keeps what was learned last, unpacked."""

    def __init__(self) -> None:
        self._learned: Learned | None = None

    def values(self, plan: Plan, ladder: Ladder, worth: Worth, fit: Callable[[], StoredFit | None]) -> StepValues:
        """What steps are worth; `fit` is asked for the fit in force where the plan uses what was learned."""
        if any(rule.use == "learned" for rule in plan.events.values()):
            stored, learned = fit(), self._learned
            if stored is not None and (learned is None or learned.number != stored.number):
                learned = self._learned = Learned(stored)
            if stored is not None and learned is not None and not learned.young:
                covering = learned.covering(())
                if covering is not None:
                    return StepValues(ladder, worth, *covering, learned.number)
        return StepValues(ladder, worth, (), None, 0)
