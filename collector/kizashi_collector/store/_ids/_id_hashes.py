"""Event ids as 48-bit numbers, for whole batches at a time, and a table that remembers those of late."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["HASH_BITS", "HashTable", "IdHash", "Numbers"]

Numbers = NDArray[np.uint64]
HASH_BITS = 48
"""Among 10⁷ stored ids, one look-up in 3 × 10⁷ meets a stranger with the same hash, and costs a question to the log."""

_MAX_BYTES = 256
_WORDS = _MAX_BYTES // 4
_HIGH = np.uint64(0xFFFF_FFFF_0000_0000)
_SLICE = 65_536


class IdHash:
    """A hash of texts of up to 256 bytes of UTF-8, for one secret: the same in every process, version and batch.

    Two different texts share a hash with a probability of about 2⁻⁴⁸, whatever they are, as long as who chose them does
    not know the secret: it is multilinear (Lemire and Kaser, "Strongly universal string hashing is fast", 2014) over
    the text's 32-bit words and its length, twice 32 bits of it. What follows is a bijection (the last steps of
    MurmurHash3) that spreads texts with regular differences, such as counters; its top bits are the hash. None is 0.
    """

    def __init__(self, secret: bytes) -> None:
        stream = hashlib.shake_256(b"kizashi seen ids 1" + secret).digest(8 * 2 * (_WORDS + 2))
        numbers = np.frombuffer(stream, "<u8").astype(np.uint64).reshape(_WORDS + 2, 2)
        self._start, self._length, self._words = numbers[0], numbers[1:2], numbers[2:]

    def __call__(self, ids: Sequence[str]) -> Numbers:
        """Return the hash of each id. Raises ValueError for an id of more than 256 bytes."""
        words, lengths = _words_of(ids)
        sums = words.astype(np.uint64) @ self._words[: words.shape[1]]
        sums += lengths @ self._length
        sums += self._start
        hashes = (sums[:, 0] & _HIGH) | (sums[:, 1] >> np.uint64(32))
        for factor in (np.uint64(0xFF51AFD7ED558CCD), np.uint64(0xC4CEB9FE1A85EC53)):
            hashes ^= hashes >> np.uint64(33)
            hashes *= factor
        hashes ^= hashes >> np.uint64(33)
        hashes >>= np.uint64(64 - HASH_BITS)
        hashes[hashes == 0] = 1
        return hashes


def _words_of(ids: Sequence[str]) -> tuple[NDArray[np.uint32], Numbers]:
    """The UTF-8 of the ids as rows of 32-bit words, filled up with zeros, and how many bytes each has."""
    joined = "".join(ids)
    texts: Sequence[str | bytes] = ids
    if not joined.isascii():
        texts = [text.encode("utf-8", "surrogatepass") for text in ids]
    sizes = list(map(len, texts))
    longest = max(sizes, default=0)
    if longest > _MAX_BYTES:
        raise ValueError(f"an id has {longest} bytes; at most {_MAX_BYTES} can be indexed")
    lengths = np.array(sizes, np.uint64).reshape(-1, 1)
    width = max(4, -(-longest // 4) * 4)
    if longest == width and joined.isascii() and len(set(sizes)) == 1:
        table = np.frombuffer(joined.encode("ascii"), "<u4")  # the common case: all are UUIDs, and nothing is copied
    else:
        table = np.array(texts, f"S{width}").view("<u4")
    return table.reshape(len(ids), width // 4), lengths


class HashTable:
    """Up to `capacity` pairs of hash and sequence number in memory: an open-addressed table, probed batch by batch.

    Unlike a dict of this size, it never holds the interpreter for milliseconds to grow or to be freed, and its 16
    bytes a slot are all that it takes. A hash may come with several numbers. One thread may add; only it may find.
    """

    def __init__(self, capacity: int) -> None:
        bits = max(2, (2 * capacity - 1).bit_length())
        self.capacity = capacity
        self.count = 0
        self.first = 0
        self.last = 0
        self._mask = (1 << bits) - 1
        self._hashes = np.zeros(1 << bits, np.uint64)
        self._seqs = np.zeros(1 << bits, np.uint64)

    def add(self, first_seq: int, hashes: Numbers) -> None:
        """Add hashes under consecutive sequence numbers, from 1 on and above all before; as many as there is room."""
        if not self.count:
            self.first = first_seq
        self.count += len(hashes)
        self.last = first_seq + len(hashes) - 1
        seqs = np.arange(first_seq, first_seq + len(hashes), dtype=np.uint64)
        slots, steps = self._path(hashes)
        while len(hashes):
            free = np.flatnonzero(self._hashes.take(slots) == 0)
            self._seqs[slots[free]] = seqs[free]
            # Where several want one slot, the last to write has it: the number tells who that is.
            won = free[self._seqs.take(slots[free]) == seqs[free]]
            self._hashes[slots[won]] = hashes[won]
            placed = np.zeros(len(hashes), np.bool_)
            placed[won] = True
            left = np.flatnonzero(~placed)
            hashes, seqs, steps = hashes[left], seqs[left], steps[left]
            slots = (slots[left] + steps) & self._mask

    def find(self, hashes: Numbers) -> Iterator[tuple[NDArray[np.intp], Numbers]]:
        """Yield indices into `hashes` with sequence numbers that are stored under them; each pair once."""
        slots, steps = self._path(hashes)
        indices = np.arange(len(hashes))
        while len(indices):
            there = self._hashes.take(slots)
            hits = np.flatnonzero(there == hashes)
            if len(hits):
                yield indices[hits], self._seqs.take(slots[hits])
            on = np.flatnonzero(there)
            indices, hashes, steps = indices[on], hashes[on], steps[on]
            slots = (slots[on] + steps) & self._mask

    def sorted(self) -> Iterator[tuple[Numbers, Numbers]]:
        """Yield all pairs in the order of their hashes, in slices."""
        parts = [at + np.flatnonzero(self._hashes[at : at + _SLICE]) for at in range(0, len(self._hashes), _SLICE)]
        used = np.concatenate(parts)
        order = self._hashes.take(used).argsort()
        for at in range(0, len(order), _SLICE):
            slots = used.take(order[at : at + _SLICE])
            yield self._hashes.take(slots), self._seqs.take(slots)

    def _path(self, hashes: Numbers) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Each hash's first slot, and the odd number of slots from one try to the next."""
        slots = (hashes & np.uint64(self._mask)).astype(np.intp)
        steps = (hashes >> np.uint64(24)).astype(np.intp) & self._mask | 1
        return slots, steps
