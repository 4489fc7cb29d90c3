"""Whether SQLite's write-ahead log is whole: SQLite reads up to the first damaged frame, and silently drops the rest.

Not every bad frame is damage. A crash tears the transaction that nobody was told of, and one whose sync failed leaves
its tail behind the shorter one that replaced it. But each transaction is synced before the next begins: where two that
belong together follow a break, the first of them was durable, and what follows the break would be lost.
The format: https://www.sqlite.org/fileformat2.html#walformat
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kizashi_collector.store._protocol import DamagedError

__all__ = ["check_wal"]

_HEADER = 32
_FRAME = 24
_PAGE = 4096
_MAGIC = 0x377F0682
Words = NDArray[np.uint32]


def check_wal(path: Path, database: Path) -> None:
    """Return if no durable transaction of the file would be dropped. Raises DamagedError and OSError.

    It reads the whole file, mostly a few megabytes, and is to be called before SQLite opens the database.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return
    count = (len(data) - _HEADER) // (_FRAME + _PAGE)
    if count < 1:
        return
    header = np.frombuffer(data, ">u4", _HEADER // 4).astype(np.uint32)
    frames = np.frombuffer(data, np.uint8, count * (_FRAME + _PAGE), _HEADER).reshape(count, _FRAME + _PAGE)
    heads = np.ascontiguousarray(frames[:, :_FRAME]).view(">u4").astype(np.uint32)
    order = ">u4" if header[0] & 1 else "<u4"
    start = _sums(np.frombuffer(data, order, 6).astype(np.uint32).reshape(1, -1), np.zeros((1, 2), np.uint32))
    known = header[0] & ~np.uint32(1) == _MAGIC and header[2] == _PAGE and np.array_equal(start[0], header[6:])
    if not known and _is_in(database, frames, heads):
        return  # torn while the file was started over: all of it had been moved to the database, and synced, before
    if not known:
        raise DamagedError(_damage(path, "its header"))
    # Frames of an earlier round have other salts; the first of them ends this one.
    others = np.flatnonzero((heads[:, 2:4] != header[4:6]).any(axis=1))
    heads = heads[: others[0]] if len(others) else heads
    content = np.ascontiguousarray(np.delete(frames[: len(heads)], np.s_[8:_FRAME], axis=1))
    before = np.concatenate([header[None, 6:], heads[:-1, 4:]])
    breaks = (_sums(content.view(order).astype(np.uint32), before) != heads[:, 4:]).any(axis=1)
    segment = np.cumsum(breaks)
    commits = np.bincount(segment, weights=heads[:, 1] != 0)
    for number in np.flatnonzero(commits[1:] > 1):
        frame = int(np.flatnonzero(segment == number + 1)[0])
        raise DamagedError(_damage(path, f"frame {frame + 1} of {len(heads)}"))


def _is_in(database: Path, frames: NDArray[np.uint8], heads: Words) -> bool:
    """Whether the newest version of every page is what stands in the database."""
    newest = {int(head[0]): number for number, head in enumerate(heads) if (head[2:4] == heads[0, 2:4]).all()}
    with database.open("rb") as file:
        for page, number in newest.items():
            file.seek((page - 1) * _PAGE)
            if file.read(_PAGE) != frames[number, _FRAME:].tobytes():
                return False
    return True


def _damage(path: Path, what: str) -> str:
    return (
        f"{path} is damaged: {what} is not what was written, and acknowledged events would be lost; keep a copy, and "
        f"restore the data folder from a backup; or move {path.name} away to go on without all that it holds"
    )


def _sums(rows: Words, start: Words) -> Words:
    """SQLite's checksum of each row from its start: a Fibonacci sequence to which each word is added, modulo 2³²."""
    width = rows.shape[1]
    weights = np.zeros(width + 2, np.uint32)
    first, second = 0, 1
    for at in range(width + 2):
        weights[at] = first
        first, second = second, (first + second) & 0xFFFF_FFFF
    result = np.empty((len(rows), 2), np.uint32)
    for column, end in enumerate((width, width + 1)):
        result[:, column] = rows @ weights[end - width : end][::-1]
        result[:, column] += start[:, 0] * weights[end - 1] + start[:, 1] * weights[end]
    return result
