"""A query that grows in layers: each adds columns to the rows of the one below."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

__all__ = ["Layers"]

_NAME = re.compile(r"[a-z_][a-z_0-9]*")


class Layers:
    """Rows of a query, and more and more columns of them. Only what is asked for in the end is carried up: to make a
    plan of columns that nobody reads takes longer than many an answer."""

    def __init__(self, rows: str, columns: Iterable[str]) -> None:
        self._rows = rows
        self._columns = set(columns)
        self._layers: list[dict[str, str]] = []

    def add(self, columns: Mapping[str, str]) -> None:
        """Add expressions of the columns so far, by name. A name may be that of a column which it replaces."""
        self._layers.append(dict(columns))

    def sql(self, wanted: Sequence[str]) -> str:
        """A SELECT of some of the columns."""
        asked = set(wanted)
        needed: list[tuple[dict[str, str], set[str]]] = []
        for columns in reversed(self._layers):
            own = {name: expression for name, expression in columns.items() if name in asked}
            needed.append((own, asked - own.keys()))
            asked = (asked - own.keys()) | {name for one in own.values() for name in _NAME.findall(one)}
            asked &= self._below(len(self._layers) - len(needed))
        query = f"SELECT {', '.join(sorted(asked)) or '1'} FROM ({self._rows})"
        for own, kept in reversed(needed):
            names = [*sorted(kept), *(f"{expression} AS {name}" for name, expression in own.items())]
            query = f"SELECT {', '.join(names)}\nFROM (\n{query}\n)"
        return query

    def _below(self, layers: int) -> set[str]:
        return self._columns.union(*self._layers[:layers])
