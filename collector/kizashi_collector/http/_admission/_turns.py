"""Whose batch is worked on next, when more are there than can be worked on well at once."""

from __future__ import annotations

import asyncio
from collections import deque

__all__ = ["Turns"]


class Turns:
    """Lets batches work, as many as hold `at_once` events together, and calls those that wait by deficit round robin.

    Each caller in turn may send ahead as many events as one full batch, `quantum`, and keeps what it did not use for
    its next turn (Shreedhar and Varghese, "Efficient fair queuing using deficit round robin", IEEE/ACM Transactions on
    Networking 4(3), 1996). So callers who always have something waiting get equal throughput, in events, whatever the
    size of their batches, and who brings little does not wait behind all that another has brought. Few at once is also
    faster: batches that share the interpreter would all be ready late, and come to the disk all together.
    """

    def __init__(self, at_once: int, quantum: int) -> None:
        self._at_once = at_once
        self._quantum = quantum
        self._working = 0
        self._waiting: dict[str, deque[tuple[int, asyncio.Future[None]]]] = {}
        self._credit: dict[str, int] = {}
        self._round: deque[str] = deque()

    def begin_now(self, events: int) -> bool:
        """Begin if nobody waits and there is room; whether it did."""
        if self._round or not self._fits(events):
            return False
        self._working += events
        return True

    async def begin(self, caller: str, events: int) -> None:
        """Return when it is the batch's turn. Who began must `end`; who is cancelled here has not begun."""
        if self.begin_now(events):
            return
        called: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if caller not in self._waiting:
            self._waiting[caller] = deque()
            self._credit[caller] = 0
            self._round.append(caller)
        self._waiting[caller].append((events, called))
        try:
            await called
        except asyncio.CancelledError:
            if called.done() and not called.cancelled():
                self.end(events)
            raise

    def end(self, events: int) -> None:
        """The batch is done: call whom there is room for now."""
        self._working -= events
        while self._round:
            caller = self._round[0]
            waiting = self._waiting[caller]
            while waiting and waiting[0][1].cancelled():
                waiting.popleft()
            if not waiting:
                self._round.popleft()
                del self._waiting[caller], self._credit[caller]
                continue
            events, called = waiting[0]
            if not self._fits(events):
                return
            if self._credit[caller] < events:
                self._credit[caller] += self._quantum
                self._round.rotate(-1)
                continue
            waiting.popleft()
            self._credit[caller] -= events
            self._working += events
            called.set_result(None)

    def _fits(self, events: int) -> bool:
        return self._working == 0 or self._working + events <= self._at_once
