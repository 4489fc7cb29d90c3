"""A file to import: its identity, its decompressed bytes or text, and how far it has been read."""

from __future__ import annotations

import codecs
import fcntl
import gzip
import hashlib
import io
import sys
import zlib
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self, TextIO, cast

from kizashi_schemas import KizashiError

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

__all__ = ["READ_ERRORS", "InputError", "InputFile"]

READ_ERRORS = (OSError, EOFError, zlib.error, zstd.ZstdError)
"""What reading a broken or vanished file may raise."""

_HEAD = 64 * 1024
_BUFFER = 256 * 1024
_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_PACKED = (".gz", ".zst", ".zstd")


class InputError(KizashiError):
    """A file that cannot be read, or not to its end."""


class InputFile:
    """An open file, plain, gzip or zstd by its first bytes. While it is open, no other import of it may run.

    `size` and `position` are bytes as they lie on disk. Raises InputError where the file cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._layers: list[io.IOBase] = []
        try:
            self._raw = path.open("rb", buffering=0)
            self._layers.append(self._raw)
            head = self._raw.read(_HEAD)
            self.size = self._raw.seek(0, io.SEEK_END)
            self._raw.seek(max(len(head), self.size - _HEAD))
            tail = self._raw.read(_HEAD)
            self._raw.seek(0)
        except OSError as error:
            self.close()
            raise InputError(f"cannot read {path}: {error.strerror}; check its name and rights") from None
        self.identity = f"{self.size}-{hashlib.sha256(head + tail).hexdigest()[:32]}"
        self._lock()
        self.bytes: BinaryIO = self._unpacked(head)
        try:
            start = cast(io.BufferedReader, self.bytes).peek(4)[:4]
        except READ_ERRORS as error:
            self.close()
            raise InputError(f"cannot read {path}: {error}; fetch it again") from None
        self._bom = next((name for bom, name in _BOMS if start.startswith(bom)), None)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close every layer."""
        for layer in reversed(self._layers):
            layer.close()

    @property
    def name(self) -> str:
        """The file's name without folder and compression, which is the same however the file is packed."""
        name = self.path.name
        return next((name.removesuffix(end) for end in _PACKED if name.lower().endswith(end)), name)

    @property
    def position(self) -> int:
        """Bytes of the file on disk that have been read."""
        return min(self._raw.tell(), self.size)

    def is_text_of(self, encoding: str | None) -> str:
        """The encoding: what the file's first bytes say, else what is given, else UTF-8."""
        return self._bom or encoding or "utf-8"

    def text(self, encoding: str | None) -> TextIO:
        """The content as text whose lines keep their ends. Bytes that are no text become lone surrogates."""
        wrapped = io.TextIOWrapper(self.bytes, encoding=self.is_text_of(encoding), errors="surrogateescape", newline="")
        self._layers.append(wrapped)
        return wrapped

    def _lock(self) -> None:
        try:
            fcntl.flock(self._raw, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self.close()
            raise InputError(f"another import of {self.path} is running; wait for its end") from None
        except OSError:
            pass  # a file system without locks; ids still keep everything from counting twice

    def _unpacked(self, head: bytes) -> BinaryIO:
        unpacked: io.IOBase = self._raw
        if head.startswith(b"\x1f\x8b"):
            unpacked = gzip.GzipFile(fileobj=io.BufferedReader(self._raw, _BUFFER), mode="rb")
        elif head.startswith(b"\x28\xb5\x2f\xfd"):
            unpacked = zstd.ZstdFile(cast(BinaryIO, self._raw), mode="rb")
        if unpacked is not self._raw:
            self._layers.append(unpacked)
        buffered = io.BufferedReader(cast(io.RawIOBase, unpacked), _BUFFER)
        self._layers.append(buffered)
        return buffered
