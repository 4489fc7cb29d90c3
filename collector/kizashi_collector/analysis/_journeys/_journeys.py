"""Journeys as columns: what values are fitted from, and what a nowcast adds up."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from msgspec import Struct
from msgspec.structs import asdict
from numpy.typing import NDArray

from kizashi_collector.analysis._table import CodeColumn, Column

__all__ = ["CONVERTED", "NEVER", "RETRACTED", "UNENDED", "Journeys", "join_journeys"]

UNENDED, CONVERTED, RETRACTED = 0, 1, 2
"""How a journey ended: not yet, or by the horizon alone; by a final conversion; by one that was taken back."""

NEVER = -1
"""Stands for the time of what did not happen."""


class Journeys(Struct, frozen=True, eq=False):
    """Journeys as they stand at one as_of, a row each, by actor and then in time; times in ms since 1970.

    - `actor`, `begin`; `source`, the code of the source credited, 0 if none of its events has one.
    - `deepest`: the depth that it reached before its final; `Ladder.final` where a final is all there is.
    - `reached`: a column for each depth from 0 to the ladder's last: when the journey reached it *as a deeper step*,
      else NEVER. One that goes from 1 to 3 never reached 2.
    - `ended`: UNENDED, CONVERTED or RETRACTED; `end` and `final`: time and name code of the final that ended it, else
      NEVER and 0.
    - `brought`: what that final stands at, in micros of the plan's currency; 0 unless CONVERTED, and 0 for the rows of
      `apart`, which has what does not fit 56 bits, and None where no rate leads to the plan's currency.
    """

    actor: CodeColumn
    begin: Column
    source: CodeColumn
    deepest: NDArray[np.int16]
    reached: Column
    ended: NDArray[np.int8]
    end: Column
    final: CodeColumn
    brought: Column
    apart: Mapping[int, int | None]

    def __len__(self) -> int:
        return len(self.begin)

    def deadlines(self, horizon_ms: int) -> Column:
        """Until when, inclusive, an event still belongs to each journey: a horizon after it reached its deepest step.

        NEVER for those that are a lone final. One without a final is open at an as_of up to its deadline.
        """
        clock = np.full(len(self), NEVER, np.int64)
        (rows,) = np.nonzero(self.deepest < self.reached.shape[1])
        clock[rows] = self.reached[rows, self.deepest[rows]] + horizon_ms
        return clock

    def open_at(self, as_of: int, horizon_ms: int) -> NDArray[np.bool_]:
        """Which journeys are open at the as_of that they were found for."""
        is_open: NDArray[np.bool_] = (self.ended == UNENDED) & (self.deadlines(horizon_ms) >= as_of)
        return is_open


def join_journeys(parts: list[Journeys]) -> Journeys:
    """Those of several sets of actors, one after the other; of one ladder, and there is one part at least.

    The list is emptied, and each column of the parts let go of once it is joined: millions are not to be held twice.
    """
    if len(parts) == 1:
        return parts.pop()
    apart: dict[int, int | None] = {}
    first = 0
    for part in parts:
        apart |= {first + row: amount for row, amount in part.apart.items()}
        first += len(part)
    del part
    columns = [asdict(part) for part in parts]
    parts.clear()
    joined = {name: np.concatenate([column.pop(name) for column in columns]) for name in _COLUMNS}
    return Journeys(**joined, apart=apart)


_COLUMNS = tuple(name for name in Journeys.__struct_fields__ if name != "apart")
