"""How long a question may take: until its deadline, its client's leaving, or the log's closing."""

from __future__ import annotations

import time

from kizashi_collector.store._protocol import QueryEndedError, QueryTooSlowError

__all__ = ["Patience"]


class Patience:
    """Called throughout the work on one question; raises once there is no point in going on.

    `seconds` is the time that the answer may take, waiting for a reader included.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._deadline = time.monotonic() + seconds
        self._ended = False

    def end(self) -> None:
        """Give the work up at its next look, from any thread: nobody waits for it any more."""
        self._ended = True

    @property
    def over(self) -> bool:
        """Whether the next call raises."""
        return self._ended or time.monotonic() > self._deadline

    @property
    def left(self) -> float:
        """Seconds until the deadline; 0 after it."""
        return max(0.0, self._deadline - time.monotonic())

    def __call__(self) -> None:
        """Return while there is time. Raises QueryTooSlowError or QueryEndedError."""
        if self._ended:
            raise QueryEndedError("the question was given up")
        if time.monotonic() > self._deadline:
            raise QueryTooSlowError(
                f"no answer within {self._seconds:g} s; ask for a shorter interval or fewer steps, "
                "have it kept current by the plan's summaries and funnels, or raise --query-timeout"
            )
