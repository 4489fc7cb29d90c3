"""The newest chunks of a log, and which of them are to become one: a question reads few chunks faster than many."""

from __future__ import annotations

from sqlite3 import Connection

__all__ = ["MERGED", "Tail"]

_SMALL = (16, 256)
_MANY = 16
MERGED = _SMALL[-1]
"""A chunk of so many events is never merged again."""

_NEWEST = "SELECT first, count FROM chunks ORDER BY first DESC LIMIT ?"


class Tail:
    """The small chunks at the end of the log, oldest first.

    Whoever sends single events makes a chunk of each transaction. Small chunks of about one size are merged sixteen at
    a time, so that each event is written three times at most. `committed` or `given_up` must follow what was noted.
    """

    def __init__(self, connection: Connection) -> None:
        newest = connection.execute(_NEWEST, (2 * _MANY,)).fetchall()
        self._before: list[tuple[int, int]] = []
        for first, count in reversed(newest):
            self._before = [*self._before, (first, count)] if count < MERGED else []
        self._now = list(self._before)

    def added(self, first: int, count: int) -> int | None:
        """Note a new chunk; return the first number of those that are to become one with all after it, or None."""
        self._now = [*self._before, (first, count)] if count < MERGED else []
        for small in _SMALL:
            many = 0
            while many < len(self._now) and self._now[-1 - many][1] < small:
                many += 1
            if many >= _MANY or (many > 1 and sum(part[1] for part in self._now[-many:]) >= small):
                return self._now[-many][0]
        return None

    def merged(self, first: int, count: int) -> None:
        """Note that all chunks from `first` on are one."""
        self._now = [part for part in self._now if part[0] < first]
        self._now = [*self._now, (first, count)] if count < MERGED else []

    def broken(self) -> None:
        """Note that events are missing among those that were to become one: what lies before the newest stays."""
        self._now = self._now[-1:]

    def committed(self) -> None:
        """What was noted is durable."""
        self._before = self._now

    def given_up(self) -> None:
        """What was noted did not happen."""
        self._now = self._before
