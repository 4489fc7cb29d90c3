"""The attempts that count, as columns: how deep they came, and which events took their steps."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from kizashi_collector.analysis._table import Column

__all__ = ["Outcome", "Taken", "Trend"]

Trend = tuple[list[int], list[int]]
"""By day: how many entered, how many completed."""


class Taken(Struct, frozen=True, eq=False):
    """Attempts, each by its depth; and for each step those that took it, ascending, with when and by which row of the
    table. `group` is the breakdown key of each attempt where that is known from the start."""

    depth: NDArray[np.uint8]
    who: list[Column]
    time: list[Column]
    row: list[Column]
    group: Column | None = None

    def __len__(self) -> int:
        return len(self.depth)

    @classmethod
    def empty(cls, steps: int) -> Taken:
        """No attempts at a funnel of so many steps."""
        none = [np.zeros(0, np.int64) for _ in range(steps)]
        return cls(np.zeros(0, np.uint8), none, none, none, np.zeros(0, np.int64))

    @classmethod
    def joined(cls, parts: Sequence[Taken], steps: int) -> Taken:
        """The attempts of several parts, in their order."""
        if not parts:
            return cls.empty(steps)
        first = np.concatenate(([0], np.cumsum([len(part) for part in parts])))
        return cls(
            np.concatenate([part.depth for part in parts]),
            [np.concatenate([part.who[k] + at for part, at in zip(parts, first, strict=False)]) for k in range(steps)],
            [np.concatenate([part.time[k] for part in parts]) for k in range(steps)],
            [np.concatenate([part.row[k] for part in parts]) for k in range(steps)],
            None if parts[0].group is None else np.concatenate([p.group for p in parts if p.group is not None]),
        )


class Outcome(Struct, frozen=True, eq=False):
    """The attempts that count; those of the breakdown, where its attribution runs the funnel anew; and the trend."""

    taken: Taken
    grouped: Taken | None
    trend: Trend
