"""The journeys of a log, found a share of the actors at a time, so that the events need not all be held at once."""

from __future__ import annotations

from collections.abc import Callable, Collection
from sqlite3 import Connection
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kizashi_collector.analysis import EventTable, Journeys, Ladder, Worth, find_journeys, join_journeys
from kizashi_collector.store._chunks._scan import adjusted_among, adjustments
from kizashi_collector.store._chunks._tables import tables_between
from kizashi_collector.store._chunks._texts import Texts
from kizashi_schemas.plan import Plan

__all__ = ["journeys_until"]

_AT_ONCE = 3_000_000
_COLUMNS = ("value", "currency", "source")
_HOW_MANY = "SELECT coalesce(sum(count), 0) FROM chunks WHERE first_time <= ?"


def journeys_until(
    connection: Connection,
    texts: Texts,
    plan: Plan,
    ladder: Ladder,
    as_of: int,
    check: Callable[[], None],
    *,
    actors: Collection[int] | None = None,
    last: int | None = None,
    adjusted_until: int | None = None,
) -> Journeys:
    """The journeys of all actors, or of some, as they stand at `as_of`: from all events up to then.

    Adjustments up to `adjusted_until` count, or up to as_of. With `last`, only events with numbers up to that count.
    `check` is called now and then. Rows are by actor.
    """
    worth = Worth(plan, adjustments(connection, as_of if adjusted_until is None else adjusted_until))
    (events,) = connection.execute(_HOW_MANY, (as_of,)).fetchone()
    shares = 1 if actors is not None else events // _AT_ONCE + 1
    wanted = None if actors is None else np.fromiter(sorted(actors), np.int64, len(actors))

    def found(share: int) -> Journeys:
        # A call of its own lets go of the share's events before the next one's are read.
        table = _events(connection, texts, plan, as_of, check, _Chosen(wanted, shares, share, last))
        adjusted = adjusted_among(connection, texts, worth.adjusted, table)
        return find_journeys(table, texts.codes, ladder, worth=worth, adjusted=adjusted, as_of=as_of, check=check)

    return join_journeys([found(share) for share in range(shares)])


class _Chosen:
    """Which events are of a share of the actors, or of some, and were told already."""

    def __init__(self, wanted: NDArray[np.int64] | None, shares: int, share: int, last: int | None) -> None:
        self._wanted, self._shares, self._share, self._last = wanted, shares, share, last

    def among(self, table: EventTable) -> NDArray[np.bool_]:
        chosen: NDArray[np.bool_] = np.asarray(table.actor != 0)
        if self._shares > 1:
            chosen &= table.actor % self._shares == self._share
        if self._wanted is not None:
            chosen &= np.isin(table.actor, self._wanted)
        if self._last is not None:
            chosen &= table.seq <= self._last
        return chosen


def _events(
    connection: Connection, texts: Texts, plan: Plan, as_of: int, check: Callable[[], None], chosen: _Chosen
) -> EventTable:
    """The planned events of these, as a table without the columns that journeys do not ask for."""
    kept: list[tuple[NDArray[Any], ...]] = []
    for table in tables_between(connection, texts, -1, as_of, check, columns=_COLUMNS):
        planned = np.array([name in plan.events for name in texts.codes.names], np.bool_)
        (at,) = np.nonzero(planned[table.name] & chosen.among(table))
        columns = (table.seq, table.name, table.time, table.value, table.currency, table.source, table.actor)
        kept.append(tuple(column[at] for column in columns))
        del table, columns  # the next one need not be made beside it
    if not kept:
        return EventTable.empty()
    parts = [list(column) for column in zip(*kept, strict=True)]
    kept.clear()
    seq, name, time, value, currency, source, actor = map(_joined, parts)
    none = np.broadcast_to(np.int64(0), len(seq))
    return EventTable(seq, name, time, none, value, currency, source, actor, none.astype(np.bool_))


def _joined(parts: list[NDArray[Any]]) -> NDArray[Any]:
    """One column of its parts, which are let go of: millions of events are not to be held twice."""
    joined: NDArray[Any] = np.concatenate(parts)
    parts.clear()
    return joined
