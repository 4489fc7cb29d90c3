"""Keys and the wider levels that a thin key borrows from: (campaign, device), (campaign,), ()."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from msgspec import Struct

from kizashi_collector.analysis._values._grid import Integers

__all__ = ["Key", "Keys", "Level"]

Key = tuple[str, ...]


class Level(Struct, frozen=True, eq=False):
    """The keys of one length: for each key of the finest level its place here, and for each place that of its parent
    in the level above (0 for the total)."""

    size: int
    of_leaf: Integers
    parent: Integers


class Keys(Struct, frozen=True):
    """The keys of one grouping, all of one length, sorted and distinct."""

    leaves: tuple[Key, ...]

    @classmethod
    def of(cls, keys: Sequence[Key]) -> tuple[Keys, Integers]:
        """Sort keys given in any order, repeats allowed; also return the place of each one given.

        Raises ValueError where they differ in length.
        """
        if len({len(key) for key in keys}) > 1:
            raise ValueError("keys: they differ in length; a grouping has one")
        leaves = tuple(sorted(set(keys)))
        place = {key: number for number, key in enumerate(leaves)}
        return cls(leaves), np.array([place[key] for key in keys], np.int64)

    @property
    def wider(self) -> tuple[Key, ...]:
        """Every prefix of a key that is no key itself: the total first, then level by level, sorted."""
        length = len(self.leaves[0]) if self.leaves else 1
        return tuple(prefix for n in range(length) for prefix in sorted({key[:n] for key in self.leaves} or {()}))

    def levels(self) -> tuple[Level, ...]:
        """The total, then one level for each part of a key; the last one is the keys themselves."""
        length = len(self.leaves[0]) if self.leaves else 1
        levels: list[Level] = []
        above: dict[Key, int] = {}
        for n in range(length + 1):
            names = sorted({key[:n] for key in self.leaves} | (set() if n else {()}))
            place = {name: number for number, name in enumerate(names)}
            of_leaf = np.array([place[key[:n]] for key in self.leaves], np.int64)
            parent = np.array([above.get(name[:-1], 0) for name in names], np.int64)
            levels.append(Level(len(names), of_leaf, parent))
            above = place
        return tuple(levels)
