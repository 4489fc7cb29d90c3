"""One process at a time owns a data folder."""

from __future__ import annotations

import fcntl
import os
from contextlib import suppress
from pathlib import Path

from kizashi_collector.store._protocol import StoreError
from kizashi_collector.store._sync import sync_folder
from kizashi_collector.store._trouble import remedy

__all__ = ["LOCK", "own_folder"]

LOCK = "lock"
"""The file in a data folder that its owner holds locked."""


def own_folder(folder: Path) -> int:
    """Make the folder if need be, and lock it for this process until the descriptor returned is closed.

    Raises StoreError where the folder cannot be used, or another process owns it.
    """
    try:
        _make(folder)
        lock = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise StoreError(
            f"cannot use the data folder {folder} as user {os.getuid()}: {error}; {remedy(error)}"
        ) from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(lock)
        raise StoreError(f"{folder} belongs to another running collector; stop it, or use another --data") from None
    return lock


def _make(folder: Path) -> None:
    """Make the folder, and its name durable: also where a crash came between the two the last time."""
    made = [folder, *(one for one in folder.parents if not one.exists())]
    folder.mkdir(parents=True, exist_ok=True)
    for one in made:
        with suppress(PermissionError):  # somebody else made it, and minds it
            sync_folder(one.parent)
