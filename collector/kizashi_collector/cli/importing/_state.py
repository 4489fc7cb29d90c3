"""Where an import stands: a small JSON file that is replaced as a whole after each acknowledged batch."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec
from msgspec import Struct

from kizashi_schemas import KizashiError

__all__ = ["Counts", "FileState", "State", "StateError"]

_VERSION = 1


class StateError(KizashiError):
    """A state that cannot be used or written. The message names file and remedy."""


class Counts(Struct, kw_only=True):
    """What became of the rows so far. `rows` is the sum of the others."""

    rows: int = 0
    accepted: int = 0
    duplicates: int = 0
    rejected: int = 0
    skipped: int = 0
    codes: dict[str, int] = {}


class FileState(Struct, kw_only=True):
    """How far one file is: `line` physical lines are done with, and the file of its rejected rows has so many bytes."""

    identity: str
    endpoint: str
    mapping: str
    line: int = 0
    rejected_bytes: int = 0
    done: bool = False
    counts: Counts = msgspec.field(default_factory=Counts)


class _Document(Struct, kw_only=True):
    version: int = _VERSION
    files: dict[str, FileState] = {}


class State:
    """The state file. Reading it raises StateError where it is none; a missing one is empty."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            text = path.read_bytes()
        except FileNotFoundError:
            self._document = _Document()
            return
        except OSError as error:
            raise StateError(f"cannot read the state {path}: {error.strerror}; choose another with --state") from None
        try:
            self._document = msgspec.json.decode(text, type=_Document)
        except msgspec.DecodeError as error:
            raise StateError(
                f"{path} is no state of an import: {error}; choose another with --state, or remove it"
            ) from None
        if self._document.version != _VERSION:
            raise StateError(f"{path} is of another version; choose another with --state, or remove it")

    def find(self, file: Path) -> FileState | None:
        """What is known of a file, or None."""
        return self._document.files.get(str(file.resolve()))

    def save(self, file: Path, state: FileState) -> None:
        """Write the state of a file: after a crash at any instant, the whole old or the whole new one is there."""
        self._document.files[str(file.resolve())] = state
        text = msgspec.json.format(msgspec.json.encode(self._document), indent=1)
        beside = self.path.with_name(f"{self.path.name}.new")
        try:
            with beside.open("wb") as writing:
                writing.write(text)
                writing.flush()
                os.fsync(writing.fileno())
            beside.replace(self.path)
        except OSError as error:
            raise StateError(
                f"cannot write the state {self.path}: {error.strerror}; choose a place with --state"
            ) from None
