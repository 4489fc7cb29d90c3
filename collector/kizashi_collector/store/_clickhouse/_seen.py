"""What was known of the log at a time: which rows counted, and as of when; so that it can be said what is new since."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from kizashi_collector.store._clickhouse._settled import Edge, RowNumber, Settled
from kizashi_collector.store._clickhouse._sql import View

__all__ = ["NOTHING", "Seen", "changed"]


class Seen(Struct, array_like=True, frozen=True):
    """The rows that counted by some `Settled`, as they stood at as_of; as_of is -1 before there was any.

    Batches up to `sealed` are implied, so that it is no longer than what a collector reads anyway.
    """

    as_of: int
    sealed: int
    dead: Sequence[int]
    batches: Sequence[int]
    losses: Sequence[tuple[RowNumber, Sequence[RowNumber]]]

    @classmethod
    def of(cls, settled: Settled, as_of: int) -> Seen:
        """What counts by now."""
        losses = [(row, sorted(winners)) for row, winners in sorted(settled.losses.items())]
        return cls(as_of, settled.sealed, sorted(settled.dead), sorted(settled.batches), losses)

    def settled(self, edges: tuple[Edge, ...]) -> Settled:
        """What counted then of the events that are left: those from before the `edges` are gone."""
        losses = {row: list(winners) for row, winners in self.losses}
        return Settled(self.sealed, frozenset(self.dead), frozenset(self.batches), losses, edges, 0, 0)


NOTHING = Seen(-1, 0, (), (), ())


def changed(before: Seen, now: Seen, edges: tuple[Edge, ...], table: str = "events") -> tuple[View, View]:
    """What is to be looked at by who knows what counted before: rows that count in one of the two alone, and rows that
    count and whose time was still to come then, and no longer is.

    A row that stood may lose its standing: another collector had the event first.
    """
    old, new = before.settled(edges), now.settled(edges)
    was, is_now = old.view(table).where, new.view(table).where
    lost = sorted({row for one in (old, new) for row in one.losses if one.settled(row[0]) and not one.stands(row)})
    # What was sealed by then is settled for good, but for the losers.
    moved = f"batch > {before.sealed}"
    if lost:
        moved = f"({moved} OR (batch, n) IN ({', '.join(f'({batch}, {n})' for batch, n in lost)}))"
    until = f"time <= {now.as_of}"
    return (
        View(table, f"{moved} AND {until} AND ({was}) != ({is_now})"),
        View(table, f"({is_now}) AND time > {before.as_of} AND {until}"),
    )
