"""Reading the log for the ledger: whose journeys may have changed, and the events that these are made of."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from sqlite3 import Connection

import numpy as np
from numpy.typing import NDArray

from kizashi_collector.analysis import Ladder
from kizashi_collector.store._chunks import Chunk, Texts, decode_adjustment, number_of, tables_between
from kizashi_collector.store._increments._tasks import History
from kizashi_collector.store._ledger import LedgerState
from kizashi_collector.store._patience import Patience
from kizashi_schemas.plan import Plan

__all__ = ["histories", "newly_adjusted", "with_new_events"]

_CHANGED = "SELECT first, count, numbers FROM chunks WHERE first + count - 1 > ? OR last_time > ?"
_ADJUSTED = "SELECT event FROM adjustments WHERE (seq > ? OR time > ?) AND time <= ?"


def with_new_events(
    connection: Connection, texts: Texts, plan: Plan, state: LedgerState, as_of: int, check: Patience
) -> set[int]:
    """The actors of planned events that are new, or whose time was still to come."""
    names = np.array([name in plan.events for name in texts.codes.names], np.bool_)
    found: set[int] = set()
    for first, count, numbers in connection.execute(_CHANGED, (state.last_seq, state.as_of)):
        check()
        columns = Chunk(numbers, b"", count, texts).columns
        new = np.arange(first, first + count) > state.last_seq
        new |= columns.times > state.as_of
        new &= (columns.times <= as_of) & names[columns.names]
        found.update(columns.actors[new].tolist())
    return found


def newly_adjusted(connection: Connection, texts: Texts, state: LedgerState, as_of: int) -> set[int]:
    """The events, by number, of which adjustments are new, or came into force."""
    found = set()
    for (event,) in connection.execute(_ADJUSTED, (state.last_seq, state.as_of, as_of)):
        adjustment = decode_adjustment(event)
        seq = number_of(connection, texts, adjustment.name, adjustment.order)
        if seq is not None:
            found.add(seq)
    return found


def histories(
    connection: Connection,
    texts: Texts,
    ladder: Ladder,
    as_of: int,
    actors: Collection[int] | None,
    share: tuple[int, int],
    check: Patience,
) -> Iterator[History]:
    """The histories of these actors, or of a `share` of all: whose numbers leave one rest when divided by so many.

    By actor, and without those of whom there is no event.
    """
    rest, shares = share
    ranks, depth_of = ladder.ranks(texts.codes.names), ladder.depths_by_rank()
    wanted = None if actors is None else np.fromiter(sorted(actors), np.int64, len(actors))
    parts: list[tuple[NDArray[np.integer], ...]] = []
    for table in tables_between(connection, texts, -1, as_of, check, columns=("source",)):
        rank = ranks[table.name]
        chosen = (rank >= 0) & (table.actor != 0)
        if wanted is not None:
            chosen &= np.isin(table.actor, wanted)
        elif shares > 1:
            chosen &= table.actor % shares == rest
        (at,) = np.nonzero(chosen)
        parts.append((table.actor[at], table.time[at], rank[at], table.seq[at], table.source[at]))
    if not parts:
        return
    actor, time, rank, seq, source = (np.concatenate(columns) for columns in zip(*parts, strict=True))
    del parts
    order = np.lexsort((seq, rank, time, actor))
    check()
    actor = actor[order]
    edges = [*np.flatnonzero(np.append(True, actor[1:] != actor[:-1])[: len(actor)]).tolist(), len(actor)]
    of_actor = actor[edges[:-1]].tolist()
    times, depths = time[order].tolist(), depth_of[rank[order]].tolist()
    sourced, events = (source[order] != 0).tolist(), seq[order].tolist()
    for place, number in enumerate(of_actor):
        own = slice(edges[place], edges[place + 1])
        yield History(number, times[own], depths[own], sourced[own], events[own])
