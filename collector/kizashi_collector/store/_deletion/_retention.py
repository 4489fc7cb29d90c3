"""Retention: what is older than the log is to reach goes, in the background."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from functools import partial
from sqlite3 import Connection
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kizashi_collector.store._chunks import Chunk, Chunks, decode_adjustment
from kizashi_collector.store._deletion._actors import forget_lost_actors
from kizashi_collector.store._deletion._deletion import ChangedError, Deleter, Portion, portion_of
from kizashi_collector.store._ledger import keep_as_told
from kizashi_collector.store._patience import Patience
from kizashi_collector.store._protocol import Lapsed, StoreError
from kizashi_schemas import format_time

__all__ = ["expire", "keep_retention", "retention_cutoff"]

_log = logging.getLogger("kizashi.store")
_DAY_MS = 86_400_000
# So many events at a time are taken out of their chunks, so that memory holds few of them.
_EVENTS = 5_000
_ROWS = 200
_LEAST_PAUSE, _MOST_PAUSE = 1.0, 600.0
_DELETE_ADJUSTMENT = (
    "DELETE FROM adjustments WHERE seq = ? AND NOT EXISTS (SELECT 1 FROM orders WHERE order_id = ? "
    "AND name = (SELECT number FROM texts WHERE kind = 0 AND text = ?))"
)


def retention_cutoff(now: int, retention: int) -> int:
    """The time before which everything goes, all in milliseconds.

    It moves in steps of a twentieth of the retention, or of a day where that is less, so that a chunk whose events
    expire little by little is written again once a step, and not at every look.
    """
    step = max(1, min(_DAY_MS, retention // 20))
    return (now - retention) // step * step


async def keep_retention(
    retain: Callable[[int], Awaitable[int]], *, now: Callable[[], int | None], retention: Callable[[], int | None]
) -> None:
    """Delete what is too old, at once and then every so often, until cancelled.

    `retain` is Log.retain. `now` is None while the clock is not to be trusted, `retention` while everything is kept.
    """
    while True:
        pause = _MOST_PAUSE
        length, at = retention(), now()
        if length is not None:
            pause = min(_MOST_PAUSE, max(_LEAST_PAUSE, length / 20_000))
        if length is not None and at is not None:
            before = retention_cutoff(at, length)
            try:
                gone = await retain(before)
            except Exception as error:  # noqa: BLE001  # whatever it was, a job that ended would keep everything for ever
                trace = None if isinstance(error, StoreError) else error
                _log.warning("retention: %s; it is tried again in %.0f s", error, pause, exc_info=trace)
            else:
                if gone:
                    _log.info("retention: deleted %d events from before %s", gone, format_time(max(before, 0)))
        await asyncio.sleep(pause)


async def expire(deleter: Deleter, before: int) -> int:
    """Delete the events with time < `before`, and what was rejected before; see Log.retain."""
    async with deleter.lock:
        gone = 0
        await deleter.run([partial(_keep_as_told, before)])
        sql = "SELECT first FROM chunks WHERE first_time < ? ORDER BY first"
        firsts = await deleter.read(lambda connection, _: [row[0] for row in connection.execute(sql, (before,))])
        while firsts:
            portions, read = await deleter.read(partial(_old_portions, deleter, firsts, before))
            for portion in portions:
                # What was merged meanwhile is left to the next look.
                with suppress(ChangedError):
                    gone += await deleter.delete([portion], for_ever=False)
            del firsts[:read]
        await _expire_adjustments(deleter, before)
        await _expire_rejected(deleter, before)
        # In a transaction after the others: what they deleted is certainly gone.
        await deleter.run([deleter.chunks.forget_deleted])
        if gone:
            await forget_lost_actors(deleter)
        return gone


def _keep_as_told(before: int, connection: Connection) -> None:
    keep_as_told(connection, before)


def _old_portions(
    deleter: Deleter, firsts: Sequence[int], before: int, connection: Connection, patience: Patience
) -> tuple[list[Portion], int]:
    """What goes from the first few of these chunks, and how many those were."""
    portions: list[Portion] = []
    read = events = 0
    for first in firsts:
        patience()
        row = connection.execute(
            "SELECT first, count, numbers, details FROM chunks WHERE first = ?", (first,)
        ).fetchone()
        read += 1
        portion = None if row is None else portion_of(row, deleter.chunks.texts, partial(_before, before))
        if portion is not None:
            portions.append(portion)
            events += len(portion.events)
        if events >= _EVENTS or read >= _ROWS:
            break
    return portions, read


def _before(before: int, chunk: Chunk) -> NDArray[np.bool_]:
    return chunk.times < before


async def _expire_adjustments(deleter: Deleter, before: int) -> None:
    """Old adjustments go, but not before their originals: those would be worth something else again."""
    sql = "SELECT seq, event FROM adjustments WHERE seq > ? AND time < ? ORDER BY seq LIMIT ?"
    found = await deleter.read(partial(_fetch, sql, (0, before, _ROWS)))
    while found:
        decoded = [(seq, decode_adjustment(event)) for seq, event in found]
        rows = [(seq, event.order, event.name) for seq, event in decoded]
        await deleter.run([partial(_lapse, deleter.chunks, rows)])
        found = await deleter.read(partial(_fetch, sql, (rows[-1][0], before, _ROWS)))


def _lapse(chunks: Chunks, rows: Sequence[tuple[int, str | None, str]], connection: Connection) -> None:
    """Delete those of these adjustments, by number, order and name, whose originals are gone."""
    lapsed = [row[0] for row in rows if connection.execute(_DELETE_ADJUSTMENT, row).rowcount]
    if lapsed:
        chunks.note(Lapsed(lapsed))


async def _expire_rejected(deleter: Deleter, before: int) -> None:
    seqs = await deleter.read(partial(_fetch, "SELECT seq FROM rejected WHERE received_at < ?", (before,)))
    parts = [seqs[start : start + _ROWS] for start in range(0, len(seqs), _ROWS)]
    await deleter.run(partial(_delete, "DELETE FROM rejected WHERE seq = ?", rows) for rows in parts)


def _fetch(sql: str, values: tuple[int, ...], connection: Connection, _: Patience) -> list[Any]:
    return connection.execute(sql, values).fetchall()


def _delete(sql: str, rows: Sequence[tuple[object, ...]], connection: Connection) -> None:
    connection.executemany(sql, rows)
