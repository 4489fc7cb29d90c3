"""Erasure: everything that one actor did goes, from every file, and does not come back."""

from __future__ import annotations

import asyncio
import re
import sqlite3
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from sqlite3 import Connection

import msgspec
import numpy as np
from numpy.typing import NDArray

from kizashi_collector.store._chunks import MERGED, Chunk, decode_adjustment
from kizashi_collector.store._deletion._deletion import (
    ChangedError,
    Deleter,
    Portion,
    Row,
    Step,
    lapse,
    portion_of,
    steps_of,
)
from kizashi_collector.store._ledger import forget_increments
from kizashi_collector.store._patience import Patience
from kizashi_collector.store._protocol import Erased, StoreError

__all__ = ["Erasure", "empty_wal"]

_SLICE_BYTES = 1_000_000
_SLICE_CHUNKS = 256
_ROWS = 200
# What arrives while the log is read is read as well; so few chunks are read by the writer itself, at the very end.
_TAIL_CHUNKS = 32
_LAST_CHUNKS = 48
_ROUNDS = 20
_CHECKPOINT_WAIT = 0.01
_STRINGS = re.compile(rb'"(?:[^"\\]|\\.)*"|-?[0-9][0-9.eE+-]*')
# The chunk that holds event number ?1, however it was merged meanwhile, and all after it.
_CHUNKS_FROM = (
    "SELECT first, count, numbers, details FROM chunks WHERE first + count > ?1 "
    "AND first >= coalesce((SELECT max(first) FROM chunks WHERE first <= ?1), 0) ORDER BY first"
)
_REJECTED_AFTER = "SELECT seq, id, body FROM rejected WHERE seq > ? ORDER BY seq LIMIT ?"

_Order = tuple[str, str]


class Erasure:
    """Erases one actor. `run` may be called once."""

    def __init__(self, deleter: Deleter, actor: str) -> None:
        self._deleter = deleter
        self._actor = actor
        self._orders: set[_Order] = set()
        self._read_up_to = 0
        self._events = 0
        self._rejected = 0
        self._forget: Callable[[], None] = lambda: None

    async def run(self) -> Erased:
        """Erase; see Log.erase. The bytes may stay in the write-ahead log until it is emptied."""
        async with self._deleter.lock:
            # First, since a replay may turn what was rejected into events as long as it is there.
            await self._erase_rejected()
            await self._erase_events()
            await self._erase_adjustments()
            if await self._erase_rejected():
                await self._erase_events()
        return Erased(self._events, self._rejected)

    # -- events -------------------------------------------------------------------------------------------------------

    async def _erase_events(self) -> None:
        for _ in range(_ROUNDS):
            while await self._erase_some():
                pass
            if await self._erase_last():
                return
        raise StoreError("more events came than could be looked through; try again when less comes")

    async def _erase_some(self) -> bool:
        """Erase from the next chunks; False if there were none."""
        portions, last = await self._deleter.read(self._next_portions)
        self._note(portions)
        self._events += await self._deleter.delete(portions, for_ever=True)
        more = last > self._read_up_to
        self._read_up_to = last
        return more

    def _next_portions(self, connection: Connection, patience: Patience) -> tuple[list[Portion], int]:
        rows: list[Row] = []
        size = 0
        for row in connection.execute(_CHUNKS_FROM, (self._read_up_to + 1,)):
            patience()
            rows.append(row)
            size += len(row[2]) + len(row[3])
            if size > _SLICE_BYTES or len(rows) == _SLICE_CHUNKS:
                break
        # The newest small chunks may be merged at any time: they are left to the writer, who alone does that.
        for _ in range(_TAIL_CHUNKS):
            if rows and rows[-1][1] < MERGED:
                rows.pop()
        found = [portion for row in rows if (portion := self._portion(row, self._is_actors)) is not None]
        return found, rows[-1][0] + rows[-1][1] - 1 if rows else self._read_up_to

    async def _erase_last(self) -> bool:
        """Erase from what arrived since, while nothing else can arrive; False if that is too much at a time."""

        texts = self._deleter.chunks.texts

        def work(connection: Connection) -> list[Portion] | None:
            rows = connection.execute(f"{_CHUNKS_FROM} LIMIT ?2", (self._read_up_to + 1, _LAST_CHUNKS + 1)).fetchall()
            self._forget = lambda: None
            if len(rows) > _LAST_CHUNKS:
                return None
            found = [portion for row in rows if (portion := self._portion(row, self._is_actors)) is not None]
            for portion in found:
                for step in steps_of(portion, self._deleter.chunks, for_ever=True):
                    step(connection)
            number = texts.actor_known(self._actor)
            known = [] if number is None else [number]
            forget_increments(connection, known)
            self._forget = texts.forget_actors(connection, known)
            return found

        # What comes next from this actor comes from somebody new.
        portions = await self._deleter.writer.run(work, lambda: self._forget())
        if portions is None:
            return False
        self._note(portions)
        self._events += self._deleter.tell(portions, for_ever=True)
        return True

    def _note(self, portions: list[Portion]) -> None:
        for portion in portions:
            for event in portion.events:
                if event.order is not None and event.adjust is None:
                    self._orders.add((event.name, event.order))

    def _portion(self, row: Row, goes: Callable[[Chunk], NDArray[np.bool_]]) -> Portion | None:
        return portion_of(row, self._deleter.chunks.texts, goes)

    def _is_actors(self, chunk: Chunk) -> NDArray[np.bool_]:
        number = self._deleter.chunks.texts.actor_known(self._actor)
        return np.zeros(chunk.count, np.bool_) if number is None else chunk.actors == number

    # -- adjustments --------------------------------------------------------------------------------------------------

    async def _erase_adjustments(self) -> None:
        """Adjustments of the actor's orders go with them."""
        after = 0
        sql = "SELECT seq, event FROM adjustments WHERE seq > ? ORDER BY seq LIMIT 2000"
        while True:
            rows = await self._deleter.read(partial(_fetch, sql, after))
            if not rows:
                return
            after = rows[-1][0]
            decoded = [(seq, decode_adjustment(event)) for seq, event in rows]
            seqs = [seq for seq, event in decoded if self._is_mine(event.name, event.order, event.actor)]
            if seqs:
                await self._erase_numbers(seqs)

    def _is_mine(self, name: str, order: str | None, actor: str | None) -> bool:
        return actor == self._actor or (order is not None and (name, order) in self._orders)

    async def _erase_numbers(self, seqs: list[int]) -> None:
        for portion in await self._deleter.read(partial(self._portions_of, seqs)):
            try:
                self._events += await self._deleter.delete([portion], for_ever=True)
            except ChangedError:
                await self._erase_numbers([seq for seq in seqs if portion.first <= seq < portion.first + portion.count])
        # Also where retention has taken the event and left its adjustment for the sake of the original.
        await self._deleter.run([partial(lapse, self._deleter.chunks, seqs)])

    def _portions_of(self, seqs: list[int], connection: Connection, patience: Patience) -> list[Portion]:
        by_chunk: dict[Row, list[int]] = {}
        sql = "SELECT first, count, numbers, details FROM chunks WHERE first <= ? ORDER BY first DESC LIMIT 1"
        for seq in seqs:
            patience()
            row = connection.execute(sql, (seq,)).fetchone()
            if row is not None and seq < row[0] + row[1]:
                by_chunk.setdefault(row, []).append(seq - row[0])
        found = (self._portion(row, partial(_at_places, places)) for row, places in by_chunk.items())
        return [portion for portion in found if portion is not None]

    # -- rejected -----------------------------------------------------------------------------------------------------

    async def _erase_rejected(self) -> int:
        after, count = 0, 0
        while True:
            found, last = await self._deleter.read(partial(self._next_rejected, after))
            if last == after:
                break
            after = last
            count += len(found)
            parts = [found[at : at + _ROWS] for at in range(0, len(found), _ROWS)]
            await self._deleter.run(map(self._step_for_rejected, parts))
        self._rejected += count
        return count

    def _step_for_rejected(self, found: list[tuple[int, str | None]]) -> Step:
        def step(connection: Connection) -> None:
            ids = [event_id for _, event_id in found if event_id is not None]
            self._deleter.chunks.tombstones.add(connection, ids)
            connection.executemany("DELETE FROM rejected WHERE seq = ?", [(seq,) for seq, _ in found])

        return step

    def _next_rejected(
        self, after: int, connection: Connection, patience: Patience
    ) -> tuple[list[tuple[int, str | None]], int]:
        found: list[tuple[int, str | None]] = []
        for seq, event_id, body in connection.execute(_REJECTED_AFTER, (after, 1_000)):
            patience()
            after = seq
            if self._names_actor(body):
                found.append((seq, event_id))
        return found, after

    def _names_actor(self, body: bytes) -> bool:
        """Whether any text or number in what was sent is the actor, whatever its field, or it adjusts one's order.

        Better one rejected event too many than a trace of somebody who asked to be forgotten.
        """
        actor = self._actor.encode()
        if not (actor in body or b"\\" in body or (self._orders and b'"adjust"' in body)):
            return False
        texts = _texts_in(body)
        if self._actor in texts:
            return True
        # A body that could not be kept as JSON is kept as the text of it.
        if any(self._actor in _texts_in(text.encode("utf-8", "replace")) for text in texts if text[:1] in ("{", "[")):
            return True
        return "adjust" in texts and _adjusted(body) in self._orders


def _fetch(sql: str, after: int, connection: Connection, _: Patience) -> list[tuple[int, bytes]]:
    return connection.execute(sql, (after,)).fetchall()


def _at_places(places: list[int], chunk: Chunk) -> NDArray[np.bool_]:
    chosen = np.zeros(chunk.count, np.bool_)
    chosen[places] = True
    return chosen


def _adjusted(body: bytes) -> tuple[object, object] | None:
    """Name and order of a rejected adjustment."""
    try:
        event = msgspec.json.decode(body, type=dict[str, object])
    except (msgspec.DecodeError, RecursionError):
        return None
    name, order = event.get("name"), event.get("order")
    return (name, order) if isinstance(name, str) and isinstance(order, str) else None


def _texts_in(body: bytes) -> set[str]:
    """Every text in a JSON document, and every number as it is written."""
    found: set[str] = set()
    for match in _STRINGS.finditer(body):
        token = match[0]
        if token[:1] != b'"':
            found.add(token.decode())
            continue
        try:
            found.add(msgspec.json.decode(token, type=str))
        except msgspec.DecodeError:
            found.add(token[1:-1].decode("utf-8", "replace"))
    return found


async def empty_wal(path: Path, *, seconds: float) -> None:
    """Carry the write-ahead log over to the file and empty it. Readers of before have to end first: up to `seconds`.

    Raises StoreError.
    """
    deadline = time.monotonic() + seconds
    while not await asyncio.to_thread(_truncate, path):
        if time.monotonic() > deadline:
            raise StoreError("erased, but old bytes are still in the write-ahead log: questions hold it; erase again")
        await asyncio.sleep(0.05)


def _truncate(path: Path) -> bool:
    # It waits for readers with the writer's lock in its hand; so it waits shortly, and asks again.
    connection = sqlite3.connect(path, timeout=_CHECKPOINT_WAIT, isolation_level=None)
    try:
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()  # most of the work, and it locks nobody out
        (busy, _, _) = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    except sqlite3.OperationalError:
        return False
    finally:
        connection.close()
    return not busy
