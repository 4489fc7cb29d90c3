"""A program that takes backups and restores them, and is killed (-9) before each thing that it changes, in turn.

`python killed_midway.py ROOT` prints a line for each try: the folder in ROOT that it was left in, and whether it was
killed. ROOT holds `data`, a data folder, and `backup`, a backup of it.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from kizashi_collector.store import back_up, restore_backup

_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT


def _changes(event: str, arguments: tuple[object, ...]) -> bool:
    """Whether Python is about to change files or folders, as far as its audit events tell, or to let SQLite do so."""
    if event == "open":
        flags = arguments[2]
        return isinstance(flags, int) and flags & _WRITING != 0
    return event in {"os.mkdir", "os.rename", "os.link", "os.remove", "os.rmdir", "sqlite3.connect"}


def _backup(root: Path, place: Path) -> None:
    back_up(root / "data", place / "made.tar", version="0", now=0)


def _restore(root: Path, place: Path) -> None:
    restore_backup(root / "backup", place / "data", stamp="then")


def _replace(root: Path, place: Path) -> None:
    restore_backup(root / "backup", place / "data", stamp="then", force=True)


def _killed(do: Callable[[], None], after: int) -> bool:
    """Do it in a process of its own, which is killed before it makes one change more; whether that came to pass."""
    pid = os.fork()
    if pid == 0:
        changes = 0

        def count(event: str, arguments: tuple[object, ...]) -> None:
            nonlocal changes
            if _changes(event, arguments):
                changes += 1
                if changes == after + 1:
                    os.kill(os.getpid(), signal.SIGKILL)

        sys.addaudithook(count)
        do()
        os._exit(0)
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    if status not in {0, -signal.SIGKILL}:
        raise RuntimeError(f"it ended with {status}")
    return status != 0


def main() -> None:
    root = Path(sys.argv[1])
    for do in (_backup, _restore, _replace):
        after, killed = 0, True
        while killed:
            place = root / f"{do.__name__[1:]}-{after}"
            place.mkdir()
            if do is _replace:
                shutil.copytree(root / "old", place / "data")
            killed = _killed(lambda do=do, place=place: do(root, place), after)  # type: ignore[misc]
            print(place.name, killed, flush=True)
            after += 1


if __name__ == "__main__":
    main()
