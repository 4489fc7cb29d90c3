"""The ids of erased events, as hashes: enough to know one when it comes again, too little to tell what it was."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from sqlite3 import Connection

import numpy as np

from kizashi_collector.store._ids._id_hashes import IdHash

__all__ = ["Tombstones", "erased_digest"]

_MOST_RECENT = 65_536
_NOBODY: frozenset[str] = frozenset()


class Tombstones:
    """Knows the ids that were erased. For the writer's thread; eight bytes of memory each.

    Hashes are keyed with the log's own salt, so that two logs cannot be compared. While nothing was erased, asking
    costs nothing.
    """

    def __init__(self, connection: Connection) -> None:
        (self._key,) = connection.execute("SELECT salt FROM logs").fetchone()
        self._hash = IdHash(b"erased" + self._key)
        rows = connection.execute("SELECT short FROM erased ORDER BY short")
        self._old = np.fromiter((short for (short,) in rows), np.uint64)
        # A hash that is not in the table, since its transaction failed, costs a look there and no more.
        self._recent: set[int] = set()

    def among(self, connection: Connection, ids: Sequence[str]) -> frozenset[str]:
        """Those of the ids that were erased."""
        if not ids or not (len(self._old) or self._recent):
            return _NOBODY
        hashes = self._hash(ids)
        perhaps = np.zeros(len(ids), np.bool_)
        if len(self._old):
            places = np.minimum(self._old.searchsorted(hashes), len(self._old) - 1)
            perhaps = self._old[places] == hashes
        shorts = hashes.tolist()
        if self._recent:
            perhaps |= np.fromiter((short in self._recent for short in shorts), np.bool_, len(shorts))
        if not perhaps.any():
            return _NOBODY
        sql = "SELECT 1 FROM erased WHERE short = ? AND digest = ?"
        return frozenset(
            ids[at]
            for at in np.flatnonzero(perhaps).tolist()
            if connection.execute(sql, (shorts[at], erased_digest(ids[at], self._key))).fetchone()
        )

    def add(self, connection: Connection, ids: Iterable[str]) -> None:
        """Remember ids in the open transaction."""
        known = list(ids)
        shorts = self._hash(known).tolist() if known else []
        rows = [(short, erased_digest(event_id, self._key)) for short, event_id in zip(shorts, known, strict=True)]
        connection.executemany("INSERT OR IGNORE INTO erased (short, digest) VALUES (?, ?)", rows)
        self._recent.update(shorts)
        if len(self._recent) > _MOST_RECENT:
            self._old = np.union1d(self._old, np.fromiter(self._recent, np.uint64, len(self._recent)))
            self._recent = set()


def erased_digest(event_id: str, salt: bytes) -> bytes:
    """What a log with this salt keeps of the id of an erased event: 16 bytes."""
    return hashlib.blake2b(event_id.encode("utf-8", "surrogatepass"), digest_size=16, key=salt).digest()
