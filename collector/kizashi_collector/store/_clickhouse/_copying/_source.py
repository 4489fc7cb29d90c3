"""A SQLite data folder that is read from its first event to its last, while no collector runs on it."""

from __future__ import annotations

import contextlib
import heapq
import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from itertools import islice
from operator import itemgetter
from pathlib import Path

import numpy as np
from msgspec import Struct

from kizashi_collector.analysis import LoggedEvent
from kizashi_collector.store._chunks import Chunk, Texts, decode_adjustment
from kizashi_collector.store._fits import StoredFit
from kizashi_collector.store._folder_lock import own_folder
from kizashi_collector.store._protocol import RejectedRow, StoreError
from kizashi_collector.store._schema import key_migrations, log_migrations, migrate
from kizashi_collector.store._sqlite_utils import Database
from kizashi_collector.store._trouble import remedy
from kizashi_collector.store._wal import check_wal

__all__ = ["Source", "StoredKey", "StoredPlan"]

_CHUNKS = "SELECT first, count, numbers, details FROM chunks ORDER BY first"
_ADJUSTMENTS = "SELECT seq, event FROM adjustments ORDER BY seq"
_PLANS = "SELECT seq, applied_at, plan_id, canonical FROM plans ORDER BY seq"
# Of several fits for one boundary the last is the one that answers take.
_FITS = (
    "SELECT number, plan_id, boundary, made_at, seconds, fits FROM fits "
    "WHERE number IN (SELECT max(number) FROM fits GROUP BY plan_id, boundary) ORDER BY number"
)
_REJECTED = "SELECT received_at, id, code, message, body, seq FROM rejected ORDER BY seq"
_KEYS = "SELECT id, name, scope, digest, created_at, revoked_at FROM keys ORDER BY id"


class StoredPlan(Struct, frozen=True):
    """A plan of the history of plans."""

    seq: int
    applied_at: int
    plan_id: str
    canonical: bytes


class StoredKey(Struct, frozen=True):
    """A key as it is kept: the SHA-256 digest of its secret."""

    id: int
    name: str
    scope: str
    digest: bytes
    created_at: int
    revoked_at: int | None


class Source:
    """What a data folder holds. It is this process's alone until it is closed, and nothing in it changes but that a
    schema of an older version is brought up to date.

    One thread reads at a time. All raise StoreError where the folder is in use, or cannot be read, or is damaged.
    """

    salt: bytes
    """What goes into the hashes of erased ids."""

    def __init__(self, folder: Path) -> None:
        self._folder, path = folder, folder / "log.db"
        if not path.is_file():
            raise StoreError(
                f"no collector has kept a log in {str(folder)!r}; name its folder with --data or KIZASHI_DATA"
            )
        self._reading = threading.Lock()
        self._lock = own_folder(folder)
        try:
            with self._told():
                check_wal(path.with_name("log.db-wal"), path)
                self._connection = sqlite3.connect(path, check_same_thread=False)
                migrate(log_migrations, Database(self._connection), path)
                self._connection.isolation_level = None
                self._texts = Texts(self._connection)
                (self.salt,) = self._connection.execute("SELECT salt FROM logs").fetchone()
        except BaseException:
            os.close(self._lock)
            raise

    def close(self) -> None:
        """Let go of the folder."""
        with self._reading:
            self._connection.close()
        os.close(self._lock)

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            raise StoreError(f"cannot read {self._folder / 'log.db'}: {error}; {remedy(error)}") from error

    # -- events -------------------------------------------------------------------------------------------------------

    def count(self) -> int:
        """How many events there are at most, adjustments included."""
        with self._told():
            sql = "SELECT (SELECT coalesce(sum(count), 0) FROM chunks) + (SELECT count(*) FROM adjustments)"
            return int(self._connection.execute(sql).fetchone()[0])

    def batches(self, size: int) -> Iterator[list[LoggedEvent]]:
        """All events, and the adjustments that are in force, in the order in which they came, so many at a time."""
        numbered = heapq.merge(self._events(), self._adjustments(), key=itemgetter(0))
        while True:
            with self._reading, self._told():
                batch = [event for _, event in islice(numbered, size)]
            if not batch:
                return
            yield batch

    def _events(self) -> Iterator[tuple[int, LoggedEvent]]:
        for first, count, numbers, details in self._connection.execute(_CHUNKS):
            chunk = Chunk(numbers, details, count, self._texts)
            # What was erased counts as an adjustment here; one that is in force may have outlived its chunk.
            places: list[int] = np.flatnonzero(~chunk.adjusts).tolist()
            yield from zip([first + place for place in places], chunk.events(places), strict=True)

    def _adjustments(self) -> Iterator[tuple[int, LoggedEvent]]:
        for seq, event in self._connection.execute(_ADJUSTMENTS):
            yield seq, decode_adjustment(event)

    # -- what is kept beside events -----------------------------------------------------------------------------------

    def erased(self) -> frozenset[bytes]:
        """The digests of the ids of erased events."""
        with self._reading, self._told():
            return frozenset(digest for (digest,) in self._connection.execute("SELECT digest FROM erased"))

    def plans(self) -> list[StoredPlan]:
        """All plans that were in force, the first first."""
        with self._reading, self._told():
            return [StoredPlan(*row) for row in self._connection.execute(_PLANS)]

    def fits(self) -> Iterator[StoredFit]:
        """The fits that answers take, the first first."""
        with self._reading, self._told():
            for row in self._connection.execute(_FITS):
                yield StoredFit(*row)

    def rejected(self) -> Iterator[RejectedRow]:
        """The rejected events that are kept, in the order in which they came."""
        with self._reading, self._told():
            for at, event_id, code, message, body, seq in self._connection.execute(_REJECTED):
                yield RejectedRow(received_at=at, id=event_id, code=code, message=message, body=body, seq=seq)

    def keys(self) -> list[StoredKey]:
        """All stored keys, revoked ones too; none where the environment gave them."""
        path = self._folder / "keys.db"
        if not path.exists():
            return []
        try:
            with closing(sqlite3.connect(path)) as connection:
                migrate(key_migrations, Database(connection), path)
                return [StoredKey(*row) for row in connection.execute(_KEYS)]
        except sqlite3.Error as error:
            raise StoreError(f"cannot read {path}: {error}; {remedy(error)}") from error
