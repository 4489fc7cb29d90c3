"""The collector's clock, which knows when it cannot be trusted."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

__all__ = ["TRUSTED_WITHIN_MS", "Clock"]

TRUSTED_WITHIN_MS = 5_000
"""Clocks that differ by no more than this agree."""

_log = logging.getLogger("kizashi.clock")


def _wall_ms() -> int:
    return time.time_ns() // 1_000_000


def _steady_ms() -> int:
    # Unlike CLOCK_MONOTONIC it goes on while the machine sleeps, as the wall clock does.
    return time.clock_gettime_ns(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)) // 1_000_000


class Clock:
    """Wall-clock time in milliseconds since 1970, watched by a clock that nobody can set.

    `trusted` is false while the two have drifted apart by more than 5 s since the start: then somebody set the wall
    clock, and no client's time may be corrected by it. For as long, `now` goes on from the start by the steady clock,
    so that events are neither from the future nor received an hour ago. Both end when the wall clock comes back.
    """

    def __init__(self, wall: Callable[[], int] = _wall_ms, steady: Callable[[], int] = _steady_ms) -> None:
        self._wall = wall
        self._steady = steady
        self._offset = wall() - steady()
        self._said = True

    def now(self) -> int:
        """The time, in milliseconds since 1970."""
        wall, expected = self._wall(), self._steady() + self._offset
        return wall if self._agree(wall - expected) else expected

    def drift(self) -> int:
        """By how many milliseconds the wall clock has been set since the start."""
        return self._wall() - self._steady() - self._offset

    @property
    def trusted(self) -> bool:
        """Whether the wall clock still agrees with the steady one."""
        return self._agree(self.drift())

    def _agree(self, drift: int) -> bool:
        """Whether this drift is none, and a line in the log where that has changed since the last look."""
        agree = abs(drift) <= TRUSTED_WITHIN_MS
        if agree != self._said:
            self._said = agree
            if agree:
                _log.info("the wall clock is right again: it is followed, and senders' clocks are corrected by it")
            else:
                _log.error(
                    "the wall clock was set by %d s since the start and is not followed; mend it, or, if it is right "
                    "now and was wrong before, restart the collector",
                    round(drift / 1000),
                )
        return agree
