"""Sorted runs on disk: what hashes of ids were stored under which sequence numbers, written once and never changed.

A hash's first 16 bits are its bucket, and say where in the run it lies; only the other 32 are written. A file holds how
many hashes each bucket has (65,536 numbers of 4 bytes), the hashes' low halves in order, and their sequence numbers
with the run's `first` subtracted, 4 bytes each or 8 if they need them. So an id takes 8 bytes.
"""

from __future__ import annotations

import mmap
import os
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from kizashi_collector.store._ids._id_hashes import HASH_BITS, Numbers

__all__ = [
    "DamagedRunError",
    "Run",
    "RunInfo",
    "bloom_masks",
    "load_run",
    "merged",
    "remaining",
    "write_run",
]

_LOW_BITS = np.uint64(32)
_LOW_HALF = np.uint64(2**32 - 1)
_BUCKETS = 1 << (HASH_BITS - 32)
_HEAD = 4 * _BUCKETS
_SLICE = 32_768
_SYNC_BYTES = 4 * 1024 * 1024
_RELEASE_EVERY = 32
_BLOOM_BITS = 12
_ONE, _SIX, _SIX_BITS = np.uint64(1), np.uint64(6), np.uint64(63)


class DamagedRunError(Exception):
    """A run's file is missing, short, unreadable, or not what was written."""


class RunInfo(Struct, frozen=True):
    """What a manifest says of a run. The checksums are CRC-32, of buckets and hashes, and of the sequence numbers."""

    name: str
    count: int
    first: int
    last: int
    hashes_crc: int = 0
    seqs_crc: int = 0

    @property
    def seq_bytes(self) -> int:
        """How wide a sequence number is."""
        return 4 if self.last - self.first < 2**32 else 8


class _Bloom:
    """A Bloom filter whose bits for a hash lie in one 64-bit word, found by the hash's top bits (Putze et al. 2007).

    With 12 to 24 bits for each hash, it lets 0.2 to 2 % of the others pass.
    """

    def __init__(self, count: int) -> None:
        bits = max(1, (count * _BLOOM_BITS // 64).bit_length())
        self._shift = np.uint64(HASH_BITS - bits)
        self._words = np.zeros(1 << bits, np.uint64)

    def add(self, hashes: Numbers) -> None:
        """Add hashes, which are in order."""
        words = (hashes >> self._shift).view(np.int64)
        starts = np.flatnonzero(np.diff(words, prepend=-1))
        self._words[words[starts]] |= np.bitwise_or.reduceat(bloom_masks(hashes), starts)

    def passing(self, hashes: Numbers, masks: Numbers) -> NDArray[np.intp]:
        """The indices of those that may have been added."""
        words = self._words.take((hashes >> self._shift).view(np.int64))
        words &= masks
        return np.flatnonzero(words == masks)


def bloom_masks(hashes: Numbers) -> Numbers:
    """The bits that each hash sets in its word: up to four, from its low bits."""
    masks = _ONE << (hashes & _SIX_BITS)
    for _ in range(3):
        hashes = hashes >> _SIX
        masks |= _ONE << (hashes & _SIX_BITS)
    return masks


class Run:
    """A run in use. Hashes and numbers are mapped from the file; buckets and Bloom filter are memory of this process.

    Should the disk fail under a mapped page, the process ends (SIGBUS); the next one finds the run damaged.
    """

    def __init__(self, info: RunInfo, path: Path, sizes: NDArray[np.uint32], bloom: _Bloom) -> None:
        self.info = info
        self._bloom = bloom
        with path.open("rb") as file:
            self._mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        self._starts = _starts(sizes)
        self._lows = np.frombuffer(self._mapped, "<u4", info.count, _HEAD)
        self.seqs: NDArray[np.unsignedinteger] = np.frombuffer(
            self._mapped, f"<u{info.seq_bytes}", info.count, _HEAD + 4 * info.count
        )

    def find(self, hashes: Numbers, masks: Numbers) -> Iterator[tuple[NDArray[np.intp], Numbers]]:
        """Yield indices into `hashes` with sequence numbers that are stored under them; each pair once."""
        indices = self._bloom.passing(hashes, masks)
        if not len(indices):
            return
        wanted = hashes[indices]
        buckets = (wanted >> _LOW_BITS).view(np.int64)
        lows = wanted.astype(np.uint32)
        places, ends = self._starts.take(buckets), self._starts.take(buckets + 1)
        step = 1 << int((ends - places).max()).bit_length()
        while step := step >> 1:
            # All look-ups halve what is left of their buckets, in step: `places` have only lower hashes before them.
            lower = self._lows.take(places + (step - 1), mode="clip") < lows
            lower &= places + step <= ends
            places += lower * step
        while len(indices):
            same = np.flatnonzero((self._lows.take(places, mode="clip") == lows) & (places < ends))
            indices, lows, places, ends = indices[same], lows[same], places[same], ends[same]
            if len(indices):
                yield indices, self.seqs.take(places) + np.uint64(self.info.first)
            places = places + 1

    def bucket(self, number: int) -> int:
        """Where a bucket begins."""
        return int(self._starts[number])

    def part(self, begin: int, end: int) -> tuple[Numbers, Numbers]:
        """The hashes in buckets from `begin` to before `end`, in order, and their sequence numbers."""
        entries = slice(self.bucket(begin), self.bucket(end))
        hashes = _hashes(self._starts, begin, end, self._lows[entries])
        return hashes, self.seqs[entries] + np.uint64(self.info.first)

    def release(self) -> None:
        """Let go of the pages that are mapped; they stay in the system's cache as long as it has room."""
        self._mapped.madvise(mmap.MADV_DONTNEED)


def write_run(path: Path, slices: Iterable[tuple[Numbers, Numbers]], count: int, first: int, last: int) -> Run:
    """Write `count` pairs, which come in the order of their hashes, and sync them. Raises OSError.

    Whatever goes wrong, no file stays. The folder is not synced yet.
    """
    info, bloom, sizes = RunInfo(path.name, count, first, last), _Bloom(count), np.zeros(_BUCKETS, np.uint32)
    written = unsynced = lows_crc = seqs_crc = 0
    try:
        with path.open("wb") as file, path.open("r+b") as seqs_file:
            file.seek(_HEAD)
            seqs_file.seek(_HEAD + 4 * count)
            for hashes, seqs in slices:
                lows = (hashes & _LOW_HALF).astype("<u4")
                packed_seqs = (seqs - np.uint64(first)).astype(f"<u{info.seq_bytes}")
                lows_crc, seqs_crc = zlib.crc32(lows.data, lows_crc), zlib.crc32(packed_seqs.data, seqs_crc)
                file.write(lows.data)
                seqs_file.write(packed_seqs.data)
                begin, end = int(hashes[0] >> _LOW_BITS), int(hashes[-1] >> _LOW_BITS) + 1
                buckets = (hashes >> _LOW_BITS).view(np.int64) - begin
                sizes[begin:end] += np.bincount(buckets, minlength=end - begin).astype(np.uint32)
                bloom.add(hashes)
                written += len(hashes)
                unsynced += len(hashes) * (4 + info.seq_bytes)
                if unsynced > _SYNC_BYTES:
                    # In small doses, so that the log's own syncs do not queue behind a large one.
                    os.fdatasync(file.fileno())
                    unsynced = 0
            if written != count:
                raise ValueError(f"{path.name} got {written} ids in place of {count}")
            head = sizes.astype("<u4").tobytes()
            file.seek(0)
            file.write(head)
            file.flush()
            seqs_file.flush()
            os.fsync(file.fileno())
        info = RunInfo(path.name, count, first, last, zlib.crc32(b"%d" % lows_crc, zlib.crc32(head)), seqs_crc)
        return Run(info, path, sizes, bloom)
    except BaseException:
        with suppress(OSError):
            path.unlink()
        raise


def load_run(folder: Path, info: RunInfo) -> Run:
    """Open a run after reading all of it. Raises DamagedRunError."""
    path, bloom = folder / info.name, _Bloom(info.count)
    try:
        size, expected = path.stat().st_size, _HEAD + info.count * (4 + info.seq_bytes)
        if size != expected or not info.count:
            raise DamagedRunError(f"{path} has {size} bytes, {expected} were written")
        with path.open("rb", buffering=0) as file:
            head = file.read(_HEAD)
            sizes = np.frombuffer(head, "<u4")
            starts = _starts(sizes)
            if starts[-1] != info.count:
                raise DamagedRunError(f"{path} is not what was written: its buckets do not add up")
            lows_crc = seqs_crc = 0
            for begin, end in _ranges(info.count):
                data = file.read(4 * int(starts[end] - starts[begin]))
                lows_crc = zlib.crc32(data, lows_crc)
                if data:
                    bloom.add(_hashes(starts, begin, end, np.frombuffer(data, "<u4")))
            while data := file.read(8 * _SLICE):
                seqs_crc = zlib.crc32(data, seqs_crc)
        if (zlib.crc32(b"%d" % lows_crc, zlib.crc32(head)), seqs_crc) != (info.hashes_crc, info.seqs_crc):
            raise DamagedRunError(f"{path} is not what was written: its checksum differs")
        return Run(info, path, sizes, bloom)
    except (OSError, ValueError) as error:
        raise DamagedRunError(f"{path} cannot be read: {error}") from error


def remaining(runs: Sequence[Run], floor: int) -> int:
    """How many entries of the runs have a sequence number of at least `floor`."""
    total = 0
    for run in runs:
        if run.info.first >= floor:
            total += run.info.count
            continue
        least = floor - run.info.first
        for at in range(0, run.info.count, 2 * _SLICE):
            total += int(np.count_nonzero(run.seqs[at : at + 2 * _SLICE] >= least))
    return total


def merged(runs: Sequence[Run], floor: int) -> Iterator[tuple[Numbers, Numbers]]:
    """Yield the entries of the runs from `floor` on in the order of their hashes, in slices of a millisecond or two."""
    for number, (begin, end) in enumerate(_ranges(sum(run.info.count for run in runs))):
        if number % _RELEASE_EVERY == 0:
            for run in runs:
                run.release()
        parts = [run.part(begin, end) for run in runs]
        hashes = np.concatenate([part[0] for part in parts])
        seqs = np.concatenate([part[1] for part in parts])
        order = hashes.argsort()
        if floor:
            order = order.compress(seqs.take(order) >= floor)
        if len(order):
            yield hashes.take(order), seqs.take(order)


def _ranges(count: int) -> Iterator[tuple[int, int]]:
    """Ranges of buckets, which cover all, with about a slice of `count` hashes each: hashes are spread evenly."""
    step = max(1, _BUCKETS * _SLICE // max(count, _SLICE))
    return ((begin, min(begin + step, _BUCKETS)) for begin in range(0, _BUCKETS, step))


def _starts(sizes: NDArray[np.uint32]) -> NDArray[np.int64]:
    starts = np.zeros(_BUCKETS + 1, np.int64)
    np.cumsum(sizes, out=starts[1:])
    return starts


def _hashes(starts: NDArray[np.int64], begin: int, end: int, lows: NDArray[np.uint32]) -> Numbers:
    """The hashes in a range of buckets, from their low halves."""
    hashes = np.repeat(np.arange(begin, end, dtype=np.uint64) << _LOW_BITS, np.diff(starts[begin : end + 1]))
    hashes |= lows
    return hashes
