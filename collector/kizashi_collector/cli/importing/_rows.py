"""The rows of a file, one after the other: CSV, NDJSON and GA4's form of it. What is no row comes as a BadRow."""

from __future__ import annotations

import csv
from collections import deque
from collections.abc import Callable, Iterator
from decimal import Decimal
from functools import partial
from typing import Any, TextIO

import msgspec
from msgspec import Struct

from kizashi_collector.cli.importing._input_file import InputFile
from kizashi_collector.cli.importing._mapper import Row
from kizashi_collector.cli.importing._mapping import Mapping, MappingError

__all__ = ["BadRow", "Rows", "open_rows"]

MAX_LINE = 1024 * 1024
"""A line is at most this many bytes or characters long, and so is a row of several lines."""

_decode = msgspec.json.Decoder(float_hook=Decimal).decode
_encode = msgspec.json.encode


class BadRow(Struct, frozen=True):
    """A line that cannot be read as a row: why, and what it holds as far as that can be shown."""

    line: int
    code: str
    message: str
    content: Any


class Rows:
    """Iterates over a file's rows. `line` is the number of physical lines that what was given so far takes up.

    `header` names the columns of a CSV, and is None for NDJSON. An iterator that starts at a line after the first
    gives the same rows as one that started at the beginning and came by there.
    """

    header: list[str] | None = None
    line = 0

    def __iter__(self) -> Iterator[Row | BadRow]:
        raise NotImplementedError


def open_rows(file: InputFile, mapping: Mapping, start: int) -> Rows:
    """Open the rows of a file after its first `start` lines. Raises MappingError where it has no usable header."""
    if mapping.format == "csv" or (mapping.format == "segment" and not _looks_like_json(file)):
        return _Csv(file.text(mapping.encoding), mapping, start)
    return _Ndjson(file, mapping, start)


def _looks_like_json(file: InputFile) -> bool:
    start: bytes = file.bytes.peek(512)[:512]  # type: ignore[attr-defined]
    return start.replace(b"\0", b"").lstrip(b"\xef\xbb\xbf\xff\xfe \t\r\n").startswith(b"{")


class _Lines:
    """Physical lines for the CSV reader; they can be given again, and one row may not take too many."""

    def __init__(self, text: TextIO) -> None:
        self._readline = text.readline
        self._again: deque[str] = deque()
        self.taken: list[str] = []
        self._size = 0

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        line = self._again.popleft() if self._again else self._read()
        if not line:
            raise StopIteration
        self.taken.append(line)
        self._size += len(line)
        if self._size >= MAX_LINE:
            raise csv.Error(f"the row has more than {MAX_LINE} characters")
        return line

    def next_row(self) -> None:
        """What was taken so far belongs to rows that are done with."""
        self.taken.clear()
        self._size = 0

    def give_back(self) -> None:
        """Give all but the first line of this row again."""
        self._again.extendleft(reversed(self.taken[1:]))
        del self.taken[1:]

    def skip(self) -> bool:
        """Pass a line; False at the end."""
        line = self._again.popleft() if self._again else self._read()
        return bool(line)

    def _read(self) -> str:
        """The next line; one that is too long is cut off, and still one line."""
        line = self._readline(MAX_LINE)
        if len(line) >= MAX_LINE:
            end = line
            while end and end[-1] not in "\r\n":
                end = self._readline(MAX_LINE)
        return line


class _Csv(Rows):
    def __init__(self, text: TextIO, mapping: Mapping, start: int) -> None:
        self._lines = _Lines(text)
        first = text.readline(MAX_LINE)
        delimiter = mapping.delimiter or _delimiter(first)
        self._lines._again.append(first)
        self._reader = csv.reader(self._lines, delimiter=delimiter, strict=True)
        if mapping.columns is not None:
            self.header = list(mapping.columns)
        else:
            self.header = self._read_header()
        for name in self.header:
            if self.header.count(name) > 1:
                raise MappingError(
                    f"the file has two columns {name!r}; rename one, or name all of them with `columns` in the mapping"
                )
        while self.line < start and self._lines.skip():
            self.line += 1

    def _read_header(self) -> list[str]:
        try:
            header = next(self._reader)
        except StopIteration:
            header = []
        except csv.Error as error:
            raise MappingError(f"the file's first line is no header: {error}; mend it, or check --format") from None
        self._done()
        if not any(header):
            raise MappingError("the file has no header; name its columns with `columns` in the mapping")
        return [name.strip() for name in header]

    def _done(self) -> None:
        self.line += len(self._lines.taken)
        self._lines.next_row()

    def __iter__(self) -> Iterator[Row | BadRow]:
        header = self.header or []
        width = len(header)
        reader, lines = self._reader, self._lines
        while True:
            begins = self.line + 1
            try:
                cells = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                # A quote that was never closed takes in what follows: only its own line is lost.
                lines.give_back()
                content = lines.taken[0][:2000].rstrip("\r\n") if lines.taken else ""
                self._done()
                message = f"is no CSV: {error}; double the quotes inside a quoted cell, and close each"
                yield BadRow(begins, "bad_row", message, content)
                continue
            self._done()
            if len(cells) == width and (width > 1 or cells[0].strip()):
                try:
                    yield Row(begins, cells, _encode(cells))
                except UnicodeEncodeError:
                    message = "holds bytes that are no text; say `encoding` in the mapping, for example cp932"
                    yield BadRow(begins, "bad_encoding", message, [_shown(cell) for cell in cells])
            elif any(cell.strip() for cell in cells):
                message = f"has {len(cells)} cells, the header {width}; check delimiter and quotes"
                yield BadRow(begins, "bad_row", message, [_shown(cell) for cell in cells])


class _Ndjson(Rows):
    def __init__(self, file: InputFile, mapping: Mapping, start: int) -> None:
        self._ga4 = mapping.format == "ga4"
        encoding = file.is_text_of(mapping.encoding)
        self._readline: Callable[[int], bytes] = file.bytes.readline
        if encoding in ("utf-8", "utf-8-sig"):
            if encoding == "utf-8-sig":
                file.bytes.read(3)
        else:
            text = file.text(mapping.encoding)
            text.reconfigure(newline="\n")  # type: ignore[attr-defined]
            self._readline = partial(_encoded_line, text)
        while self.line < start and self._next() is not None:
            pass

    def _next(self) -> bytes | None:
        """The next line without its end, cut off where it is too long; None at the end."""
        line = self._readline(MAX_LINE)
        if not line:
            return None
        self.line += 1
        end = line
        while end[-1:] != b"\n":
            end = self._readline(MAX_LINE)
            if not end:
                break
        return line.strip() if end is line or not end else line

    def __iter__(self) -> Iterator[Row | BadRow]:
        while (line := self._next()) is not None:
            if not line:
                continue
            if len(line) >= MAX_LINE:
                message = f"the line has more than {MAX_LINE} bytes; an event has fewer, so check --format"
                yield BadRow(self.line, "bad_row", message, _shown(line[:200].decode(errors="replace")))
                continue
            try:
                cells = _decode(line)
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
                message = f"is no JSON: {error}; write one object on each line"
                yield BadRow(self.line, "bad_row", message, line[:2000].decode(errors="replace"))
                continue
            if type(cells) is not dict:
                message = f"is JSON of type {type(cells).__name__}; write one object on each line"
                yield BadRow(self.line, "bad_row", message, cells)
                continue
            yield Row(self.line, _with_params(cells) if self._ga4 else cells, line)


def _encoded_line(text: TextIO, limit: int) -> bytes:
    return text.readline(limit).encode("utf-8", "surrogateescape")


def _delimiter(line: str) -> str:
    """The delimiter that the header line has most of, outside quotes; a comma where it has none."""
    plain = "".join(line.split('"')[::2])
    found = max(",;\t|", key=plain.count)
    return found if found in plain else ","


def _shown(text: str) -> str:
    return text.encode("utf-8", "replace").decode()


def _with_params(cells: dict[str, Any]) -> dict[str, Any]:
    """GA4's lists of keys with typed values as plain objects: `event_params.page_location`."""
    for name in ("event_params", "user_properties"):
        params = cells.get(name)
        if type(params) is list:
            cells[name] = {
                param["key"]: _param(param.get("value"))
                for param in params
                if type(param) is dict and type(param.get("key")) is str
            }
    return cells


def _param(value: Any) -> Any:
    if type(value) is not dict:
        return None
    text = value.get("string_value")
    if text is not None:
        return text
    # BigQuery writes whole numbers of 64 bits as JSON strings.
    whole = value.get("int_value")
    if whole is not None:
        return int(whole) if type(whole) is str and whole.lstrip("-").isdigit() and whole.isascii() else whole
    for name in ("double_value", "float_value"):
        number = value.get(name)
        if number is not None:
            try:
                return Decimal(number) if type(number) is str else number
            except ArithmeticError:
                return number
    return None
