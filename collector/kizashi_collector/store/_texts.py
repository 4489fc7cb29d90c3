"""Texts that come again and again, as numbers: names, currencies, and what sources say of campaigns and devices.

The table grows with what is new and never changes, so that a number means the same for ever. Only the writer adds.
"""

from __future__ import annotations

from collections.abc import Mapping
from sqlite3 import Connection

import msgspec

__all__ = ["DIMENSIONS", "MOST_SOURCES", "Texts"]

DIMENSIONS = ("campaign", "campaign_id", "ad_group", "keyword", "creative", "channel", "device")
"""The fields of a source that many events share. Click ids and the like belong to one visit, and to its events."""

MOST_SOURCES = 500_000
"""So many different sources are numbered. Whoever makes up campaigns without end fills no memory with them."""

_NAMES, _CURRENCIES, _SOURCES = 0, 1, 2
_decode = msgspec.json.Decoder(dict[str, str]).decode
_NOTHING: Mapping[str, str] = {}


class Texts:
    """Numbers for texts. Number 0 stands for none.

    What is added belongs to the transaction that `save` is called in; if that fails, it is saved with the next one.
    """

    def __init__(self, connection: Connection) -> None:
        self._texts: tuple[list[str], list[str], list[str]] = ([""], [""], [""])
        self._numbers: tuple[dict[str, int], dict[str, int], dict[str, int]] = ({}, {}, {})
        self._sources: list[Mapping[str, str]] = [_NOTHING]
        self._by_values: dict[tuple[str | None, ...], int] = {}
        self._unsaved: list[tuple[int, int, str]] = []
        for kind, number, text in connection.execute("SELECT kind, number, text FROM texts ORDER BY kind, number"):
            self._place(kind, number, text)

    def _place(self, kind: int, number: int, text: str) -> None:
        self._texts[kind].append(text)
        self._numbers[kind][text] = number
        if kind == _SOURCES:
            source = _decode(text)
            self._sources.append(source)
            self._by_values[tuple(source.get(name) for name in DIMENSIONS)] = number

    def _number(self, kind: int, text: str) -> int:
        number = self._numbers[kind].get(text)
        if number is None:
            number = len(self._texts[kind])
            self._place(kind, number, text)
            self._unsaved.append((kind, number, text))
        return number

    def save(self, connection: Connection) -> int:
        """Write what is new in the open transaction; return how much that is, for `saved` after its commit."""
        if self._unsaved:
            connection.executemany("INSERT INTO texts (kind, number, text) VALUES (?, ?, ?)", self._unsaved)
        return len(self._unsaved)

    def saved(self, count: int) -> None:
        """The first `count` of what was new is durable."""
        del self._unsaved[:count]

    def name(self, text: str) -> int:
        """The number of an event's name."""
        return self._numbers[_NAMES].get(text) or self._number(_NAMES, text)

    def currency(self, text: str | None) -> int:
        """The number of a currency."""
        if text is None:
            return 0
        return self._numbers[_CURRENCIES].get(text) or self._number(_CURRENCIES, text)

    def source(self, source: Mapping[str, str]) -> tuple[int, bytes]:
        """The number of a source's dimensions, and the rest of it as JSON; empty for none."""
        if not source:
            return 0, b""
        values = tuple([source.get(name) for name in DIMENSIONS])
        number = self._by_values.get(values)
        if number is None:
            shared = {name: value for name, value in zip(DIMENSIONS, values, strict=True) if value is not None}
            if not shared:
                number = 0
            elif len(self._sources) > MOST_SOURCES:
                return 0, msgspec.json.encode(source)
            else:
                number = self._number(_SOURCES, msgspec.json.encode(shared).decode())
        if len(source) == len(self._sources[number]):
            return number, b""
        return number, msgspec.json.encode({name: value for name, value in source.items() if name not in _IS_DIMENSION})

    def name_of(self, number: int) -> str:
        """The name that has this number."""
        return self._texts[_NAMES][number]

    def currency_of(self, number: int) -> str | None:
        """The currency that has this number."""
        return self._texts[_CURRENCIES][number] if number else None

    def source_of(self, number: int, rest: bytes) -> Mapping[str, str]:
        """The source that was split."""
        shared = self._sources[number]
        return {**shared, **_decode(rest)} if rest else shared


_IS_DIMENSION = frozenset(DIMENSIONS)
