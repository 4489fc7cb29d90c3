"""Reports that are counted again every few seconds while somebody asks for them."""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

from kizashi_collector.store._protocol import StoreError

__all__ = ["Refreshed"]

_log = logging.getLogger("kizashi.store")
_KEPT_S = 600.0
"""A report that nobody has asked for since so long is no longer counted."""

T = TypeVar("T")


class _Entry(Generic[T]):
    def __init__(self, count: Callable[[], Awaitable[T]]) -> None:
        self.count = count
        self.asked = time.monotonic()
        self.counted = float("-inf")
        self.report: T | None = None
        self.version = ""
        self.lock = asyncio.Lock()


class Refreshed(Generic[T]):
    """Reports by what they answer. None is older than twice `seconds`: then whoever asks waits for a new one."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._entries: dict[Hashable, _Entry[T]] = {}
        self._task: asyncio.Task[None] | None = None

    async def get(self, key: Hashable, count: Callable[[], Awaitable[T]]) -> tuple[T, str]:
        """The report and a name for it that no other one has. Raises what `count` raises."""
        entry = self._entries.get(key)
        if entry is None:
            entry = self._entries[key] = _Entry(count)
        entry.asked = time.monotonic()
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._keep_counting())
        report = entry.report
        if report is None or time.monotonic() - entry.counted > 2 * self._seconds:
            report = await self._count(entry, 2 * self._seconds)
        return report, entry.version

    def clear(self) -> None:
        """Forget all of them, as when the plan has changed."""
        self._entries.clear()

    async def close(self) -> None:
        """Stop counting."""
        self.clear()
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _count(self, entry: _Entry[T], at_most: float) -> T:
        async with entry.lock:
            if entry.report is None or time.monotonic() - entry.counted > at_most:
                began = time.monotonic()
                entry.report = await entry.count()
                entry.counted = began  # it holds what counted when it began
                entry.version = secrets.token_hex(8)
            return entry.report

    async def _keep_counting(self) -> None:
        while self._entries:
            now = time.monotonic()
            for key, entry in list(self._entries.items()):
                if now - entry.asked > _KEPT_S:
                    self._entries.pop(key, None)
                elif now - entry.counted >= self._seconds:
                    try:
                        await self._count(entry, self._seconds)
                    except StoreError as error:
                        _log.warning("an answer could not be counted again: %s", error)
            await asyncio.sleep(min(1.0, self._seconds / 10))
