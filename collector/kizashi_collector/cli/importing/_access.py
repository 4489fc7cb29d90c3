"""Getting at the cells of a row by the names and paths that a mapping uses: a CSV's list, or a JSON object."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

from kizashi_collector.cli.importing._cells import CellError, boolean_of, legal_name, number_of
from kizashi_collector.cli.importing._mapping import FieldRule, Mapping, MappingError
from kizashi_schemas import is_name

__all__ = ["Access", "Cells", "Get", "text_of"]

Cells = Any
"""A CSV's list of texts, or the dict of a JSON object."""

Get = Callable[[Cells], Any]
Members = Callable[[Cells], list[tuple[str | None, Any]]]


class Access:
    """Makes readers for one file: `header` names the columns of a CSV, None is for JSON objects with dotted paths.

    A reader gives None for what is missing or empty by the mapping.
    """

    def __init__(self, mapping: Mapping, header: Sequence[str] | None) -> None:
        self._mapping = mapping
        self._header = header
        self._empty = mapping.empty
        self._columns = {name: index for index, name in enumerate(header or ())}

    def is_there(self, rule: FieldRule) -> bool:
        if self._header is None or rule.constant is not None or any(path in self._columns for path in rule.paths):
            return True
        if rule.own or rule.target in ("name", "time", "actor"):
            shown = ", ".join(self._header)[:400]
            wanted = " or ".join(repr(path) for path in rule.paths)
            raise MappingError(f"fields.{rule.target}: no column {wanted}; the file has: {shown}")
        return False

    def path(self, path: str) -> Get:
        """A reader of one path; what is empty by the mapping is None."""
        empty = self._empty
        if self._header is not None:
            index = self._columns.get(path)
            if index is None:
                return lambda _: None

            def column(cells: Cells) -> Any:
                cell = cells[index]
                return None if cell in empty else cell

            return column

        steps = path.split(".")

        def field(cells: Cells) -> Any:
            found = cells.get(path)
            if found is None and len(steps) > 1:
                found = cells
                for step in steps:
                    found = found.get(step) if type(found) is dict else None
                    if found is None:
                        return None
            return None if type(found) is str and found in empty else found

        return field

    def getter(self, rule: FieldRule) -> Get:
        """A reader of a field: its constant, the first of its paths that is not empty, or its parts joined."""
        if rule.constant is not None:
            constant = rule.constant
            return lambda _: constant
        parts = [_first([self.path(path) for path in part if self._may_hold(path)]) for part in rule.parts]
        if len(parts) == 1:
            return parts[0]

        def joined(cells: Cells) -> Any:
            texts = [text_of(cell) for cell in (part(cells) for part in parts) if cell is not None]
            return rule.glue.join(texts) if texts and (len(texts) == len(parts) or not rule.whole) else None

        return joined

    def _may_hold(self, path: str) -> bool:
        return self._header is None or path in self._columns

    def reader(self, rule: FieldRule) -> tuple[str, str, Get]:
        """Where a plain field goes, group and name, and what reads it in its final form."""
        get = self.getter(rule)
        group, _, name = rule.target.rpartition(".")
        convert: Callable[[Any], Any] = _code if rule.target == "currency" else text_of
        if group == "consent":
            convert = boolean_of
        elif group == "properties":
            convert = {"number": number_of, "boolean": boolean_of, "text": text_of, None: _scalar}[rule.type]
        if rule.hashed:
            salt = rule.salt.encode()
            convert = lambda cell: hashlib.sha256(salt + text_of(cell).encode()).hexdigest()  # noqa: E731

        def read(cells: Cells) -> Any:
            cell = get(cells)
            return None if cell is None else convert(cell)

        return group, name, read

    def spreads(self) -> list[tuple[str, Members]]:
        mapped = {path for rule in self._mapping.fields for path in rule.paths}
        spreads = list(self._mapping.spreads)
        if self._mapping.unmapped != "drop":
            spreads.append(("properties", ""))
        if self._header is None:
            return [
                (group, _objects_members(self.path(path) if path else None, path, mapped)) for group, path in spreads
            ]
        mapped |= set(self._mapping.only)
        readers: list[tuple[str, Members]] = []
        for group, path in spreads:
            start = f"{path}." if path else ""
            found = [name for name in self._header if name.startswith(start) and name not in mapped]
            if self._mapping.unmapped == "reject" and not path and found:
                raise MappingError(
                    f"no field takes the column(s) {', '.join(found)[:400]}; map them, or set `unmapped`"
                )
            mapped |= set(found)
            targets = [(_key(name.removeprefix(start)), self.path(name)) for name in found]
            readers.append((group, lambda cells, targets=targets: [(key, get(cells)) for key, get in targets]))  # type: ignore[misc]
        return readers

    def shown(self, cells: Cells) -> Any:
        """A row as an object, whatever it was."""
        return dict(zip(self._header, cells, strict=False)) if self._header is not None else cells


def _first(getters: Sequence[Get]) -> Get:
    if len(getters) == 1:
        return getters[0]

    def first(cells: Cells) -> Any:
        for get in getters:
            cell = get(cells)
            if cell is not None:
                return cell
        return None

    return first


def _objects_members(get: Get | None, path: str, mapped: set[str]) -> Callable[[Cells], list[tuple[str | None, Any]]]:
    """A reader of the members of an object (the whole row without `get`), less those that are mapped elsewhere."""
    start = f"{path}." if path else ""
    taken = {name.removeprefix(start) for name in mapped if name.startswith(start)}

    def members(cells: Cells) -> list[tuple[str | None, Any]]:
        found = cells if get is None else get(cells)
        if type(found) is not dict:
            return []
        return [(_key(name), cell) for name, cell in found.items() if name not in taken]

    return members


def _key(name: str) -> str | None:
    return name if is_name(name) else legal_name(name)


def text_of(cell: Any) -> str:
    match cell:
        case str():
            return cell
        case bool():
            return "true" if cell else "false"
        case int():
            return str(cell)
        case Decimal():
            return format(cell, "f") if abs(cell.adjusted()) < 100 else str(cell)
    raise CellError(f"is of type {type(cell).__name__}, not a text; map a field inside it")


def _code(cell: Any) -> str:
    return text_of(cell).strip().upper()


def _scalar(cell: Any) -> Any:
    if isinstance(cell, dict | list):
        raise CellError(f"is of type {type(cell).__name__}, not one value; map a field inside it")
    return cell
