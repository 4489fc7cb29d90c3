"""Who may bring how much, now: a queue that stays short, shared fairly between keys, and rates for each."""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable
from typing import Literal

from aiohttp import web

from kizashi_collector.http._admission._rates import TokenBuckets
from kizashi_collector.http._admission._turns import Turns
from kizashi_collector.http._problems import ProblemError

__all__ = ["ADMISSION", "Admission", "FairPool", "Refused"]

Refused = Literal["rate_limited", "over_share", "busy", "body_timeout"]
"""Why a request was not taken."""

_AT_ONCE = 4
_WINDOW_S = 0.25
_SMOOTHED_S = 1.0
_GROWTH = 1.25
_EVENT_BYTES, _LEAST_EVENT_BYTES, _LEARNED = 300.0, 50.0, 0.02


class FairPool:
    """A room that callers share by max-min fairness (Bertsekas and Gallager, "Data Networks", 2nd ed., section 6.5.2).

    While there is room, anybody may have it, up to two equal shares where others hold something too. Once it is full,
    a caller may still go up to an equal share of it, the room divided by those who hold something; who holds more waits
    until enough of it is done. So whoever wants less than an equal share gets all that it wants, and those who want
    more come to hold equal parts of the rest. Those shares may fill the room beyond `limit`, but never beyond `most`.
    """

    def __init__(self) -> None:
        self.total = 0
        self._held: dict[str, int] = {}

    def refusal(self, caller: str, amount: int, limit: int, most: int) -> Literal["over_share", "busy"] | None:
        """Why the caller may not take this much more: it has its share, or the room is full."""
        total = self.total + amount
        if total <= limit:
            crowd = len(self._held)
            # Beyond two equal shares a caller would only wait behind itself: it is served no faster than the others.
            if crowd > 1 and (waiting := self._held.get(caller, 0)) and (waiting + amount) * crowd > 2 * limit:
                return "over_share"
            return None
        held = self._held.get(caller, 0)
        callers = len(self._held) + (held == 0)
        if held and (held + amount) * callers > limit:
            return "over_share" if callers > 1 else "busy"
        return None if total <= most else "busy"

    def take(self, caller: str, amount: int) -> None:
        """Hold so much more."""
        self.total += amount
        self._held[caller] = self._held.get(caller, 0) + amount

    def give_back(self, caller: str, amount: int) -> None:
        """Hold so much less."""
        self.total -= amount
        left = self._held.get(caller, 0) - amount
        if left > 0:
            self._held[caller] = left
        else:
            self._held.pop(caller, None)


class Admission:
    """Decides whether a batch can be taken so that it is stored within about `max_wait` seconds.

    By Little's law ("A proof for the queuing formula L = λW", Operations Research 9(3), 1961) a queue of rate × wait
    events is waited in for that long. While batches are seen to wait for more than half of `max_wait`, the collector
    is saturated, and the room for waiting events is moved towards the rate at which they are stored × `max_wait`;
    while they wait less although more than half of the room is in use, it grows. It begins at a fifth of `max_pending`,
    never shrinks below four full batches, and never grows beyond `max_pending`.

    `pending` tells how many events the log has in hand: those whose client went away are no longer counted here.
    `rate` bounds the events a second of each caller, `read_rate` the questions; None for no bound. Instants are
    seconds of `clock`, which never goes back.
    """

    def __init__(
        self,
        *,
        max_events: int,
        max_pending: int,
        max_wait: float,
        pending: Callable[[], int],
        rate: float | None = None,
        read_rate: float | None = None,
        on_refusal: Callable[[Refused], None] = lambda _: None,
        clock: Callable[[], float] = time.monotonic,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self.clock = clock
        self.events = FairPool()
        self.turns = Turns(at_once=_AT_ONCE * max_events, quantum=max_events)
        self._max_events = max_events
        self._least = min(_AT_ONCE * max_events, max_pending)
        self._most = max_pending
        self.room = max(self._least, max_pending // 5)
        self._max_wait = max_wait
        self._pending = pending
        self._rates = None if rate is None else TokenBuckets(rate, max(rate, max_events), clock)
        self._asking = None if read_rate is None else TokenBuckets(read_rate, max(2 * read_rate, 10), clock)
        self._on_refusal = on_refusal
        self._chance = chance
        self._event_bytes = _EVENT_BYTES
        self._wait = 0.0
        self._window = clock()
        self._stored = self._batches = self._used = 0
        self._waited = 0.0

    def check(self, caller: str, size: int) -> None:
        """Raise what `enter` would for a body of so many bytes, as far as can be told before it came."""
        events = min(max(1, int(size / self._event_bytes)), self._max_events)
        if self._rates is not None:
            self._hold_to(self._rates, caller, self._rates.wait(caller, events))
        self._need_room(caller, events)

    def sized(self, size: int, events: int) -> None:
        """Learn how many bytes an event has from one body."""
        if events:
            self._event_bytes += (max(_LEAST_EVENT_BYTES, size / events) - self._event_bytes) * _LEARNED

    def enter(self, caller: str, events: int) -> int:
        """Let a batch in, and return how many events it is counted as until it leaves.

        Raises ProblemError: 429 `rate_limited`, 429 `over_share` or 503 `busy`, each with Retry-After.
        """
        events = min(max(events, 1), self._max_events)
        if self.events.total == 0:  # nobody was waiting, so that the time since then says nothing about the rate
            self._begin_window(self.clock())
        self._need_room(caller, events)
        if self._rates is not None:
            self._hold_to(self._rates, caller, self._rates.take(caller, events))
        self.events.take(caller, events)
        self._used = max(self._used, self.events.total)
        return events

    def leave(self, caller: str, events: int, began: float, stored: int | None) -> None:
        """Let a batch out that entered as `events` at `began`; `stored` counts those that were answered for.

        None if nobody waited for that: then it was as many as were counted at the door. 0 if the log took none.
        """
        self.events.give_back(caller, events)
        if stored is None:
            return
        if self._rates is not None and stored != events:
            self._rates.charge(caller, stored - events)
        if stored == 0:
            return
        now = self.clock()
        # Batches are answered in clumps, one for each transaction: a window lasts from one clump's first to another's.
        if now - self._window >= _WINDOW_S and self._batches:
            self._adapt(now)
        self._stored += stored
        self._batches += 1
        self._waited += now - began

    def ask(self, caller: str) -> None:
        """Count a question. Raises ProblemError, 429, when the caller asks more often than it may."""
        if self._asking is not None:
            self._hold_to(self._asking, caller, self._asking.take(caller, 1))

    def refused(self, reason: Refused) -> None:
        """Count a request that was not taken."""
        self._on_refusal(reason)

    def busy(self, reason: Literal["over_share", "busy"], what: str) -> ProblemError:
        """The answer to a caller for whom there is no room now. `what` takes it up."""
        self._on_refusal(reason)
        # Who is told the same second comes back in the same second: each is told another.
        least = max(1, math.ceil(self._wait))
        headers = {"Retry-After": str(least + int(self._chance() * (2 * least + 1)))}
        if reason == "over_share":
            return ProblemError(429, reason, f"{what} of this key take up its share of the room; send again", headers)
        return ProblemError(503, reason, f"too many {what} are on their way; send again", headers)

    def _need_room(self, caller: str, events: int) -> None:
        unclaimed = max(0, self._pending() - self.events.total)
        reason = self.events.refusal(caller, events, self.room - unclaimed, self._most - unclaimed)
        if reason is not None:
            raise self.busy(reason, "events")

    def _hold_to(self, buckets: TokenBuckets, caller: str, seconds: float) -> None:
        if seconds > 0:
            self._on_refusal("rate_limited")
            what = "events" if buckets is self._rates else "requests"
            raise ProblemError(
                429,
                "rate_limited",
                f"this key may bring {buckets.rate:g} {what} per second; send again when Retry-After has passed",
                {"Retry-After": str(math.ceil(seconds))},
            )

    def _adapt(self, now: float) -> None:
        self._wait = self._waited / self._batches
        if self._wait > self._max_wait / 2:
            wanted = self._stored / (now - self._window) * self._max_wait
            self.room += int((wanted - self.room) * min(1.0, (now - self._window) / _SMOOTHED_S))
        elif self._used > self.room / 2:
            self.room = int(self.room * _GROWTH) + 1
        self.room = min(max(self.room, self._least), self._most)
        self._begin_window(now)

    def _begin_window(self, now: float) -> None:
        self._window = now
        self._stored = self._batches = self._used = 0
        self._waited = 0.0


ADMISSION = web.AppKey("admission", Admission)
