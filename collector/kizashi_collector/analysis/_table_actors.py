"""How many different actors there are in the cells of a summary, whatever its size."""

from __future__ import annotations

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from kizashi_collector.analysis._table import CodeColumn, Column, distinct, once_each

__all__ = ["ActorCounts", "Actors"]

_ROOM = 1 << 26
"""So many bytes a map takes at most, of which only what is written to is ever in memory."""
_LEAST = 1 << 10
_ACTOR_BITS = 31

Map = NDArray[np.bool_]


class ActorCounts(Struct, frozen=True, eq=False):
    """Different actors by cell (rows one after the other), by row, by place over all rows, and in all."""

    cells: Column
    rows: Column
    places: Column
    whole: int


class Actors:
    """Takes down which actors, whose codes are below 2³¹, occur at which of so many places of which row.

    Few rows have a map with a byte for each actor at each place, which is several times as fast as what many rows have:
    a number for each event, sorted in the end.
    """

    def __init__(self, places: int) -> None:
        self._places = places
        self._map: Map | None = np.zeros((0, places, 0), np.bool_)
        self._keys: list[Column] = []

    def add(self, row: Column, place: Column, actor: CodeColumn, rows: int) -> None:
        """Take down who occurs where; all rows until now are below `rows`."""
        beyond = int(actor.max(initial=0)) + 1
        if self._map is not None and (rows > self._map.shape[0] or beyond > self._map.shape[2]):
            self._grow(self._map, rows, beyond)
        if self._map is None:
            self._keys.append(self._key(row, place, actor))
            return
        at = row * self._places
        at += place
        at *= self._map.shape[2]
        at += actor
        self._map.reshape(-1)[at] = True

    def _grow(self, before: Map, rows: int, actors: int) -> None:
        """Make a larger map, with all the rows that it may have; where that is too few, have none."""
        actors = before.shape[2] if actors <= before.shape[2] else max(actors + (actors >> 1), _LEAST)
        room = _ROOM // max(1, self._places * actors)
        if rows > room:
            self._map = None
            row, place, actor = np.nonzero(before)
            self._keys.append(self._key(row, place, actor))
            return
        self._map = np.zeros((room, self._places, actors), np.bool_)
        used = min(room, before.shape[0])
        self._map[:used, :, : before.shape[2]] = before[:used]

    def _key(self, row: Column, place: Column, actor: CodeColumn) -> Column:
        key = row << _ACTOR_BITS
        key |= actor
        key *= self._places
        key += place
        return key

    def counts(self, rows: int) -> ActorCounts:
        """Count them, in so many rows."""
        if self._map is not None and rows > self._map.shape[0]:
            self._grow(self._map, rows, 1)
        if self._map is not None:
            here = self._map[:rows]
            anywhere = here.any(axis=0)
            return ActorCounts(
                np.count_nonzero(here, axis=2).reshape(-1),
                np.count_nonzero(here.any(axis=1), axis=1),
                np.count_nonzero(anywhere, axis=1),
                int(np.count_nonzero(anywhere.any(axis=0))),
            )
        keys = np.concatenate(self._keys)
        self._keys.clear()
        keys.sort()
        keys = once_each(keys)
        self._keys.append(keys)
        pair = keys // self._places
        place = keys - pair * self._places
        row = pair >> _ACTOR_BITS
        cells = np.bincount(row * self._places + place, minlength=rows * self._places)
        by_row = np.bincount(once_each(pair) >> _ACTOR_BITS, minlength=rows)
        pair &= (1 << _ACTOR_BITS) - 1
        return ActorCounts(cells, by_row, *self._over_all_rows(place, pair))

    def _over_all_rows(self, place: Column, actor: Column) -> tuple[Column, int]:
        actors = int(actor.max(initial=0)) + 1
        if self._places * actors > _ROOM:
            present = np.zeros(actors, np.bool_)
            present[actor] = True
            return distinct(place, actor, self._places), int(np.count_nonzero(present))
        there = np.zeros((self._places, actors), np.bool_)
        there[place, actor] = True
        return np.count_nonzero(there, axis=1), int(np.count_nonzero(there.any(axis=0)))
