"""Bodies that are made while they are sent, after a middleware has returned: each part inside its request's context."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator
from typing import Generic, Self, TypeVar

from kizashi import context

__all__ = ["AsyncCarried", "Carried"]

T = TypeVar("T")


class Carried(Generic[T]):
    """An iterator of the same parts that enters a context for each. Closing it closes what it iterates over."""

    def __init__(self, here: context, parts: Iterable[T]) -> None:
        self._here = here
        self._parts = parts
        self._iterator: Iterator[T] | None = None

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> T:
        with self._here:
            if self._iterator is None:
                self._iterator = iter(self._parts)
            return next(self._iterator)

    def close(self) -> None:
        """Close the parts, as WSGI asks of whoever wraps a body."""
        close = getattr(self._parts, "close", None)
        if close is not None:
            with self._here:
                close()


class AsyncCarried(Generic[T]):
    """As Carried, for asynchronous bodies."""

    def __init__(self, here: context, parts: AsyncIterable[T]) -> None:
        self._here = here
        self._iterator: AsyncIterator[T] = aiter(parts)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> T:
        with self._here:
            return await anext(self._iterator)
