"""Lists of values, cut to what one parameter of a query may hold."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeVar

__all__ = ["in_fields", "lists_apart"]

_MOST_BYTES = 60_000
"""A server takes 128 KiB in a field (`http_max_field_value_size`), and escaping may double a text."""

_MANY = 100
_LONG_LIST = re.compile(rf"\bIN \((\d+(?:, \d+){{{_MANY},}})\)")

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


def lists_apart(sql: str, parameters: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """The same query with its lists in as many parameters as they need, among them the long lists of numbers that are
    written in its text, each of them once however often it is used.

    The text of a query travels in a field, too; and of batches that no seal says anything of yet, there are a thousand
    and more for each collector.
    """
    given = dict[str, Any]()

    def place(name: str, values: Sequence[Any], kind: str) -> str:
        parts = list(in_fields(values))
        names = [f"{name}_{at}" for at in range(len(parts))]
        given.update(zip(names, parts, strict=True))
        fields = ", ".join(f"{{{one}:{kind}}}" for one in names)
        return f"arrayConcat({fields})" if len(parts) > 1 else fields

    for name, value in parameters.items():
        if isinstance(value, list) and len(value) >= _MANY:
            field = re.compile(rf"\{{{name}:([^}}]*)\}}")
            kind = field.search(sql)
            sql = field.sub(place(name, value, kind[1]), sql) if kind else sql
        else:
            given[name] = value
    known = dict[str, str]()

    def listed(match: re.Match[str]) -> str:
        if match[1] not in known:
            known[match[1]] = place(f"list_{len(known)}", list(map(int, match[1].split(", "))), "Array(UInt64)")
        return f"IN {known[match[1]]}"

    return _LONG_LIST.sub(listed, sql), given
