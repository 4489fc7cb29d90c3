"""Rates per caller: token buckets, kept as one number each."""

from __future__ import annotations

from collections.abc import Callable

__all__ = ["TokenBuckets"]

_PRUNE_FROM = 1_024


class TokenBuckets:
    """A bucket for each caller, filled with `rate` tokens a second up to `burst`; both above 0.

    What is kept is the instant at which the bucket will be full again, as in the generic cell rate algorithm (ITU-T
    I.371, annex A), which allows what a token bucket allows. Who takes more than a whole bucket at once may do so when
    it is full, and then waits longer. `clock` gives seconds that never go back.
    """

    def __init__(self, rate: float, burst: float, clock: Callable[[], float]) -> None:
        self.rate = rate
        self.burst = burst
        self._clock = clock
        self._full_at: dict[str, float] = {}
        self._prune_at = _PRUNE_FROM

    def wait(self, caller: str, tokens: float) -> float:
        """How many seconds until the caller may take so many tokens; 0 if now."""
        now = self._clock()
        full_at = self._full_at.get(caller, now)
        if full_at <= now:
            return 0.0
        return max(0.0, full_at - now - max(0.0, self.burst - tokens) / self.rate)

    def take(self, caller: str, tokens: float) -> float:
        """Take the tokens and return 0, or take none and return how many seconds to wait for them."""
        seconds = self.wait(caller, tokens)
        if seconds == 0:
            self.charge(caller, tokens)
        return seconds

    def charge(self, caller: str, tokens: float) -> None:
        """Take tokens without asking: what was used beyond an estimate. Negative ones are given back."""
        now = self._clock()
        full_at = max(now, self._full_at.get(caller, now)) + tokens / self.rate
        if full_at > now:
            self._full_at[caller] = full_at
            if len(self._full_at) > self._prune_at:
                self._prune(now)
        else:
            self._full_at.pop(caller, None)

    def _prune(self, now: float) -> None:
        """Forget full buckets, which are as good as none. Done each time their number has doubled."""
        self._full_at = {caller: full_at for caller, full_at in self._full_at.items() if full_at > now}
        self._prune_at = max(_PRUNE_FROM, 2 * len(self._full_at))
