"""Reviews that were counted already, for whoever does not mind that they are some minutes old."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from itertools import count as numbers

from msgspec import Struct

from kizashi_collector.analysis import Review
from kizashi_schemas.plan import Plan

__all__ = ["Reviews"]

_log = logging.getLogger("kizashi.store")
_SLOW_S = 0.5
"""What takes less is counted whenever somebody asks."""


class _Asked(Struct, frozen=True):
    """What a review is counted from: the number of the count, how many erasures were before it, its plan and time."""

    number: int
    erasures: int
    plan: str
    as_of: int


class Reviews:
    """The last review of the plan in force, where one takes long to count; `count` counts one as of an instant, in
    epoch milliseconds. `erasures` tells how often somebody was erased from the log: what was counted before the last
    time is handed out no more. (What goes for its age was rightly counted before.) For one event loop.
    """

    def __init__(
        self,
        count: Callable[[Plan, int], Awaitable[Review]],
        erasures: Callable[[], int],
        *,
        slow_seconds: float = _SLOW_S,
    ) -> None:
        self._count, self._erasures, self._slow = count, erasures, slow_seconds
        self._numbers = numbers(1)
        self._plan = ""
        self._kept: tuple[_Asked, Review] | None = None
        self._decided = 0
        self._newest: tuple[_Asked, asyncio.Task[Review]] | None = None
        self._counting: set[asyncio.Task[Review]] = set()

    async def get(self, plan: Plan, as_of: int, max_age_ms: int) -> Review:
        """The review as it stood at most `max_age_ms` before `as_of`. Raises what `count` raises.

        One that is older than half of that is counted again in the background, so that who asks often enough need not
        wait for any. Two who would wait wait for the same, if that is young enough for both. One without learned values
        is never kept: they come soon.
        """
        if max_age_ms <= 0:
            return await self._count(plan, as_of)
        self._plan = plan.id
        if self._kept is not None:
            asked, review = self._kept
            if self._serves(asked, as_of, max_age_ms):
                if as_of - asked.as_of > max_age_ms // 2:
                    self._start(as_of, max_age_ms, plan)
                return review
        return await asyncio.shield(self._start(as_of, max_age_ms, plan))

    async def close(self) -> None:
        """Stop counting."""
        counting = list(self._counting)
        for task in counting:
            task.cancel()
        await asyncio.gather(*counting, return_exceptions=True)

    def _serves(self, asked: _Asked, as_of: int, max_age_ms: int) -> bool:
        """Whether what was counted so may be handed out to who asks now."""
        same = asked.plan == self._plan and asked.erasures == self._erasures()
        return same and 0 <= as_of - asked.as_of <= max_age_ms

    def _start(self, as_of: int, max_age_ms: int, plan: Plan) -> asyncio.Task[Review]:
        """What is being counted already, if it is young enough, or else a count that begins now."""
        if self._newest is not None:
            asked, counting = self._newest
            if not counting.done() and self._serves(asked, as_of, max_age_ms):
                return counting
        asked = _Asked(next(self._numbers), self._erasures(), plan.id, as_of)
        counting = asyncio.get_running_loop().create_task(self._keep(asked, plan))
        self._newest = asked, counting
        self._counting.add(counting)
        counting.add_done_callback(self._ended)
        return counting

    async def _keep(self, asked: _Asked, plan: Plan) -> Review:
        began = time.monotonic()
        review = await self._count(plan, asked.as_of)
        slow = time.monotonic() - began >= self._slow
        # One that began earlier may end later, and one of a plan that was left is of no use.
        if asked.plan == self._plan and asked.number > self._decided:
            self._decided = asked.number
            self._kept = (asked, review) if slow and review.fit is not None else None
        return review

    def _ended(self, counting: asyncio.Task[Review]) -> None:
        self._counting.discard(counting)
        if counting.cancelled():
            return
        error = counting.exception()
        if error is not None:
            _log.warning("the review could not be counted: %s", error)
