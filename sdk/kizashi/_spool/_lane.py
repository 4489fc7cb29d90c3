"""Lanes: the segments of one process, and the lock that says whether it lives.

A lane is a file `<lane>.lock` and the segments `<lane>-<number>.seg` beside it. Whoever holds the file's lock
(flock, which the kernel takes back however a process ends) owns them. Nothing else says who lives: no pid, which may be
another's by now or in another container.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from kizashi._errors import ConfigurationError

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

__all__ = ["Lane", "claim_orphans", "new_lane", "prepare"]

_LOCK = ".lock"
_SEGMENT = ".seg"
_LONG_SILENCE_SECONDS = 3_600.0


class Lane:
    """One owned lane. Every method but `forget` is for the process that claimed it."""

    def __init__(self, folder: Path, name: str, descriptor: int) -> None:
        self._folder = folder
        self._name = name
        self._descriptor = descriptor

    def path(self, number: int) -> Path:
        """Where the segment of this number is, or will be."""
        return self._folder / f"{self._name}-{number:08d}{_SEGMENT}"

    def segments(self) -> list[Path]:
        """The segments that are there, oldest first."""
        return sorted(self._folder.glob(f"{self._name}-*{_SEGMENT}"))

    def release(self, *, empty: bool) -> None:
        """Give the lane up: without a trace if no segment is left, else for whoever comes next. Raises OSError."""
        try:
            if empty and self._descriptor >= 0:
                (self._folder / f"{self._name}{_LOCK}").unlink(missing_ok=True)
        finally:
            self.forget()

    def forget(self) -> None:
        """Close the lock's descriptor and nothing more, as a forked child must: the lock is its parent's."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def prepare(folder: Path) -> None:
    """Make the folder, for its owner alone. Raises ConfigurationError where events could not be kept in it."""
    remedy = "name a folder on a local disk that this process may write to"
    if fcntl is None:
        raise ConfigurationError(f"spool is {str(folder)!r}, but this system has no flock; leave spool out")
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigurationError(f"spool is {str(folder)!r}, and cannot be made: {error.strerror}; {remedy}") from None
    if not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        raise ConfigurationError(f"spool is {str(folder)!r}, where this process may not write; {remedy}")


def new_lane(folder: Path, entropy: Callable[[int], bytes]) -> Lane:
    """A lane of one's own. Raises OSError."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)  # somebody may have cleaned up meanwhile
    name = f"{os.getpid()}-{entropy(8).hex()}"  # the number for people who look; only the lock tells who lives
    descriptor = os.open(folder / f"{name}{_LOCK}", os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o600)
    lane = _locked(folder, name, descriptor)
    if lane is None:
        raise BlockingIOError("somebody was quicker")  # only between the two calls above; the next try has another name
    return lane


def claim_orphans(folder: Path, most: int) -> tuple[list[Lane], bool, str | None]:
    """Up to `most` lanes whose process is gone; whether there may be more; what stood in the way of one, if anything.

    Each claimed lane holds a descriptor, which is why not all of them are claimed at once. Raises OSError where the
    folder cannot be read.
    """
    claimed: list[Lane] = []
    trouble: str | None = None
    names = {path.name.removesuffix(_LOCK) for path in folder.glob(f"*{_LOCK}")}
    for name in sorted(names | _without_lock(folder, names)):
        if len(claimed) == most:
            return claimed, True, trouble
        try:
            descriptor = os.open(
                folder / f"{name}{_LOCK}", os.O_RDWR | os.O_CLOEXEC | (0 if name in names else os.O_CREAT), 0o600
            )
        except FileNotFoundError:
            continue  # its owner came to an end in order
        except OSError as error:
            # Another user's, perhaps: no reason to leave all others.
            trouble = f"{error.strerror}: {name}{_LOCK}"
            continue
        lane = _locked(folder, name, descriptor)
        if lane is not None:
            claimed.append(lane)
    return claimed, False, trouble


def _without_lock(folder: Path, names: set[str]) -> set[str]:
    """Lanes whose lock was lost, to a cleaner or a power cut, and which nobody writes to any more."""
    orphans = set()
    for path in folder.glob(f"*{_SEGMENT}"):
        name = path.name.rpartition("-")[0]
        with suppress(OSError):
            if name not in names and time.time() - path.stat().st_mtime > _LONG_SILENCE_SECONDS:
                orphans.add(name)
    return orphans


def _locked(folder: Path, name: str, descriptor: int) -> Lane | None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # A lock on a file that was removed since it was opened is worth nothing: others lock another one.
        mine, there = os.fstat(descriptor), os.stat(folder / f"{name}{_LOCK}")
    except OSError:  # held by somebody who lives, or gone
        os.close(descriptor)
        return None
    if (mine.st_dev, mine.st_ino) != (there.st_dev, there.st_ino):
        os.close(descriptor)
        return None
    return Lane(folder, name, descriptor)
