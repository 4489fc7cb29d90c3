"""Which ids are stored: an index beside the log that answers for whole batches, and can be made from the log again."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from kizashi_collector.store._ids._id_hashes import HashTable, IdHash, Numbers
from kizashi_collector.store._ids._manifest import (
    Manifest,
    forget_manifest,
    read_manifest,
    remove_strays,
    write_manifest,
)
from kizashi_collector.store._ids._runs import DamagedRunError, Run, bloom_masks, load_run, merged, remaining, write_run
from kizashi_collector.store._ids._tiers import due
from kizashi_collector.store._protocol import StoreError

__all__ = ["SeenIds"]

_MANY_TABLES = 4
_MAX_WAIT = 0.05
_RETRY_SECONDS = 5.0
_log = logging.getLogger("kizashi.store")


class _Parts(msgspec.Struct, frozen=True, eq=False):
    """What is searched beside the newest table. Replaced as a whole, so that nothing is ever missing from it."""

    full: tuple[HashTable, ...]
    runs: tuple[Run, ...]


class _StoppedError(Exception):
    """A merge was given up because the index closes."""


class SeenIds:
    """The ids of the events that are stored, as 48-bit hashes with the events' sequence numbers.

    It never calls a stored id new. It may name an event that has another id, or one that is not stored any more, so
    every candidate is to be looked up in the log. New ids are held in tables of `memtable` ids; a thread writes full
    ones to sorted runs in `folder`, which this process alone may use, and merges `fanout` neighbouring runs of about
    one size into one. What a crash takes out of memory, the caller adds again from the log, from `covered` on.

    `history` names the log: runs of another one are forgotten, and so are those that cover more than `newest`, the
    last sequence number in the log. `find`, `add` and `forget_below` belong to one thread; the rest to any. Raises
    StoreError when the folder cannot be used.
    """

    def __init__(
        self,
        folder: Path,
        *,
        history: str = "",
        newest: int | None = None,
        memtable: int = 262_144,
        fanout: int = 4,
        hash_with: Callable[[bytes], Callable[[Sequence[str]], Numbers]] = IdHash,
    ) -> None:
        self._folder, self._memtable, self._fanout = folder, memtable, fanout
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._manifest, runs = _open(folder, history, newest)
            remove_strays(folder, self._manifest)
        except OSError as error:
            raise StoreError(f"cannot use {folder}: {error}; check the volume and its rights") from error
        self.trouble: str | None = None
        self._hash = hash_with(bytes.fromhex(self._manifest.secret))
        self._floor, self._last = self._manifest.floor, self._manifest.covered
        self._table = HashTable(memtable)
        self._parts = _Parts((), runs)
        self._searched: _Parts | None = None
        self._changed = threading.Condition()
        self._hurry = self._closing = False
        self._thread = threading.Thread(target=self._work_forever, name="kizashi-ids", daemon=True)
        self._thread.start()

    @property
    def covered(self) -> int:
        """Every id stored under a sequence number up to this one is in durable runs."""
        return self._manifest.covered

    @property
    def runs(self) -> int:
        """How many runs are live."""
        return len(self._parts.runs)

    @property
    def waiting(self) -> int:
        """How many full tables wait in memory to be written; more than a few mean trouble, which `trouble` tells."""
        return len(self._parts.full)

    def find(self, ids: Sequence[str]) -> list[tuple[int, ...]]:
        """Return for each id the sequence numbers under which it may be stored, in order; () if it certainly is not."""
        found: list[tuple[int, ...]] = [()] * len(ids)
        if not ids:
            return found
        hashes, floor = self._hash(ids), self._floor
        try:
            for indices, seqs in self._matches(hashes):
                for index, seq in zip(indices.tolist(), seqs.tolist(), strict=True):
                    if seq >= floor:
                        found[index] = tuple(sorted({*found[index], seq})) if found[index] else (seq,)
        finally:
            self._searched = None
        return found

    def add(self, first_seq: int, ids: Sequence[str]) -> None:
        """Add the ids of events that are committed under consecutive sequence numbers, above all that were added.

        While writing lags behind by several tables, this waits, for at most 50 ms. Raises ValueError for a sequence
        number that is not above the last.
        """
        if not ids:
            return
        if first_seq <= self._last:
            raise ValueError(f"ids from {first_seq} on cannot be added: those up to {self._last} are in the index")
        hashes = self._hash(ids)
        for start, end in self._shares(len(hashes)):
            self._table.add(first_seq + start, hashes[start:end])
            self._last = first_seq + end - 1

    def forget_below(self, seq: int) -> None:
        """Forget the ids stored under lower sequence numbers: now for `find`, and on disk with the next merges.

        What is added later is never below. The caller says it again after a crash, or candidates come back.
        """
        with self._changed:
            self._floor = max(self._floor, min(seq, self._last + 1))
            self._changed.notify_all()

    def flush(self) -> None:
        """Write all that was added, and wait for it. Only for the thread that adds. Raises OSError if that fails."""
        if self._table.count:
            self._set_aside()
        self._settle(None)
        with self._changed:
            self._hurry = True
            self._changed.notify_all()
            self._changed.wait_for(self._flushed)
            self._hurry = False
        if self._parts.full:
            raise OSError(self.trouble or "the index of ids is closed")

    def close(self) -> None:
        """Write what was added, and end the thread. What cannot be written, the log has."""
        with contextlib.suppress(OSError):
            self.flush()
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        self._thread.join()

    def _matches(self, hashes: Numbers) -> Iterator[tuple[NDArray[np.intp], Numbers]]:
        parts = self._searched = self._parts
        masks = bloom_masks(hashes)
        yield from self._table.find(hashes)
        for table in parts.full:
            yield from table.find(hashes)
        for run in parts.runs:
            yield from run.find(hashes, masks)

    def _shares(self, count: int) -> Iterator[tuple[int, int]]:
        """Yield where a batch is to be cut so that each piece fits into the table, which is then fresh."""
        start = 0
        while start < count:
            if self._table.count == self._table.capacity:
                self._set_aside()
                self._wait_a_little()
            end = min(count, start + self._table.capacity - self._table.count)
            yield start, end
            start = end

    def _set_aside(self) -> None:
        with self._changed:
            self._parts = _Parts((*self._parts.full, self._table), self._parts.runs)
            self._table = HashTable(self._memtable)
            self._changed.notify_all()

    def _flushed(self) -> bool:
        return not self._parts.full or self.trouble is not None or self._closing

    def _wait_a_little(self) -> None:
        with self._changed:
            self._changed.wait_for(lambda: len(self._parts.full) <= _MANY_TABLES or self.trouble, _MAX_WAIT)

    # -- in the thread ------------------------------------------------------------------------------------------------

    def _work_forever(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(self._wanted, _RETRY_SECONDS if self.trouble else None)
                if self._closing:
                    return
            try:
                self._folder.mkdir(exist_ok=True)  # removed, perhaps, as what can be made again
                self._write_tables()
                self._merge()
            except _StoppedError:
                return
            except Exception as error:  # noqa: BLE001  # whatever it was: it is tried again, and the log has it all
                self._complain(error)
            else:
                if self.trouble is not None:
                    _log.info("the index of ids in %s is written again", self._folder)
                self._settle(None)

    def _wanted(self) -> bool:
        work = self._hurry or self._parts.full or self._due()
        return self._closing or bool(work and not self.trouble)

    def _due(self) -> slice | None:
        return due([run.info for run in self._parts.runs], self._memtable, self._fanout, self._floor)

    def _settle(self, trouble: str | None) -> None:
        with self._changed:
            self.trouble = trouble
            self._changed.notify_all()

    def _complain(self, error: Exception) -> None:
        if self.trouble is None:
            text = "cannot write the index of ids in %s: %s; check the volume's space"
            _log.warning(text, self._folder, error, exc_info=None if isinstance(error, OSError) else error)
        self._settle(f"cannot write the index of ids: {error}")

    def _write_tables(self) -> None:
        while self._parts.full:
            table = self._parts.full[0]
            made = write_run(self._next_path(), table.sorted(), table.count, table.first, table.last)
            self._publish((*self._parts.runs, made), covered=table.last, written=1)

    def _merge(self) -> None:
        while (part := self._due()) is not None:
            olds, floor = self._parts.runs[part], self._floor
            kept: tuple[Run, ...] = ()
            first, last = max(floor, olds[0].info.first), olds[-1].info.last
            if floor <= last and (count := remaining(olds, floor)):
                path = self._next_path()
                kept = (write_run(path, self._between(merged(olds, floor)), count, first, last),)
            runs = list(self._parts.runs)
            runs[part] = kept
            self._publish(tuple(runs), covered=self._manifest.covered, written=0)
            # Who lets go of a large file last waits for the file system to free it: not the thread that searches.
            while self._searched not in (None, self._parts):
                time.sleep(0.001)
            for old in olds:
                (self._folder / old.info.name).unlink(missing_ok=True)

    def _between(self, slices: Iterator[tuple[Numbers, Numbers]]) -> Iterator[tuple[Numbers, Numbers]]:
        """Pass slices on, and let what cannot wait for the end of a long merge go between them."""
        for piece in slices:
            if self._closing:
                raise _StoppedError
            if self._parts.full:
                self._write_tables()
            yield piece

    def _next_path(self) -> Path:
        self._manifest = msgspec.structs.replace(self._manifest, made=self._manifest.made + 1)
        return self._folder / f"{self._manifest.made:08d}.run"

    def _publish(self, runs: tuple[Run, ...], *, covered: int, written: int) -> None:
        """Make runs the live ones: first on disk, then in memory; `written` of the full tables are in them now."""
        infos = tuple(run.info for run in runs)
        manifest = msgspec.structs.replace(self._manifest, runs=infos, covered=covered, floor=self._floor)
        try:
            write_manifest(self._folder, manifest)
        except OSError:
            # The new run is made again under another name; it must not stay to fill the disk.
            for info in {*infos} - {*self._manifest.runs}:
                (self._folder / info.name).unlink(missing_ok=True)
            raise
        with self._changed:
            self._manifest = manifest
            self._parts = _Parts(self._parts.full[written:], runs)
            self._changed.notify_all()


def _open(folder: Path, history: str, newest: int | None) -> tuple[Manifest, tuple[Run, ...]]:
    """What is on disk and sound, up to the first run that is not."""
    try:
        manifest = read_manifest(folder) or Manifest(history=history)
        if manifest.history != history or (newest is not None and manifest.covered > newest):
            raise ValueError("it belongs to another log, or to more of it")
    except ValueError as error:
        _log.warning("the index of ids in %s is of no use: %s; it is made again from the log", folder, error)
        # At once: when this log has grown, what is left of the other could pass for its own.
        forget_manifest(folder)
        return Manifest(history=history), ()
    runs: list[Run] = []
    try:
        for info in manifest.runs:
            runs.append(load_run(folder, info))  # noqa: PERF401  # those before a damaged one are kept
    except DamagedRunError as error:
        covered = runs[-1].info.last if runs else 0
        _log.warning("part of the index of ids is lost: %s; it is made again from the log, after %d", error, covered)
        manifest = msgspec.structs.replace(manifest, runs=tuple(run.info for run in runs), covered=covered)
    return manifest, tuple(runs)
