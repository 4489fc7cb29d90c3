"""A row of an export becomes an event, by a mapping. Pure: nothing is read, sent or kept here."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from decimal import Decimal
from typing import Any, cast
from zoneinfo import ZoneInfo

import msgspec
from msgspec import Struct

from kizashi_collector.cli.importing._access import Access, Cells, Get, text_of
from kizashi_collector.cli.importing._cells import (
    AmountUnit,
    CellError,
    TimeUnit,
    amount_reader,
    legal_name,
    time_reader,
)
from kizashi_collector.cli.importing._mapping import FieldRule, Mapping
from kizashi_schemas import ID_CHARACTERS, MAX_EVENT_BYTES, KizashiError, is_name

__all__ = ["Mapper", "Row", "RowError"]

_encode = msgspec.json.Encoder(decimal_format="number").encode


class Row(Struct, frozen=True):
    """One row: the physical line on which it begins (from 1), its cells, and the bytes that make its id."""

    line: int
    cells: Cells
    content: bytes


class RowError(KizashiError):
    """A row that makes no event: a stable code, the column where there is one, and a sentence."""

    def __init__(self, code: str, message: str, column: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.column = column


class Mapper:
    """Turns the rows of one file into encoded events.

    `header` names the columns of a CSV; None is for JSON objects, whose paths are dotted. `file` is the name that goes
    into made ids. Raises MappingError where the mapping names columns that the header does not have.
    """

    def __init__(self, mapping: Mapping, header: Sequence[str] | None, file: str) -> None:
        self._mapping = mapping
        self._access = access = Access(mapping, header)
        self.shown = access.shown
        rules = [rule for rule in mapping.fields if access.is_there(rule)]
        readers = {rule.target: (rule, access.getter(rule)) for rule in rules}
        self._time: tuple[FieldRule, Get] = readers["time"]
        self._name: tuple[FieldRule, Get] = readers["name"]
        self._value = readers.get("value")
        self._id = readers.get("id")
        special = ("time", "name", "value", "id")
        self._rest = [(rule, *access.reader(rule)) for rule in rules if rule.target not in special]
        self._currency_is_constant = any(r.target == "currency" and r.constant is not None for r in rules)
        time = self._time[0]
        self._read_time = time_reader(
            cast(TimeUnit, time.unit or "auto"), ZoneInfo(time.timezone) if time.timezone else None, time.pattern
        )
        money = self._value[0] if self._value is not None else None
        self._read_amount = (
            amount_reader("unit", ".", "", None)
            if money is None
            else amount_reader(
                cast(AmountUnit, money.unit or "unit"), money.decimal_mark, money.thousands, money.round_to
            )
        )
        self._filters = [(access.path(path), kept) for path, kept in mapping.only.items()]
        self._names = dict(mapping.names)
        self._by_legal_name = {legal_name(old): new for old, new in mapping.names.items()}
        named = mapping.id.namespace if mapping.id.namespace is not None else file if mapping.id.with_place else ""
        self._namespace = named.encode("utf-8", "surrogateescape")
        self._hashed = None if mapping.id.hash is None else [access.path(path) for path in mapping.id.hash]
        self._spreads = access.spreads()

    def map(self, row: Row) -> bytes | None:
        """Return the event as JSON, or None where the mapping leaves the row out. Raises RowError."""
        cells = row.cells
        for get, kept in self._filters:
            cell = get(cells)
            if cell is not None and cell not in kept:
                return None
        name = self._event_name(cells)
        if name is None:
            return None
        event: dict[str, Any] = {"id": "", "name": name}
        self._fill_time(event, cells)
        for rule, group, key, read in self._rest:
            try:
                found = read(cells)
            except CellError as error:
                raise self._row_error(rule, cells, error) from None
            if found is None:
                continue
            if group:
                event.setdefault(group, {})[key] = found
            else:
                event[key] = found
        if self._value is not None:
            self._fill_value(event, cells, *self._value)
        for group, members in self._spreads:
            self._fill_spread(event, group, members(cells))
        if "actor" not in event and "adjust" not in event:
            paths = " or ".join(path for rule, *_ in self._rest if rule.target == "actor" for path in rule.paths)
            raise RowError("bad_actor", f"{paths or 'actor'} is empty; every event needs who did it", paths or None)
        try:
            event["id"] = self._event_id(row)
            encoded = _encode(event)
        except UnicodeEncodeError:
            raise RowError("bad_encoding", "holds bytes that are no text; say `encoding` in the mapping") from None
        if len(encoded) > MAX_EVENT_BYTES:
            raise RowError(
                "too_large", f"the event has {len(encoded)} bytes, {MAX_EVENT_BYTES} may be; map fewer properties"
            )
        return encoded

    def _event_name(self, cells: Cells) -> str | None:
        rule, get = self._name
        cell = get(cells)
        if cell is None:
            raise RowError("bad_name", f"{' or '.join(rule.paths)} is empty; every event needs a name", rule.paths[0])
        try:
            written = text_of(cell).strip()
        except CellError as error:
            raise self._row_error(rule, cells, error) from None
        new = self._names.get(written)
        if new is None:
            new = self._names[written] = self._new_name(written, rule)
        return None if new is False else cast(str, new)

    def _new_name(self, written: str, rule: FieldRule) -> str | bool:
        if len(self._names) > 100_000:
            self._names = dict(self._mapping.names)  # what looks like names are ids; memory stays bounded
        legal = legal_name(written)
        known = self._by_legal_name.get(legal) if legal is not None else None
        if known is not None:
            return known
        if self._mapping.other_names == "skip":
            return False
        column = rule.paths[0] if rule.paths else None
        name = None if legal is None else f"{self._mapping.name_prefix}{legal}"
        if name is None or not is_name(name) or self._mapping.other_names == "reject":
            raise RowError(
                "bad_name", f"{column} {written[:80]!r} has no name in the mapping; add it under [names]", column
            )
        return name

    def _fill_time(self, event: dict[str, Any], cells: Cells) -> None:
        rule, get = self._time
        cell = get(cells)
        if cell is None:
            raise RowError("bad_time", f"{' or '.join(rule.paths)} is empty; every event needs a time", rule.paths[0])
        try:
            event["time"] = self._read_time(cell.strip() if type(cell) is str else cell)
        except CellError as error:
            raise self._row_error(rule, cells, error) from None

    def _fill_value(self, event: dict[str, Any], cells: Cells, rule: FieldRule, get: Get) -> None:
        cell = get(cells)
        if cell is None:
            if self._currency_is_constant:
                event.pop("currency", None)  # it says what values are in, and there is none
            return
        try:
            event["value"] = self._read_amount(cell.strip() if type(cell) is str else cell, event.get("currency"))
        except CellError as error:
            raise self._row_error(rule, cells, error) from None

    @staticmethod
    def _fill_spread(event: dict[str, Any], group: str, members: Sequence[tuple[str | None, Any]]) -> None:
        for key, cell in members:
            if key is None or cell is None or type(cell) in (dict, list):
                continue
            if group == "consent":
                if type(cell) is bool:
                    event.setdefault(group, {}).setdefault(key, cell)
            else:
                event.setdefault(group, {}).setdefault(key, text_of(cell) if group == "source" else cell)

    def _event_id(self, row: Row) -> str:
        if self._id is not None:
            rule, get = self._id
            cell = get(row.cells)
            if cell is not None:
                try:
                    text = text_of(cell)
                except CellError as error:
                    raise self._row_error(rule, row.cells, error) from None
                return text if len(text) <= ID_CHARACTERS else hashlib.sha256(text.encode()).hexdigest()
        content = row.content if self._hashed is None else _encode([get(row.cells) for get in self._hashed])
        place = b"%d" % row.line if self._mapping.id.with_place else b""
        digest = hashlib.blake2b(b"%b\0%b\0%b" % (self._namespace, place, content), digest_size=16).hexdigest()
        # A UUID of version 8 (RFC 9562): what is stored in sixteen bytes.
        return f"{digest[:8]}-{digest[8:12]}-8{digest[13:16]}-8{digest[17:20]}-{digest[20:]}"

    def _row_error(self, rule: FieldRule, cells: Cells, error: CellError) -> RowError:
        found = next(
            ((path, cell) for path in rule.paths if (cell := self._access.path(path)(cells)) is not None), None
        )
        column, cell = found if found is not None else (None, rule.constant)
        shown = repr(cell if not isinstance(cell, Decimal) else str(cell))
        return RowError(f"bad_{rule.target.partition('.')[0]}", f"{column or rule.target} {shown[:80]} {error}", column)
