"""Event ids: time-ordered ones for events that happen, and derived ones for events that must happen once."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

__all__ = ["IdMaker", "derived_id"]

_POOL_EVENTS = 256


def derived_id(name: str, idempotency_key: str) -> str:
    """The id of (name, idempotency key): SHA-256 in hex, the same in every process and at every time.

    A name holds no NUL, so that two different pairs never run together to one text.
    """
    return hashlib.sha256(f"{name}\0{idempotency_key}".encode()).hexdigest()


class IdMaker:
    """Makes UUIDs of version 7 (RFC 9562, section 5.7) that strictly increase, whatever the clock does.

    The 48 bits of milliseconds and 12 of their fraction (section 6.2, method 3) count as one number, which moves at
    least by one from id to id. `entropy(n)` gives n random bytes; it is asked for many at once.
    """

    def __init__(self, entropy: Callable[[int], bytes]) -> None:
        self._entropy = entropy
        self._pool: list[int] = []
        self._last = 0

    def make(self, now_ns: int) -> str:
        """The next id, for an event captured at `now_ns`."""
        millis, rest = divmod(now_ns, 1_000_000)
        self._last = stamp = max((millis << 12) | (rest * 4096 // 1_000_000), self._last + 1)
        if not self._pool:
            self._pool = memoryview(self._entropy(8 * _POOL_EVENTS)).cast("Q").tolist()
        tail = self._pool.pop() & 0x3FFF_FFFF_FFFF_FFFF | 0x8000_0000_0000_0000
        head, end = f"{stamp:015x}", f"{tail:016x}"
        return f"{head[:8]}-{head[8:12]}-7{head[12:]}-{end[:4]}-{end[4:]}"
