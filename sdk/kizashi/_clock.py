"""Time as the client sees it. Passed in, so that tests need no sleep."""

from __future__ import annotations

import threading
import time

__all__ = ["Clock"]


class Clock:
    """The system's clocks. Tests hand in one whose `wait` returns at once and moves its own time forward."""

    def time_ns(self) -> int:
        """Nanoseconds since 1970 by the wall clock."""
        return time.time_ns()

    def monotonic(self) -> float:
        """Seconds by a clock that never steps."""
        return time.monotonic()

    def wait(self, condition: threading.Condition, seconds: float | None) -> None:
        """Wait, holding the condition's lock as it demands, until notified or `seconds` are over."""
        condition.wait(seconds)
