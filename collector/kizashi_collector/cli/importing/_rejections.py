"""The rows that were not taken, each with its reason: `FILE.rejected.ndjson`."""

from __future__ import annotations

import os
from decimal import Decimal
from pathlib import Path
from typing import Any, BinaryIO

import msgspec
from msgspec import Struct

from kizashi_schemas import KizashiError

__all__ = ["Rejection", "Rejections"]

_encode = msgspec.json.Encoder(decimal_format="number").encode


class Rejection(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One row that was not taken: where it stands, a stable code, a sentence, and what it holds."""

    line: int
    code: str
    message: str
    row: Any
    column: str | None = None


class Rejections:
    """Appends to the file, which is made with the first row, readable by its owner alone: it may hold what is private.

    `size` bytes of it count; what a killed run wrote beyond them is written again, and cut off.
    """

    def __init__(self, path: Path, size: int) -> None:
        self.path = path
        self.size = size
        self._file: BinaryIO | None = None
        if path.exists():
            self.size = min(size, path.stat().st_size)  # it may have been emptied or replaced meanwhile
            self._open().truncate(self.size)
        else:
            self.size = 0

    def _open(self) -> BinaryIO:
        if self._file is None:
            try:
                self._file = os.fdopen(os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600), "r+b")
            except OSError as error:
                raise KizashiError(
                    f"cannot write {self.path}: {error.strerror}; import a copy of the file in a folder of your own"
                ) from None
        return self._file

    def write(self, rejections: list[Rejection]) -> None:
        """Append rows; they are on disk when this returns."""
        if not rejections:
            return
        file = self._open()
        file.seek(self.size)
        lines = b"".join(_line(rejection) for rejection in rejections)
        file.write(lines)
        file.flush()
        os.fsync(file.fileno())
        self.size += len(lines)

    def close(self) -> None:
        """Close the file; an empty one is removed."""
        if self._file is not None:
            self._file.close()
            self._file = None
            if not self.size:
                self.path.unlink(missing_ok=True)


def _line(rejection: Rejection) -> bytes:
    try:
        return _encode(rejection) + b"\n"
    except (UnicodeEncodeError, msgspec.EncodeError):
        return _encode(msgspec.structs.replace(rejection, row=_printable(rejection.row))) + b"\n"


def _printable(cell: Any) -> Any:
    match cell:
        case dict():
            return {str(_printable(name)): _printable(inner) for name, inner in cell.items()}
        case list():
            return [_printable(inner) for inner in cell]
        case str():
            return cell.encode("utf-8", "replace").decode()
        case Decimal():
            return str(cell)
    return cell
