"""Many rows in few statements: each step of a statement gives the interpreter away, and has to get it back."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from itertools import chain
from sqlite3 import Connection

__all__ = ["insert_rows"]

_MOST = 256


def insert_rows(connection: Connection, table: str, columns: int, rows: Sequence[tuple[object, ...]]) -> None:
    """Insert rows of so many columns; `table` names the table and its columns, and never comes from outside."""
    start, size = 0, _MOST
    while start < len(rows):
        while size > len(rows) - start:
            size //= 2
        connection.execute(_insert(table, columns, size), list(chain.from_iterable(rows[start : start + size])))
        start += size


@cache
def _insert(table: str, columns: int, rows: int) -> str:
    row = "(" + ", ".join("?" * columns) + ")"
    return f"INSERT INTO {table} VALUES " + ", ".join([row] * rows)  # noqa: S608  # only `?` go in
