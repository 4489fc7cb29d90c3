"""What journeys need of a plan: how deep each event lies, and how long a step may still lead to a final conversion."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from kizashi_schemas import Millis
from kizashi_schemas.plan import Plan

__all__ = ["UNPLANNED", "Depths", "Ladder"]

Depths = NDArray[np.int16]

UNPLANNED = -1
"""Stands for the rank of an event that the plan does not know."""


class Ladder(Struct, frozen=True):
    """The depth of each planned event by its name, and the rules of a journey; lengths of time are milliseconds.

    Depths are places in the plan's ladder, from 1 to `steps`; 0 of micro-conversions off it; `steps` + 1 of finals.
    """

    depths: Mapping[str, int]
    steps: int
    horizon_ms: Millis
    lookback_ms: Millis
    credit: Literal["first", "last"]

    @classmethod
    def of(cls, plan: Plan | None) -> Ladder | None:
        """The ladder of a plan; None where no event is final."""
        if plan is None or not plan.finals:
            return None
        values = plan.values
        places = {name: place for place, name in enumerate(values.ladder, 1)}
        final = len(places) + 1
        return cls(
            depths={name: final if rule.final else places.get(name, 0) for name, rule in plan.events.items()},
            steps=len(places),
            horizon_ms=values.horizon,
            lookback_ms=values.lookback,
            credit=values.credit,
        )

    @property
    def final(self) -> int:
        """The depth of finals."""
        return self.steps + 1

    def rank(self, depth: int) -> int:
        """The turn, from 0, of an event of this depth among those of one instant: ladder, off the ladder, finals."""
        return self.steps if depth == 0 else depth - (depth <= self.steps)

    def ranks(self, names: Sequence[str]) -> Depths:
        """The rank of each name, UNPLANNED where it has none."""
        depths = [self.depths.get(name) for name in names]
        return np.array([UNPLANNED if depth is None else self.rank(depth) for depth in depths], np.int16)

    def depths_by_rank(self) -> Depths:
        """The depth of each rank."""
        return np.array([*range(1, self.steps + 1), 0, self.final], np.int16)
