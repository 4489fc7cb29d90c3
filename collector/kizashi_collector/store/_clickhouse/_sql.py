"""Parts of a query: what comes from outside travels beside the text, as parameters."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

__all__ = ["Ask", "Parameters", "View"]

Ask = Callable[[str, Mapping[str, Any]], Sequence[Sequence[Any]]]
"""Runs a query with its parameters; the columns of its result. Raises StoreError."""


class Parameters:
    """Values of one query. `add` returns the placeholder that stands for one in the text."""

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}

    def add(self, value: Any, kind: str) -> str:
        """Keep a value of a ClickHouse type, such as `String` or `Array(Int64)`."""
        name = f"p{len(self.values)}"
        self.values[name] = value
        return f"{{{name}:{kind}}}"


class View(NamedTuple):
    """The events that one answer counts: rows of `table` for which `where` holds, adjustments among them.

    Both are SQL without parameters, and stand for the same rows whatever is written meanwhile. Those of them for
    which `logged` holds are in the log; the others are old adjustments, which are in force, and that is all.
    """

    table: str
    where: str
    logged: str = "1"
