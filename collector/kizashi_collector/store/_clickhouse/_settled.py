"""Which rows count. Rows are written by the batch, and count once their batch is *settled*: a row in `batches` says so.

Before a collector settles a batch it looks for rows of others with the same id or order. Of two collectors that write
at a time at least one finds the other's rows then, and records which of the two loses before it settles its own batch.
So whoever reads the settled batches first and the losers after them knows, of each id, the one row that stands: the
first by (received_at, collector) among the settled. A row loses as soon as, and only if, the row that it lost to
stands; so nothing is lost with a collector that never settled what it wrote.

A *seal* says that nothing before a batch's number can be settled any more, and which unsettled batches there are up to
it: so nobody has to list all batches that ever were.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping

from msgspec import Struct

from kizashi_collector.store._clickhouse._engine import Engine
from kizashi_collector.store._clickhouse._sql import View

__all__ = ["COLLECTORS", "EPOCH_MS", "Edge", "RowNumber", "ServerClock", "Settled", "read_settled"]

EPOCH_MS = 1_767_225_600_000
"""2026-01-01: batch numbers count milliseconds since then."""

COLLECTORS = 1 << 24
"""A batch's number is its milliseconds times this, plus the number of its collector."""

RowNumber = tuple[int, int]
"""A row's batch and its place in it."""

Edge = tuple[int, int]
"""What retention has deleted: the events before a time, of batches up to a number. Those that came later are new."""

# Seals are read once: of two reads, each might see another one.
_SETTLED = """
    WITH (SELECT tuple(max(upto), argMax(dead, upto)) FROM seals) AS seal
    SELECT
        seal.1,
        seal.2,
        (SELECT groupUniqArray((before, upto)) FROM edges),
        (SELECT count() FROM erased),
        groupArray(batch),
        toUnixTimestamp64Milli(now64(3))
    FROM batches WHERE batch > seal.1
"""
_LOSERS = "SELECT DISTINCT batch, n, winner_batch, winner_n FROM losers"


class Settled(Struct, frozen=True):
    """The batches that count: those up to `sealed` that are not `dead`, and these; and the rows that lost to others.

    What is before one of the `edges` is no longer in the log. `now` is the server's time, `erased` how many ids were
    erased ever.
    """

    sealed: int
    dead: frozenset[int]
    batches: frozenset[int]
    losses: Mapping[RowNumber, Collection[RowNumber]]
    edges: tuple[Edge, ...]
    erased: int
    now: int

    def settled(self, batch: int) -> bool:
        """Whether a batch counts."""
        return batch in self.batches or (batch <= self.sealed and batch not in self.dead)

    def stands(self, row: RowNumber) -> bool:
        """Whether a row counts: its batch does, and it lost to none that stands."""
        # Each loses to an earlier one, so that this comes to an end; chains are as long as collectors raced.
        return self.settled(row[0]) and not any(self.stands(winner) for winner in self.losses.get(row, ()))

    @property
    def edge(self) -> int:
        """Events from before this time were deleted; 0 where none ever was."""
        return max((before for before, _ in self.edges), default=0)

    def gone(self, batch: int, time: int) -> bool:
        """Whether a row with an event of this time is no longer in the log."""
        return any(time < before and batch <= upto for before, upto in self.edges)

    def view(self, table: str = "events") -> View:
        """The rows that stand and are in the log, and adjustments that are in force."""
        if not self.edges:
            return View(table, self.standing())
        gone = " OR ".join(f"(time < {before} AND batch <= {upto})" for before, upto in self.edges)
        logged = f"NOT ({gone})"
        return View(table, f"{self.standing()} AND (adjust != 0 OR {logged})", logged)

    def standing(self) -> str:
        """The rows that stand, as a condition of their batch and n."""
        old = f"batch <= {self.sealed}"
        if self.dead:
            old = f"({old} AND batch NOT IN ({_list(self.dead)}))"
        counts = f"({old} OR batch IN ({_list(self.batches)}))" if self.batches else old
        lost = [row for row in self.losses if self.settled(row[0]) and not self.stands(row)]
        if lost:
            counts += f" AND (batch, n) NOT IN ({', '.join(f'({batch}, {n})' for batch, n in sorted(lost))})"
        return counts


def read_settled(engine: Engine) -> Settled:
    """What counts now. All that was acknowledged before is in it."""
    sealed, dead, edges, erased, batches, now = (column[0] for column in engine.ask(_SETTLED))
    losses: dict[RowNumber, set[RowNumber]] = {}
    for batch, n, winner_batch, winner_n in zip(*engine.ask(_LOSERS), strict=True):
        losses.setdefault((batch, n), set()).add((winner_batch, winner_n))
    return Settled(sealed, frozenset(dead), frozenset(batches), losses, _outermost(edges), erased, now)


def _outermost(edges: Collection[Edge]) -> tuple[Edge, ...]:
    """Those that say more than others; each has an earlier time than the one before, and later batches."""
    found: list[Edge] = []
    for before, upto in sorted(map(tuple, edges), reverse=True):
        if not found or upto > found[-1][1]:
            found.append((before, upto))
    return tuple(found)


class ServerClock:
    """The server's time, as it was last heard and how long ago that was."""

    def __init__(self) -> None:
        self._heard, self._at = 0, 0.0

    def hear(self, now: int) -> None:
        """The server says that it is so many milliseconds since 1970."""
        self._heard, self._at = now, time.monotonic()

    def now(self) -> int:
        """Milliseconds since 1970."""
        return self._heard + int((time.monotonic() - self._at) * 1000)


def _list(numbers: Collection[int]) -> str:
    return ", ".join(map(str, sorted(numbers)))
