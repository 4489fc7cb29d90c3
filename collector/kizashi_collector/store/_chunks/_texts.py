"""Texts that come again and again, as numbers: names, currencies, actors, and sources by campaign, device and the like.

The table grows with what is new and never changes, so that a number means the same for ever. Only the writer adds.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from operator import itemgetter
from sqlite3 import Connection
from typing import cast

import msgspec

from kizashi_collector.analysis import Codes
from kizashi_collector.store._chunks._rows import insert_rows

__all__ = ["DIMENSIONS", "MOST_SOURCES", "Texts"]

DIMENSIONS = ("campaign", "campaign_id", "ad_group", "keyword", "creative", "channel", "device")
"""The fields of a source that many events share. Click ids and the like belong to one visit, and to its events."""

MOST_SOURCES = 500_000
"""So many different sources are numbered. Whoever makes up campaigns without end fills no memory with them."""

_MOST_SHAPES, _MOST_REMEMBERED = 200, 200_000
_MOST_SOURCE_BYTES = 64 * 1024 * 1024
_NAMES, _CURRENCIES, _SOURCES, _ACTORS = 0, 1, 2, 3
_COPIED = (_NAMES, _CURRENCIES, _SOURCES)
_FEW = "SELECT kind, number, text FROM texts WHERE kind < ? ORDER BY kind, number"
_MANY = "SELECT number, text FROM texts WHERE kind = ? ORDER BY number"
_decode = msgspec.json.Decoder(dict[str, str]).decode
_NOTHING: Mapping[str, str] = {}


class Texts:
    """Numbers for texts. Number 0 stands for none.

    What is added belongs to the transaction that `save` is called in; if that fails, it is saved with the next one.
    Without a connection it begins empty, as a copy in another process that `grow` keeps up; a copy has no actors.
    """

    def __init__(self, connection: Connection | None) -> None:
        self._texts: tuple[list[str], ...] = ([""], [""], [""], [""])
        self._numbers: tuple[dict[str, int], ...] = ({}, {}, {}, {})
        self._source_bytes = 0
        self._sources: list[Mapping[str, str]] = [_NOTHING]
        self._by_values: dict[tuple[str | None, ...], int] = {}
        self._remembered = 0
        self._shapes: dict[tuple[str, ...], _Shape] = {}
        self._unsaved: list[tuple[int, int, str]] = []
        self._free: list[int] = []
        if connection is None:
            return
        for kind, number, text in connection.execute(_FEW, (_ACTORS,)):
            self._place(kind, number, text)
        actors = connection.execute(_MANY, (_ACTORS,)).fetchall()
        texts, numbers = self._texts[_ACTORS], self._numbers[_ACTORS]
        texts += [""] * (actors[-1][0] if actors else 0)
        for number, text in actors:
            texts[number] = text
            numbers[text] = number
        # Numbers of actors that are gone are given again after a start, when nobody reads anything from before.
        self._free = [number for number, text in enumerate(texts) if number and not text]

    def since(self, known: Sequence[int]) -> list[list[str]]:
        """The names, currencies and sources beyond the first so many of each that a copy has."""
        return [self._texts[kind][known[kind] :] for kind in _COPIED]

    def grow(self, more: Sequence[Sequence[str]]) -> None:
        """Add to a copy what `since` told."""
        for kind, texts in zip(_COPIED, more, strict=True):
            for text in texts:
                self._place(kind, len(self._texts[kind]), text)

    def _place(self, kind: int, number: int, text: str) -> None:
        self._texts[kind].append(text)
        self._numbers[kind][text] = number
        if kind == _SOURCES:
            source = _decode(text)
            self._source_bytes += len(text)
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
        insert_rows(connection, "texts (kind, number, text)", 3, self._unsaved)
        return len(self._unsaved)

    def saved(self, count: int) -> None:
        """The first `count` of what was new is durable."""
        del self._unsaved[:count]

    def name(self, text: str) -> int:
        """The number of an event's name."""
        return self._numbers[_NAMES].get(text) or self._number(_NAMES, text)

    def name_known(self, text: str) -> int | None:
        """The number of a name, or None before any event of it was stored."""
        return self._numbers[_NAMES].get(text)

    def names(self, texts: Sequence[str]) -> list[int]:
        """The numbers of the names of many events."""
        numbers = self._numbers[_NAMES]
        try:
            return [numbers[text] for text in texts]
        except KeyError:
            return [self.name(text) for text in texts]

    def currencies(self, texts: Sequence[str | None]) -> list[int]:
        """The numbers of the currencies of many events."""
        different = set(texts)
        numbers = {text: 0 if text is None else self._currency(text) for text in different}
        return [0] * len(texts) if different == {None} else [numbers[text] for text in texts]

    def _currency(self, text: str) -> int:
        return self._numbers[_CURRENCIES].get(text) or self._number(_CURRENCIES, text)

    def actors(self, texts: Sequence[str | None]) -> list[int]:
        """The numbers of many actors."""
        known = self._numbers[_ACTORS]
        numbers: list[int | None] = list(map(known.get, cast("Sequence[str]", texts)))
        if None in numbers:
            for at, text in enumerate(texts):
                if numbers[at] is None:
                    numbers[at] = 0 if text is None else known.get(text) or self._new_actor(text)
        return cast("list[int]", numbers)

    def _new_actor(self, text: str) -> int:
        if not self._free:
            return self._number(_ACTORS, text)
        number = self._free.pop()
        self._texts[_ACTORS][number] = text
        self._numbers[_ACTORS][text] = number
        self._unsaved.append((_ACTORS, number, text))
        return number

    def sources(self, sources: Sequence[Mapping[str, str]]) -> tuple[list[int], list[Mapping[str, str] | None]]:
        """The number of each source's dimensions, and what else it says, if anything."""
        numbers: list[int] = []
        rests: list[Mapping[str, str] | None] = []
        shape = self._shape(())
        for source in sources:
            # Those of one sender say the same things in the same order.
            if (keys := tuple(source)) != shape.keys:
                shape = self._shape(keys)
            values = shape.values(source)
            number = shape.numbers.get(values)
            if number is None:
                number = self._source(source)
                if number is None:
                    numbers.append(0)
                    rests.append(source)
                    continue
                if self._remembered < _MOST_REMEMBERED:
                    # By the texts that are held anyhow, and not by those of this event.
                    self._remembered += 1
                    shape.numbers[shape.values(self._sources[number])] = number
            numbers.append(number)
            rests.append({key: source[key] for key in shape.rest} if shape.rest else None)
        return numbers, rests

    def _shape(self, keys: tuple[str, ...]) -> _Shape:
        shape = self._shapes.get(keys)
        if shape is None:
            shape = _Shape(keys)
            if len(self._shapes) < _MOST_SHAPES:
                self._shapes[keys] = shape
        return shape

    def _source(self, source: Mapping[str, str]) -> int | None:
        """The number of a source's dimensions, or None where no more can be numbered.

        A source that has none of them, but a click id, has a number of its own: a journey may be credited to it.
        """
        if not source:
            return 0
        values = tuple([source.get(name) for name in DIMENSIONS])
        number = self._by_values.get(values)
        if number is not None:
            return number
        shared = {name: value for name, value in zip(DIMENSIONS, values, strict=True) if value is not None}
        if not self.sources_are_whole:
            return None
        return self._number(_SOURCES, msgspec.json.encode(shared).decode())

    def actor_known(self, text: str) -> int | None:
        """The number of an actor, or None before anything of it was stored."""
        return self._numbers[_ACTORS].get(text)

    def forget_actors(self, connection: Connection, numbers: Sequence[int]) -> Callable[[], None]:
        """Delete actors of whom nothing is stored any more, in the open transaction.

        What is returned does so in memory, and is to be called after the commit, before anything else is written.
        """
        rows = [(_ACTORS, number) for number in numbers]
        connection.executemany("DELETE FROM texts WHERE kind = ? AND number = ?", rows)

        def forget() -> None:
            texts, known = self._texts[_ACTORS], self._numbers[_ACTORS]
            for number in numbers:
                known.pop(texts[number], None)
                texts[number] = ""
            # What a failed transaction left to be written with the next one is not written either.
            gone = set(numbers)
            self._unsaved = [row for row in self._unsaved if row[0] != _ACTORS or row[1] not in gone]

        return forget

    def actor_of(self, number: int) -> str | None:
        """The actor that has this number."""
        return self._texts[_ACTORS][number] if number else None

    def name_of(self, number: int) -> str:
        """The name that has this number."""
        return self._texts[_NAMES][number]

    def currency_of(self, number: int) -> str | None:
        """The currency that has this number."""
        return self._texts[_CURRENCIES][number] if number else None

    @property
    def codes(self) -> Codes:
        """What the numbers stand for."""
        names, currencies, *_ = self._texts
        return Codes(names, currencies, self._sources)

    @property
    def sources_are_whole(self) -> bool:
        """Whether every source's dimensions have a number: those beyond the bound are in their events alone."""
        return len(self._sources) <= MOST_SOURCES and self._source_bytes <= _MOST_SOURCE_BYTES

    def source_of(self, number: int, rest: Mapping[str, str] | None) -> Mapping[str, str]:
        """The source that was split."""
        shared = self._sources[number]
        return {**shared, **rest} if rest else shared


class _Shape:
    """What sources with the same keys in the same order have in common."""

    def __init__(self, keys: tuple[str, ...]) -> None:
        self.keys = keys
        self.rest = tuple(key for key in keys if key not in _IS_DIMENSION)
        dimensions = [key for key in keys if key in _IS_DIMENSION]
        self.values: Callable[[Mapping[str, str]], object] = itemgetter(*dimensions) if dimensions else _nothing
        self.numbers: dict[object, int] = {}


def _nothing(_: Mapping[str, str]) -> object:
    return None


_IS_DIMENSION = frozenset(DIMENSIONS)
