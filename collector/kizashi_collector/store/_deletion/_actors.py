"""Actors of whom nothing is stored any more: their texts go after their events."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from sqlite3 import Connection

import numpy as np
from numpy.typing import NDArray

from kizashi_collector.store._chunks import Chunk, Texts
from kizashi_collector.store._deletion._deletion import Deleter
from kizashi_collector.store._ledger import forget_increments
from kizashi_collector.store._patience import Patience

__all__ = ["forget_lost_actors"]

_AT_ONCE = 500
_ALL = "SELECT count, numbers FROM chunks"
_LAST = "SELECT max(first + count - 1) FROM chunks"
# Chunks at the end may have grown since: the one that held the last event is read again.
_SINCE = f"{_ALL} WHERE first >= coalesce((SELECT max(first) FROM chunks WHERE first <= ?), 0)"  # noqa: S608  # a constant
_NUMBERED = "SELECT number FROM texts WHERE kind = 3"


async def forget_lost_actors(deleter: Deleter) -> int:
    """Delete the texts of actors whom no stored event names; return how many those were."""
    texts = deleter.chunks.texts
    lost, last = await deleter.read(partial(_lost, texts))
    for start in range(0, len(lost), _AT_ONCE):
        some = _Slice(texts, lost[start : start + _AT_ONCE], last)
        await deleter.writer.run(some.delete, some.forget)
    return len(lost)


class _Slice:
    """Some of the lost actors. One who has come back since event number `last` stays."""

    def __init__(self, texts: Texts, numbers: list[int], last: int) -> None:
        self._texts, self._numbers, self._last = texts, numbers, last
        self._forgotten: Callable[[], None] = lambda: None

    def delete(self, connection: Connection) -> None:
        rows = connection.execute(_SINCE, (self._last,)).fetchall()
        back = {actor for count, numbers in rows for actor in _actors(numbers, count, self._texts).tolist()}
        gone = [one for one in self._numbers if one not in back]
        forget_increments(connection, gone)  # another actor may get the number
        self._forgotten = self._texts.forget_actors(connection, gone)

    def forget(self) -> None:
        self._forgotten()


def _lost(texts: Texts, connection: Connection, patience: Patience) -> tuple[list[int], int]:
    """Numbers of actors whom no event names, and the number of the last event that was looked at."""
    (last,) = connection.execute(_LAST).fetchone()
    numbered = np.fromiter((number for (number,) in connection.execute(_NUMBERED)), np.int64)
    named: NDArray[np.bool_] = np.zeros(int(numbered.max(initial=0)) + 1, np.bool_)
    for count, numbers in connection.execute(_ALL):
        patience()
        actors = _actors(numbers, count, texts)
        named[actors[actors < len(named)]] = True
    return numbered[~named[numbered]].tolist(), last or 0


def _actors(numbers: bytes, count: int, texts: Texts) -> NDArray[np.int64]:
    return Chunk(numbers, b"", count, texts).actors
