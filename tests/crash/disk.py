"""What a disk may hold after the power failed: all that was synced, and of the rest whatever chance has left.

The model is that of a journalling file system, taken at its word and no further: `fsync` of a file keeps its content
and size, and only `fsync` of a folder keeps the names in it. Of what was not synced, any sector of a write may be there
or not, in any order; a size may be there without the data (which are zeros then); a name may be there, or the one
before it. Names are kept in the order of the journal, or in none.
"""

from __future__ import annotations

import bisect
import random
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path, PurePosixPath

from crash.trace import Call

__all__ = ["Disk", "write_image"]

_SECTORS = (512, 4096)
_NEVER = 2**62
_LOST = "-shm"  # memory that SQLite shares; it makes it again, and what is in it after a failure may be anything


class _Change:
    """A call and the files that it is about; from `durable` on it is on the disk for certain."""

    def __init__(self, call: Call, inode: int) -> None:
        self.call, self.inode, self.durable = call, inode, _NEVER


class Disk:
    """The disk under one folder, from the calls in the order of their ends; `calls` are those of all lives of it."""

    def __init__(self, calls: Iterable[Call]) -> None:
        self._data: dict[int, list[_Change]] = {}
        self._names: list[_Change] = []
        self._certain: dict[int, tuple[int, int, bytearray]] = {}
        live: dict[str, int] = {".": 0}
        syncs: dict[int, list[Call]] = {}
        for call in calls:
            path, inode = call.paths[0], live.get(call.paths[0])
            if call.kind == "sync":
                if inode is not None:
                    syncs.setdefault(inode, []).append(call)
            elif call.kind in ("create", "mkdir"):
                if inode is None:
                    live[path] = len(self._names) + 1
                    self._names.append(_Change(call, live[path]))
            elif call.kind == "rename":
                live[call.paths[1]] = live.pop(path)
                self._names.append(_Change(call, live[call.paths[1]]))
            elif call.kind == "unlink":
                self._names.append(_Change(call, live.pop(path)))
            elif inode is not None:
                self._data.setdefault(inode, []).append(_Change(call, inode))
        for inode, changes in self._data.items():
            _settle(changes, syncs.get(inode, []))
        folders = {".": 0} | {c.call.paths[0]: c.inode for c in self._names if c.call.kind == "mkdir"}
        for path, inode in folders.items():
            own = [change for change in self._names if _parent(change.call.paths[-1]) == path]
            _settle(own, syncs.get(inode, []))

    def after_failure(self, instant: int, rng: random.Random) -> dict[str, bytes | None]:
        """The files (None: a folder) that may be found after a failure at this instant of the trace."""
        kind = rng.choice(["synced", "issued", "cut", "torn", "torn", "torn"])
        if kind == "synced":
            return self._image(instant, lambda _: False, lambda _: None)
        if kind == "issued":
            return self._image(instant, lambda _: True, lambda _: None)
        if kind == "cut":
            cut = rng.randint(max(0, instant - 200), instant)
            return self._image(instant, lambda change: change.call.begin < cut, lambda _: None)
        return self._torn(instant, rng)

    def issued(self) -> dict[str, bytes | None]:
        """All that was written: what the folder holds when the power stays on."""
        return self._image(_NEVER, lambda _: True, lambda _: None)

    def _torn(self, instant: int, rng: random.Random) -> dict[str, bytes | None]:
        chance, sector = rng.choice([0.1, 0.5, 0.9]), rng.choice(_SECTORS)
        cut = rng.randint(max(0, instant - 200), instant) if rng.random() < 0.5 else None

        def kept(change: _Change) -> bool:
            if change.call.kind in ("create", "mkdir", "rename", "unlink") and cut is not None:
                return change.call.begin < cut
            return rng.random() < chance

        def torn(change: _Change) -> Callable[[], bool] | None:
            return None if rng.random() < 0.5 else lambda: rng.random() < chance

        return self._image(instant, kept, torn, sector)

    def _image(
        self,
        instant: int,
        kept: Callable[[_Change], bool],
        torn: Callable[[_Change], Callable[[], bool] | None],
        sector: int = 512,
    ) -> dict[str, bytes | None]:
        names: dict[str, int] = {}
        folders: set[str] = {"."}
        for change in self._names:
            call = change.call
            if call.begin >= instant or not (change.durable < instant or kept(change)):
                continue
            if call.kind == "create":
                names[call.paths[0]] = change.inode
            elif call.kind == "mkdir":
                folders.add(call.paths[0])
            elif call.kind == "rename":
                names.pop(call.paths[0], None)
                names[call.paths[1]] = change.inode
            else:
                names.pop(call.paths[0], None)
                folders.discard(call.paths[0])
        image: dict[str, bytes | None] = {folder: None for folder in folders if folder != "."}
        for path, inode in names.items():
            if _parent(path) in folders and not path.endswith(_LOST):
                image[path] = self._content(inode, instant, kept, torn, sector)
        return image

    def _content(
        self,
        inode: int,
        instant: int,
        kept: Callable[[_Change], bool],
        torn: Callable[[_Change], Callable[[], bool] | None],
        sector: int,
    ) -> bytes:
        count, content = self._certain_content(inode, instant)
        for change in self._data.get(inode, [])[count:]:
            if change.call.begin < instant:
                certain = change.durable < instant
                if certain or kept(change):
                    _apply(change.call, content, None if certain else torn(change), sector)
        return bytes(content)

    def _certain_content(self, inode: int, instant: int) -> tuple[int, bytearray]:
        """How many of a file's first changes are durable by then, and what they come to; quick for rising instants."""
        changes = self._data.get(inode, [])
        since, count, content = self._certain.get(inode, (0, 0, bytearray()))
        if instant < since:
            count, content = 0, bytearray()
        while count < len(changes) and changes[count].durable < instant:
            _apply(changes[count].call, content, None, 512)
            count += 1
        self._certain[inode] = instant, count, content
        return count, content[:]


def write_image(image: dict[str, bytes | None], folder: Path, rng: random.Random) -> None:
    """Put an image into an empty folder; beside a database, SQLite's shared memory is missing or garbage."""
    for path, content in sorted(image.items(), key=lambda item: (item[1] is not None, item[0])):
        if content is None:
            (folder / path).mkdir()
        else:
            (folder / path).write_bytes(content)
            if path.endswith(".db") and rng.random() < 0.3:
                (folder / f"{path}{_LOST}").write_bytes(rng.randbytes(32_768))


def _apply(call: Call, content: bytearray, chooser: Callable[[], bool] | None, sector: int) -> None:
    """Change a file's content, or those of its sectors that the chooser takes."""
    if call.kind == "truncate":
        del content[call.offset :]
        content.extend(bytes(call.offset - len(content)))
        return
    end = call.offset + len(call.data)
    content.extend(bytes(max(0, end - len(content))))
    if chooser is None:
        content[call.offset : end] = call.data
        return
    for begin, stop in _sectors(call.offset, end, sector):
        if chooser():
            content[begin:stop] = call.data[begin - call.offset : stop - call.offset]


def _settle(changes: Sequence[_Change], syncs: Sequence[Call]) -> None:
    """A change is durable when a sync has ended that began after it."""
    ordered = sorted(syncs, key=lambda sync: sync.begin)
    begins = [sync.begin for sync in ordered]
    ends = [sync.end for sync in ordered]
    for at in range(len(ends) - 2, -1, -1):
        ends[at] = min(ends[at], ends[at + 1])
    for change in changes:
        at = bisect.bisect_right(begins, change.call.end)
        change.durable = ends[at] if at < len(ends) else _NEVER


def _sectors(begin: int, end: int, size: int) -> Iterable[tuple[int, int]]:
    while begin < end:
        stop = min(end, (begin // size + 1) * size)
        yield begin, stop
        begin = stop


def _parent(path: str) -> str:
    return str(PurePosixPath(path).parent)
