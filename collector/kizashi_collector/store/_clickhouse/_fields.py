"""Lists of values, cut to what one parameter of a query may hold."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeVar

__all__ = ["in_fields"]

_MOST_BYTES = 60_000
"""A server takes 128 KiB in a field (`http_max_field_value_size`), and escaping may double a text."""

T = TypeVar("T")


def in_fields(values: Sequence[T]) -> Iterator[list[T]]:
    """The values in order, as many at a time as one field may hold; nothing where there are none."""
    some: list[T] = []
    size = 0
    for value in values:
        more = len(repr(value).encode(errors="surrogatepass")) + 2
        if some and size + more > _MOST_BYTES:
            yield some
            some, size = [], 0
        some.append(value)
        size += more
    if some:
        yield some
