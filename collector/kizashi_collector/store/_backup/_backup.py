"""Take a backup of a data folder, also while a collector writes to it."""

from __future__ import annotations

import fcntl
import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from kizashi_collector.store._backup._backup_file import (
    PARTS,
    BackupError,
    BackupManifest,
    Contents,
    Progress,
    contents_of,
    silent,
    watched,
    write_backup,
)
from kizashi_collector.store._state import BACKUP_STAMP
from kizashi_collector.store._sync import sync_folder

__all__ = ["back_up"]

# A reader waits only for one who mends the WAL after a crash.
_BUSY_SECONDS = 30.0


def back_up(
    folder: Path, target: Path, *, version: str, now: int, force: bool = False, progress: Progress = silent
) -> BackupManifest:
    """Write a backup of the data folder to the file `target`; it appears whole, and durable, or not at all.

    The log is one snapshot. Its writers are not held up: the files are only read, and what grows meanwhile is the WAL.
    While it works, `target` + `.partial` is a folder that needs room for twice the log. When it is done, it touches
    BACKUP_STAMP in the data folder. `now` is the time, in milliseconds; `version` that of kizashi. Raises BackupError,
    also where `target` exists, unless `force` is given.
    """
    if not (folder / "log.db").is_file():
        raise BackupError(
            f"no collector has kept a log in {str(folder)!r}; name its folder with --data or KIZASHI_DATA"
        )
    _check_free(target, force)
    try:
        with _workplace(target) as place:
            names = [name for name in PARTS if (folder / name).exists()]
            parts = [(place / name, _copy(folder / name, place / name, progress)) for name in names]
            if parts[0][1].history is None:
                raise BackupError(f"{folder / 'log.db'} is no log of kizashi; name the collector's folder with --data")
            with (place / "backup").open("xb") as file:
                manifest = write_backup(file, parts, version=version, created_at=now, progress=progress)
                file.flush()
                os.fsync(file.fileno())
            # It took its time; somebody else may have been quicker.
            _check_free(target, force)
            (place / "backup").replace(target)
            sync_folder(target.parent)
    except OSError as error:
        raise BackupError(f"cannot write {target}: {error}; check the volume's space and rights") from error
    with suppress(OSError):  # who may only read the folder has made a backup all the same
        (folder / BACKUP_STAMP).touch()
    return manifest


def _check_free(target: Path, force: bool) -> None:
    if target.is_dir():
        raise BackupError(f"{target} is a folder; name a file in it")
    if not force and target.exists():
        raise BackupError(f"{target} exists; choose another name, or replace it with --force")


@contextmanager
def _workplace(target: Path) -> Iterator[Path]:
    """A folder beside the target, for this process alone, that is gone afterwards; what a killed one left goes too."""
    place = target.with_name(f"{target.name}.partial")
    place.mkdir(exist_ok=True)
    number = os.open(place, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        try:
            fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise BackupError(f"another backup is being written to {target}; wait for it") from None
        try:
            for path in place.iterdir():
                path.unlink()
            yield place
        finally:
            shutil.rmtree(place, ignore_errors=True)
    finally:
        os.close(number)


def _copy(source: Path, target: Path, progress: Progress) -> Contents:
    """Copy a SQLite file as of one instant, and say what is in the copy.

    VACUUM INTO reads one snapshot, as the backup API does, and is as quick; but it copies rows, not pages, so that
    nothing of what was deleted travels, and it never begins again because of a writer.
    """
    try:
        # Only reading: closing it writes no checkpoint either.
        with closing(sqlite3.connect(f"{source.resolve().as_uri()}?mode=ro", uri=True, timeout=_BUSY_SECONDS)) as log:
            log.isolation_level = None
            (total,) = log.execute("SELECT page_count * page_size FROM pragma_page_count, pragma_page_size").fetchone()

            def look() -> None:
                with suppress(FileNotFoundError):
                    progress(f"copying {source.name}", min(target.stat().st_size, total), total)

            # The copy is thrown away once it is in the backup: it need not reach the disk.
            log.execute("PRAGMA synchronous = OFF")
            with watched(log, look):
                log.execute("VACUUM INTO ?", (str(target),))
        with closing(sqlite3.connect(target)) as copy:
            return contents_of(copy)
    except sqlite3.Error as error:
        raise BackupError(
            f"cannot copy {source}: {error}; check its rights, its disk, and the space in {target.parent.parent}"
        ) from error
