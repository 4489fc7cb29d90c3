"""What the operator is to do when the disk or the file fails, said once in every place that says it."""

from __future__ import annotations

import errno
import sqlite3

from kizashi_collector.store._protocol import DamagedError

__all__ = ["is_damage", "is_full", "is_of_disk", "remedy"]

_FULL, _RIGHTS, _DISK, _DAMAGE, _ELSE = (
    "free space on the volume, or enlarge it",
    "the volume or the folder is read-only, or belongs to another user: make it writable",
    "the disk refuses: look into the system's log (dmesg), and whether the volume was made read-only",
    "the file is damaged: stop, keep a copy, and restore the data folder from a backup",
    "check the volume's space and rights",
)
_BY_CODE = {
    sqlite3.SQLITE_FULL: _FULL,
    sqlite3.SQLITE_READONLY: _RIGHTS,
    sqlite3.SQLITE_CANTOPEN: _RIGHTS,
    sqlite3.SQLITE_PERM: _RIGHTS,
    sqlite3.SQLITE_IOERR: _DISK,
}


def is_damage(error: Exception) -> bool:
    """Whether what is stored is damaged, which no waiting mends."""
    if isinstance(error, DamagedError):
        return True
    return isinstance(error, sqlite3.Error) and _code(error) in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}


def is_full(error: Exception) -> bool:
    """Whether there was no room on the volume."""
    return remedy(error) == _FULL


def is_of_disk(error: sqlite3.Error) -> bool:
    """Whether the disk or its rights are to blame, and not the question."""
    return _code(error) in _BY_CODE


def remedy(error: Exception) -> str:
    """What to do about an error of SQLite's or the system's."""
    if is_damage(error):
        return _DAMAGE
    if isinstance(error, sqlite3.Error):
        return _BY_CODE.get(_code(error), _ELSE)
    if isinstance(error, OSError):
        if isinstance(error, TimeoutError):
            return _DISK
        if error.errno in {errno.ENOSPC, errno.EDQUOT}:
            return _FULL
        if error.errno in {errno.EROFS, errno.EACCES, errno.EPERM}:
            return _RIGHTS
        if error.errno == errno.EIO:
            return _DISK
    return _ELSE


def _code(error: sqlite3.Error) -> int:
    """SQLite's primary code; 0 for an error that Python's module raises by itself."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF
