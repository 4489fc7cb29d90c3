"""The right to write the ledger, which one collector has at a time.

Whoever wants it claims it with a row, and then reads all claims: if there is another one it takes its own back, and
tries again after a while. Since whoever reads sees every row that was acknowledged before, of two that claim at a time
at least one sees the other. A claim ends by itself at a time of the server's clock, so that nobody waits for one that
died; and rows that it writes into the ledger are refused after that (`CONSTRAINT held`).
"""

from __future__ import annotations

import contextlib
import random
import secrets
import time
from collections.abc import Callable, Iterator

import msgspec

from kizashi_collector.store._clickhouse._engine import Engine
from kizashi_collector.store._protocol import StoreBusyError, StoreError

__all__ = ["LEASE_S", "Hold", "Lease"]

LEASE_S = 60.0
"""So long a claim lasts, unless it is taken back before."""

_GRACE_MS = 10_000
"""So much later others take it that it is over: what was written in time is to be read by then, and clocks differ."""

_CLAIMS = "SELECT token FROM leases GROUP BY token HAVING NOT max(given_back) AND max(until) > {since:Int64}"
_NOW = "SELECT toUnixTimestamp64Milli(now64(3))"


class Hold:
    """The right to write, until a time of the server's clock."""

    def __init__(self, token: int, until: int, deadline: float) -> None:
        self.token, self.until, self._deadline = token, until, deadline

    def check(self) -> None:
        """Raise StoreBusyError where it could be over before one more statement is."""
        if time.monotonic() > self._deadline:
            raise StoreBusyError("the store is too slow to tell increments now; try again when it has less to do")


class Lease:
    """Gives the right to write. All methods may be called in any thread.

    `clock` says how late it is in milliseconds when the server says so; `pause` waits for some seconds; `chance` is
    from 0 to 1.
    """

    def __init__(
        self,
        engine: Engine,
        *,
        clock: Callable[[int], int] = lambda now: now,
        pause: Callable[[float], None] = time.sleep,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._engine, self._clock, self._pause, self._chance = engine, clock, pause, chance

    @contextlib.contextmanager
    def held(self, *, wait: float, seconds: float = LEASE_S, after_errors: bool = True) -> Iterator[Hold]:
        """Hold it for some seconds at most, after waiting for so many at most. Raises StoreBusyError.

        `after_errors` says whether to hold on where the work ends with one, since rows may still be on their way.
        """
        hold = self._claimed(seconds)
        while hold is None:
            pause = 0.05 + 0.4 * self._chance()
            wait -= pause
            if wait < 0:
                raise StoreBusyError("another collector is telling increments; try again when it is done")
            self._pause(pause)
            hold = self._claimed(seconds)
        try:
            yield hold
        except StoreError:
            if not after_errors:
                self._give_back(hold)
            raise
        self._give_back(hold)

    def _claimed(self, seconds: float) -> Hold | None:
        began = time.monotonic()
        now = self._clock(self._engine.ask(_NOW)[0][0])
        if self._claims(now):
            return None
        hold = Hold(secrets.randbits(63), now + int(seconds * 1000), began + seconds / 2)
        self._write(hold.token, hold.until)
        if self._claims(now) == {hold.token}:
            return hold
        self._give_back(hold)
        return None

    def _give_back(self, hold: Hold) -> None:
        with contextlib.suppress(StoreError):  # it ends by itself
            self._write(hold.token, hold.until, given_back=True)

    def _claims(self, now: int) -> set[int]:
        (tokens,) = self._engine.ask(_CLAIMS, {"since": now - _GRACE_MS})
        return set(tokens)

    def _write(self, token: int, until: int, *, given_back: bool = False) -> None:
        row = msgspec.json.encode([token, until, given_back])
        self._engine.insert("leases", ("token", "until", "given_back"), row)
