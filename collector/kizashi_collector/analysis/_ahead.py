"""Works on the next parts of something large while one is looked at: numpy sorts without the interpreter's lock."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

__all__ = ["ahead"]

T = TypeVar("T")


def ahead(
    jobs: Iterable[Callable[[], T]], *, threads: int = 1, most: int = 3, name: str = "kizashi-ahead"
) -> Iterator[T]:
    """What each job returns, in their order; up to `most` are begun before they are asked for, in other threads.

    Jobs are taken from the iterable in the thread that asks. Once nobody asks any more, no other is begun.
    """
    waiting: deque[Future[T]] = deque()
    with ThreadPoolExecutor(threads, thread_name_prefix=name) as pool:
        try:
            for job in jobs:
                waiting.append(pool.submit(job))
                if len(waiting) > most:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
