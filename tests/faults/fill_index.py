"""Let an index of ids meet a full disk in its background thread. Arguments: its folder, and a file to take the room."""

from __future__ import annotations

import contextlib
import logging
import sys
import time
from collections.abc import Callable
from pathlib import Path

from kizashi_collector.store._ids._seen import SeenIds

_TABLE = 2_000


def main() -> None:
    """Fill, see the trouble, make room, see it go, and find every id at every point and after a restart."""
    folder, ballast = Path(sys.argv[1]), Path(sys.argv[2])
    logging.basicConfig(level=logging.INFO)
    index = SeenIds(folder, memtable=_TABLE, fanout=2)
    added = 0

    def add(tables: int) -> None:
        nonlocal added
        for _ in range(tables):
            index.add(added + 1, _ids(added, _TABLE))
            added += _TABLE

    add(6)
    index.flush()
    with ballast.open("ab", buffering=0) as file, contextlib.suppress(OSError):
        while file.write(bytes(4096)):
            pass
    add(6)
    _until(lambda: index.trouble is not None)
    assert "No space left" in str(index.trouble), index.trouble
    _check(index, added)
    ballast.unlink()
    _until(lambda: index.trouble is None and index.waiting <= 1)
    _check(index, added)
    index.close()
    names = {info.name for info in index._manifest.runs} | {"manifest"}
    assert {path.name for path in folder.iterdir()} == names
    again = SeenIds(folder, memtable=_TABLE, fanout=2)
    assert again.covered == added
    _check(again, added)
    again.close()
    print("found", added)


def _ids(first: int, count: int) -> list[str]:
    return [f"id-{number}" for number in range(first, first + count)]


def _check(index: SeenIds, added: int) -> None:
    for first in range(0, added, _TABLE):
        for number, found in enumerate(index.find(_ids(first, _TABLE)), first + 1):
            assert number in found, f"{number} is not found"


def _until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 40
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)


if __name__ == "__main__":
    main()
