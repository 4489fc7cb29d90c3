"""What a backup looks like: a tar of SQLite files, and after them the manifest that vouches for each."""

from __future__ import annotations

import hashlib
import sqlite3
import tarfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import IO, TypeAlias

import msgspec
from msgspec import Struct

from kizashi_schemas import KizashiError

__all__ = [
    "PARTS",
    "BackupError",
    "BackupManifest",
    "BackupPart",
    "Contents",
    "Progress",
    "contents_of",
    "copy_part",
    "open_backup",
    "silent",
    "watched",
    "write_backup",
]

PARTS = ("log.db", "keys.db")
"""The files of a data folder that a backup holds; without keys in the folder, the log alone."""

_MANIFEST = "manifest.json"
_FORMAT = 1
_PIECE = 1 << 20
# SQLite calls back after so many steps of its virtual machine, of which a row takes a few.
_LOOK_STEPS = 500

Progress: TypeAlias = Callable[[str, int, int], None]
"""Told again and again what is being done, how many bytes of it are, and how many there will be; 0: not known."""


class BackupError(KizashiError):
    """A backup that cannot be made or used. Nothing that looks complete is left behind."""


class Contents(Struct, frozen=True, kw_only=True):
    """How many rows each table of a SQLite file has and, for a log, its name and the numbers of its events."""

    tables: dict[str, int]
    history: str | None = None
    events: int = 0
    newest: int = 0


class BackupPart(Struct, frozen=True, kw_only=True):
    """One file in a backup."""

    bytes: int
    sha256: str
    contents: Contents


class BackupManifest(Struct, frozen=True, kw_only=True):
    """What is in a backup. `created_at` is in milliseconds since 1970; `kizashi` the version that made it.

    `check` is the SHA-256 of the manifest as it is encoded with an empty `check`.
    """

    format: int = _FORMAT
    kizashi: str
    created_at: int
    parts: dict[str, BackupPart]
    check: str = ""

    @property
    def log(self) -> Contents:
        """What the log holds."""
        return self.parts["log.db"].contents

    @property
    def keys(self) -> int | None:
        """How many keys there are, revoked ones included; None where no file of keys was there."""
        part = self.parts.get("keys.db")
        return None if part is None else part.contents.tables.get("keys", 0)


def silent(_stage: str, _done: int, _total: int) -> None:
    """Progress that nobody wants to see."""


def contents_of(connection: sqlite3.Connection) -> Contents:
    """Count what a SQLite file holds. Raises sqlite3.Error for one that is damaged."""
    listed = (
        "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite~_%' ESCAPE '~' ORDER BY name"
    )
    tables: dict[str, int] = {}
    for (name,) in connection.execute(listed).fetchall():
        quoted = name.replace('"', '""')
        (tables[name],) = connection.execute(f'SELECT count(*) FROM "{quoted}"').fetchone()  # noqa: S608  # a table's own name
    if not {"logs", "chunks"} <= tables.keys():
        return Contents(tables=tables)
    (history,) = connection.execute("SELECT history FROM logs").fetchone()
    sql = "SELECT coalesce(sum(count), 0), coalesce(max(first + count - 1), 0) FROM chunks"
    events, newest = connection.execute(sql).fetchone()
    return Contents(tables=tables, history=history, events=events, newest=newest)


@contextmanager
def watched(connection: sqlite3.Connection, look: Callable[[], None]) -> Iterator[None]:
    """Have `look` called again and again while SQLite works; what it raises ends the work, and is raised from here."""
    stopped: list[BaseException] = []

    def called() -> int:
        try:
            look()
        except BaseException as error:  # noqa: BLE001  # SQLite would let none through
            stopped.append(error)
        return len(stopped)

    connection.set_progress_handler(called, _LOOK_STEPS)
    try:
        yield
    except sqlite3.Error:
        if stopped:
            raise stopped[0] from None
        raise
    finally:
        connection.set_progress_handler(None, 0)


def write_backup(
    file: IO[bytes],
    parts: Sequence[tuple[Path, Contents]],
    *,
    version: str,
    created_at: int,
    progress: Progress = silent,
) -> BackupManifest:
    """Write the parts and, after them, the manifest. Raises OSError."""
    made: dict[str, BackupPart] = {}
    # The manifest comes last: what breaks off has none.
    with tarfile.TarFile(fileobj=file, mode="w", copybufsize=_PIECE) as archive:
        for path, contents in parts:
            size = path.stat().st_size
            with path.open("rb") as part:
                reader = _Reader(part, partial(_tell, progress, f"writing {path.name}", size))
                archive.addfile(_member(path.name, size, created_at), reader)
            made[path.name] = BackupPart(bytes=size, sha256=reader.sha256.hexdigest(), contents=contents)
        manifest = BackupManifest(kizashi=version, created_at=created_at, parts=made)
        manifest = msgspec.structs.replace(manifest, check=_check(manifest))
        body = msgspec.json.format(msgspec.json.encode(manifest), indent=2) + b"\n"
        archive.addfile(_member(_MANIFEST, len(body), created_at), BytesIO(body))
    return manifest


@contextmanager
def open_backup(path: Path) -> Iterator[tuple[BackupManifest, Callable[[str], IO[bytes]]]]:
    """Open a backup: its manifest, which is sound, and a function that opens a part by its name.

    Raises BackupError for what is no backup, is damaged, or was made by a newer version.
    """
    try:
        with tarfile.open(path, "r:") as archive:
            members = archive.getmembers()
            names = [member.name for member in members]
            if not names or names[-1] != _MANIFEST or not all(member.isreg() for member in members):
                raise BackupError(
                    f"{path} is no complete backup of kizashi: it does not end in a manifest; use another"
                )
            manifest = _manifest(path, _opened(archive, _MANIFEST).read())
            if names[:-1] != [*manifest.parts] or "log.db" not in names or not {*names[:-1]} <= {*PARTS}:
                raise BackupError(f"{path} is damaged: it holds {', '.join(names)}; use another backup")
            yield manifest, lambda name: _opened(archive, name)
    except tarfile.TarError as error:
        raise BackupError(f"{path} is no backup of kizashi, or is damaged: {error}; use another") from error
    except OSError as error:
        raise BackupError(f"cannot read the backup {path}: {error}; check its name and rights") from error


def copy_part(part: BackupPart, source: IO[bytes], target: IO[bytes], tell: Callable[[int], None]) -> None:
    """Copy a part out of a backup. Raises ValueError where it is not what the manifest vouches for, and OSError."""
    reader, size = _Reader(source, tell), 0
    while piece := reader.read(_PIECE):
        size += target.write(piece)
    if (size, reader.sha256.hexdigest()) != (part.bytes, part.sha256):
        raise ValueError("its SHA-256 differs from the manifest's")


class _Reader:
    """Reads on while it hashes and tells how far it is."""

    def __init__(self, file: IO[bytes], tell: Callable[[int], None]) -> None:
        self.sha256 = hashlib.sha256()
        self._file, self._tell, self._done = file, tell, 0

    def read(self, size: int = -1, /) -> bytes:
        piece = self._file.read(size)
        self.sha256.update(piece)
        self._done += len(piece)
        self._tell(self._done)
        return piece


class _Versioned(Struct):
    format: int


def _manifest(path: Path, body: bytes) -> BackupManifest:
    try:
        if (found := msgspec.json.decode(body, type=_Versioned).format) != _FORMAT:
            raise BackupError(
                f"{path} is a backup of format {found}, and this version reads {_FORMAT}; restore it with the version "
                "of kizashi that made it, or a newer one"
            )
        manifest = msgspec.json.decode(body, type=BackupManifest)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BackupError(f"{path} is damaged: its manifest cannot be read: {error}; use another backup") from error
    if manifest.check != _check(manifest):
        raise BackupError(f"{path} is damaged: its manifest is not as it was written; use another backup")
    return manifest


def _check(manifest: BackupManifest) -> str:
    return hashlib.sha256(msgspec.json.encode(msgspec.structs.replace(manifest, check=""))).hexdigest()


def _tell(progress: Progress, stage: str, total: int, done: int) -> None:
    progress(stage, done, total)


def _member(name: str, size: int, created_at: int) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.size, member.mtime, member.mode = size, created_at // 1000, 0o600
    return member


def _opened(archive: tarfile.TarFile, name: str) -> IO[bytes]:
    stream = archive.extractfile(name)
    assert stream is not None  # noqa: S101  # only regular files come here
    return stream
