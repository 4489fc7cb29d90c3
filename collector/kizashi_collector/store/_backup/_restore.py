"""Bring a log back: from a backup into a data folder, or in a folder where another tool has put one."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import IO, Literal

from msgspec import Struct
from msgspec.structs import replace

from kizashi_collector.store._backup._backup_file import (
    PARTS,
    BackupError,
    BackupPart,
    Contents,
    Progress,
    contents_of,
    copy_part,
    open_backup,
    silent,
    watched,
)
from kizashi_collector.store._folder_lock import LOCK, own_folder
from kizashi_collector.store._state import BACKUP_STAMP
from kizashi_collector.store._sync import sync_folder

__all__ = ["Restored", "accept_log", "restore_backup"]

_PLACE = "restoring"
# A volume's own, or nobody's.
_NOTHING = {LOCK, "lost+found"}
# What a collector keeps in its folder, and what Litestream keeps of it there. The log itself goes first.
_OURS = (
    *PARTS,
    *(f"{name}-{kind}" for name in PARTS for kind in ("wal", "shm", "journal")),
    *("ids", BACKUP_STAMP, *(f".{name}-litestream" for name in PARTS)),
)
# Above this many bytes, SQLite's whole check of tables against their indexes would take minutes.
_LARGE = 4 << 30

Check = Literal["integrity_check", "quick_check"]


class Restored(Struct, frozen=True, kw_only=True):
    """What is in the folder now. `check` is SQLite's own that each file passed; `aside` where the old files are."""

    log: Contents
    keys: int | None
    check: Check
    created_at: int | None = None
    aside: str | None = None


def restore_backup(
    backup: Path, folder: Path, *, stamp: str, force: bool = False, progress: Progress = silent
) -> Restored:
    """Put what a backup holds into a folder that is new or empty, durably; the log comes last, whole, or not at all.

    With `force`, what a collector keeps in the folder is moved to `replaced-{stamp}` in it, once the backup is found
    sound; other files stay. The log gets a new history, so that no index made from another is taken for its own.
    Raises BackupError, and StoreError where the folder cannot be used or a collector runs on it; then what was in the
    folder is as it was.
    """
    with open_backup(backup) as (manifest, opened), _owned(folder):
        found = {path.name for path in folder.iterdir()} - _NOTHING
        # One that was killed may have brought the keys, and set the old log aside: without a log, none is replaced.
        unfinished = _PLACE in found and "log.db" not in found
        if found and not force and not unfinished:
            raise BackupError(
                f"{folder} is not empty: it holds {', '.join(sorted(found)[:5])}; restore into a new folder, or let "
                f"--force move what a collector has kept there to {folder}/replaced-{stamp}"
            )
        place = _cleared(folder / _PLACE)
        try:
            checks = []
            for name, part in manifest.parts.items():
                try:
                    checks.append(_unpack(part, opened(name), place / name, progress))
                except (sqlite3.Error, ValueError) as error:
                    raise BackupError(f"{backup} is damaged: {name}: {error}; use another backup") from error
            history = _renew_history(place / "log.db")
            for name in manifest.parts:
                _sync(place / name)
            sync_folder(place)
            aside = _linked_aside(folder, stamp)
        except BaseException:
            shutil.rmtree(place, ignore_errors=True)
            raise
        if aside is not None:
            _leave(folder, aside)
        for name in sorted(manifest.parts, key=lambda name: name == "log.db"):
            (place / name).rename(folder / name)
            sync_folder(folder)
        shutil.rmtree(place)
        return Restored(
            log=replace(manifest.log, history=history),
            keys=manifest.keys,
            check=_weakest(checks),
            created_at=manifest.created_at,
            aside=None if aside is None else str(aside),
        )


def accept_log(folder: Path, *, progress: Progress = silent) -> Restored:
    """Check the log that another tool has put into a folder, and give it a new history.

    Raises BackupError, and StoreError where the folder cannot be used or a collector runs on it.
    """
    if not (folder / "log.db").is_file():
        raise BackupError(f"there is no log.db in {str(folder)!r}; restore it there first, or name another --data")
    with _owned(folder):
        checks: list[Check] = []
        contents: dict[str, Contents] = {}
        for name in (name for name in PARTS if (folder / name).exists()):
            try:
                check, contents[name] = _checked(folder / name, progress)
            except sqlite3.Error as error:
                raise BackupError(
                    f"{folder / name} is damaged: {error}; restore it again, as of another time"
                ) from error
            checks.append(check)
        if contents["log.db"].history is None:
            raise BackupError(f"{folder / 'log.db'} is no log of kizashi; restore the collector's log there")
        history = _renew_history(folder / "log.db")
        for name in contents:
            _sync(folder / name)
        sync_folder(folder)
        keys = contents["keys.db"].tables.get("keys", 0) if "keys.db" in contents else None
        return Restored(log=replace(contents["log.db"], history=history), keys=keys, check=_weakest(checks))


@contextmanager
def _owned(folder: Path) -> Iterator[None]:
    lock = own_folder(folder)
    try:
        yield
    except OSError as error:
        raise BackupError(f"cannot restore to {folder}: {error}; check the volume's space and rights") from error
    finally:
        os.close(lock)


def _cleared(place: Path) -> Path:
    """An empty folder. One that is there stays, for it tells that a restore was not finished."""
    place.mkdir(exist_ok=True)
    for path in place.iterdir():
        path.unlink()
    sync_folder(place.parent)
    return place


def _unpack(part: BackupPart, source: IO[bytes], path: Path, progress: Progress) -> Check:
    """Bring a file out of a backup. Raises ValueError or sqlite3.Error where it is not what was put in."""
    with path.open("xb") as target:
        copy_part(part, source, target, lambda done: progress(f"restoring {path.name}", done, part.bytes))
    check, contents = _checked(path, progress)
    if contents != part.contents:
        raise ValueError("it does not hold what the manifest says")
    return check


def _checked(path: Path, progress: Progress) -> tuple[Check, Contents]:
    """Let SQLite check a file, and say what is in it. Raises sqlite3.Error where it is damaged."""
    check: Check = "integrity_check" if path.stat().st_size <= _LARGE else "quick_check"
    with (
        closing(sqlite3.connect(path)) as connection,
        watched(connection, lambda: progress(f"checking {path.name}", 0, 0)),
    ):
        found = [row[0] for row in connection.execute(f"PRAGMA {check}(1)")]
        if found != ["ok"]:
            raise sqlite3.DatabaseError(f"{check} says {found[0] if found else 'nothing'}")
        return check, contents_of(connection)


def _weakest(checks: Sequence[Check]) -> Check:
    return "quick_check" if "quick_check" in checks else "integrity_check"


def _renew_history(path: Path) -> str:
    """Give the log a name that no other has, and leave all of it in the one file. Raises BackupError."""
    try:
        with closing(sqlite3.connect(path)) as connection:
            with connection:
                connection.execute("UPDATE logs SET history = lower(hex(randomblob(16)))")
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            history: str = connection.execute("SELECT history FROM logs").fetchone()[0]
            return history
    except sqlite3.Error as error:
        raise BackupError(f"cannot write {path}: {error}; check the volume's space and rights") from error


def _sync(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())


def _linked_aside(folder: Path, stamp: str) -> Path | None:
    """Give what a collector keeps in the folder second names in a folder aside, which is returned."""
    files = [name for name in _OURS if (folder / name).is_file()]
    if not files and not (folder / "ids").exists():
        return None
    aside = folder / f"replaced-{stamp}"
    aside.mkdir()
    try:
        for name in files:
            os.link(folder / name, aside / name)
        sync_folder(aside)
    except OSError as error:
        shutil.rmtree(aside, ignore_errors=True)
        raise BackupError(f"cannot move what is in {folder} to {aside}: {error}; move it away yourself") from error
    return aside


def _leave(folder: Path, aside: Path) -> None:
    """Take the first names away. What is gone has its other name, so a crash leaves no log without its WAL."""
    for path in (folder / name for name in _OURS):
        if path.is_dir():
            path.rename(aside / path.name)
        else:
            path.unlink(missing_ok=True)
        sync_folder(folder)
