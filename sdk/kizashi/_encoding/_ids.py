"""Event ids: time-ordered ones for events that happen, and derived ones for events that must happen once."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

__all__ = ["MOST_COUNT", "IdMaker", "derived_id"]

_POOL = 64
MOST_COUNT = 4_095
"""So many ids of one millisecond follow the first."""
# The first digit of a tail says the variant in its two upper bits: 10.
_VARIANTS = {digit: "89ab"[int(digit, 16) % 4] for digit in "0123456789abcdef"}


def derived_id(name: str, idempotency_key: str) -> bytes:
    """The id, as ASCII, of (name, idempotency key): SHA-256 in hex, the same in every process and at every time.

    A name holds no NUL, so that two different pairs never run together to one text.
    """
    return hashlib.sha256(f"{name}\0{idempotency_key}".encode()).hexdigest().encode()


class IdMaker:
    """Makes UUIDs of version 7 (RFC 9562, section 5.7) that strictly increase, whatever the clock does.

    After the 48 bits of milliseconds come 12 that count the ids of one millisecond (section 6.2, method 1), then 62
    random ones, drawn once for each millisecond. When the count is full or the clock steps back, the milliseconds run
    ahead of it. `entropy(n)` gives n random bytes; it is asked for many at once.

    An id is `head`, the count as three hexadecimal digits, and `tail`: whoever makes many of one millisecond may count
    by himself.
    """

    def __init__(self, entropy: Callable[[int], bytes]) -> None:
        self._entropy = entropy
        self._millis = -1
        self._tails: list[bytes] = []
        self.count = MOST_COUNT
        self.head = self.tail = b""

    def make(self, millis: int) -> bytes:
        """The next id, as ASCII, for an event of this millisecond since 1970."""
        self.advance(millis)
        return b"%b%03x%b" % (self.head, self.count, self.tail)

    def advance(self, millis: int) -> None:
        """Go on to the next id."""
        if millis <= self._millis:
            if self.count < MOST_COUNT:
                self.count += 1
                return
            millis = self._millis + 1
        self._millis, self.count = millis, 0
        digits = b"%012x" % millis
        self.head = b"%b-%b-7" % (digits[:8], digits[8:])
        if not self._tails:
            self._fill()
        self.tail = self._tails.pop()

    def _fill(self) -> None:
        drawn = self._entropy(8 * _POOL).hex()
        self._tails = [
            f"-{_VARIANTS[drawn[at]]}{drawn[at + 1 : at + 4]}-{drawn[at + 4 : at + 16]}".encode()
            for at in range(0, 16 * _POOL, 16)
        ]
