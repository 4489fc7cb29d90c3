"""Waiting for the worker from an event loop. Apart, so that no process without a loop imports asyncio."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable

from kizashi._delivery._queue import Queue, Watcher

__all__ = ["wait_flushed"]


async def wait_flushed(queue: Queue, start: Callable[[], bool], target: int, seconds: float) -> bool:
    """Wait up to `seconds` until all up to event number `target` is settled, leaving the loop free; tell whether.

    `start` sees to it that somebody works on the queue, and tells whether.
    """
    loop = asyncio.get_running_loop()
    settled = asyncio.Event()

    def wake() -> None:
        # Called by the worker, perhaps after the loop was closed by somebody who lost patience.
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(settled.set)

    watcher = Watcher(target, wake)
    queue.watch(watcher)
    try:
        if not start():
            return queue.wait_settled(target, 0.0)
        async with asyncio.timeout(seconds):
            await settled.wait()
    except TimeoutError:
        return queue.wait_settled(target, 0.0)
    else:
        return True
    finally:
        queue.unwatch(watcher)
