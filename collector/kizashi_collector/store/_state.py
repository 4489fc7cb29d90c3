"""What a log weighs: its files, its rows and its index of ids, told in a few look-ups that scan nothing."""

from __future__ import annotations

import os
import sqlite3
import time
from contextlib import closing
from pathlib import Path

from kizashi_collector.store._ids import SeenIds, read_manifest
from kizashi_collector.store._protocol import IndexState, LogState, StoreError

__all__ = ["BACKUP_STAMP", "StateReader"]

BACKUP_STAMP = "last_backup"
"""A file in the data folder that `kizashi backup` touches when it has finished: its age is the backup's."""

_LAST_SEQ = "SELECT first + count - 1 FROM chunks ORDER BY first DESC LIMIT 1"
# Each on its own, so that SQLite takes both from the ends of the table; what a replay took out counts too.
_REJECTED = "SELECT coalesce((SELECT max(seq) FROM rejected) - (SELECT min(seq) FROM rejected) + 1, 0)"
_PATIENCE_S = 0.25
# Chunks are counted along an index, some nanoseconds each: seldom enough that it takes a thousandth of the time.
_COUNT_SHARE = 1_000


class StateReader:
    """Tells the state of the log in `folder`, from any thread, one call at a time."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._chunks = 0
        self._counted_until = 0.0

    def read(self, seen: SeenIds, broken: str | None) -> LogState:
        """Return the state of the log and of its index of ids; `broken` says why that one is of no use any more.

        It reads with a connection of its own, for the readers may all be busy. Raises StoreError where the files cannot
        be read.
        """
        folder = self._folder
        path = folder / "log.db"
        uri = f"{path.absolute().as_uri()}?mode=ro"
        try:
            ids = sum(map(_size, (folder / "ids").iterdir()))
            disk = os.statvfs(folder)
            with closing(sqlite3.connect(uri, uri=True, timeout=_PATIENCE_S)) as connection:
                last = connection.execute(_LAST_SEQ).fetchone()
                (events,) = connection.execute("SELECT coalesce(sum(count), 0) FROM names").fetchone()
                (received,) = connection.execute("SELECT max(last_received) FROM chunks").fetchone()
                (rejected,) = connection.execute(_REJECTED).fetchone()
                chunks = self._count(connection)
            index = _index(folder / "ids", seen, broken, last[0] if last else 0)
        except (OSError, sqlite3.Error, ValueError) as error:
            raise StoreError(f"cannot read the state of {path}: {error}; check the volume and its rights") from error
        return LogState(
            engine=f"sqlite {sqlite3.sqlite_version}",
            file_bytes={"log": _size(path), "wal": _size(folder / "log.db-wal"), "ids": ids},
            free_bytes=disk.f_bavail * disk.f_frsize,
            disk_bytes=disk.f_blocks * disk.f_frsize,
            events=events,
            chunks=chunks,
            rejected=rejected,
            last_received=received,
            last_backup=_modified(folder / BACKUP_STAMP),
            index=index,
        )

    def _count(self, connection: sqlite3.Connection) -> int:
        began = time.monotonic()
        if began >= self._counted_until:
            (self._chunks,) = connection.execute("SELECT count(*) FROM chunks").fetchone()
            ended = time.monotonic()
            self._counted_until = ended + _COUNT_SHARE * (ended - began)
        return self._chunks


def _index(folder: Path, seen: SeenIds, broken: str | None, last: int) -> IndexState:
    trouble = None
    if broken is not None:
        trouble = f"the index of ids failed: {broken}; restart the collector, which makes it again"
    elif seen.trouble is not None:
        trouble = f"{seen.trouble}; check the volume's space and rights; it is tried again by itself"
    manifest = read_manifest(folder)
    runs = manifest.runs if manifest is not None else ()
    return IndexState(
        trouble=trouble,
        tables_waiting=seen.waiting,
        ids_waiting=max(0, last - seen.covered),
        runs=len(runs),
        ids_in_runs=sum(run.count for run in runs),
    )


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0  # merges remove runs, and a checkpoint may remove the WAL


def _modified(path: Path) -> int | None:
    try:
        return path.stat().st_mtime_ns // 1_000_000
    except FileNotFoundError:
        return None
