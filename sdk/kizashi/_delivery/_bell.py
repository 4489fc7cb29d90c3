"""How the threads behind the queue sleep and are woken."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable

from kizashi._clock import Clock

__all__ = ["NEVER", "Bell"]

NEVER = sys.maxsize
"""More things than there will ever be."""


class Bell:
    """What a thread waits for: a number of things, or a nudge. All its methods want the queue's lock held."""

    def __init__(self, lock: threading.RLock) -> None:
        self.condition = threading.Condition(lock)
        self.wake_at = NEVER
        self.nudged = False

    def ring(self) -> None:
        """End the wait that is under way, or the next one."""
        self.nudged = True
        self.condition.notify()

    def sleep(self, clock: Clock, seconds: float | None, *, there: Callable[[], int], wake_at: int) -> None:
        """Wait until `wake_at` things are there, a ring, or the end of `seconds`, whichever comes first."""
        # In this order: who adds a thing without the lock looks at wake_at afterwards; one of the two sees the other.
        self.wake_at = wake_at
        if not self.nudged and there() < wake_at:
            clock.wait(self.condition, seconds)
        self.wake_at = NEVER
        self.nudged = False
