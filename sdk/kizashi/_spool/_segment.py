"""One file of events: written at its end by one thread, read from its front by another."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from kizashi._spool._frames import (
    HEADER_BYTES,
    MARK_OFFSET,
    MAX_FRAME_BYTES,
    Frame,
    frames,
    header,
    mark,
    read_frames,
    read_header,
)

__all__ = ["DamagedError", "Segment"]

_CHUNK_BYTES = 1024 * 1024


class DamagedError(Exception):
    """What was written is not there any more as it was written."""


class Segment:
    """A segment of this process's own (`Segment.create`), or one that another left behind.

    Files are opened when they are first needed and closed by `close`. Whatever the disk refuses is an OSError, and may
    be tried again. `unread` changes with the queue's lock held, all else with the spool's.
    """

    def __init__(self, path: Path, *, own: bool) -> None:
        self.path = path
        self.own = own
        self.sealed = not own
        """Whether nothing will be appended any more."""
        self.unread = 0
        """How many published events were not read yet; of another's segment, once it was counted."""
        self.size = HEADER_BYTES
        """How long the file is, as far as this process knows."""
        self.keep = False
        """Whether the file is put aside in the end, and not deleted: somebody may want to look at it."""
        self._last_append = float("inf")
        self._appended = 0
        self._visible = self._cursor = self._settled = HEADER_BYTES
        self._writer = self._reader = -1

    @classmethod
    def create(cls, path: Path) -> Segment:
        """Make the file. Raises OSError."""
        segment = cls(path, own=True)
        segment._writer = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600)
        try:
            _write(segment._writer, header(HEADER_BYTES), 0)
        except OSError:
            segment.remove()
            raise
        return segment

    # -- the writer's side ----------------------------------------------------------------------------------------

    def append(self, events: Sequence[tuple[int, bytes]], *, now: float, fsync: bool) -> int:
        """Write numbered events at the end; return how many bytes they take. They are read once published.

        `now` is a reading of a monotonic clock.

        Raises OSError, after taking back what was written of them.
        """
        data = b"".join(frames(events))
        try:
            _write(self._writer, data, self.size)
            if fsync:
                os.fdatasync(self._writer)
        except OSError:
            # What is left of it if this fails as well is written over, or cut off like any torn tail.
            with suppress(OSError):
                os.ftruncate(self._writer, self.size)
            raise
        self.size += len(data)
        self._last_append = now
        self._appended += len(events)
        return len(data)

    def publish(self) -> int:
        """Let the reader see what was appended; return how many events that are."""
        count, self._appended = self._appended, 0
        self._visible = self.size
        self.unread += count
        return count

    def seal(self, *, fsync: bool) -> None:
        """Append nothing more."""
        if self._writer >= 0:
            if fsync:
                os.fsync(self._writer)
            os.close(self._writer)
            self._writer = -1
        self.sealed = True

    # -- the reader's side ----------------------------------------------------------------------------------------

    @property
    def exhausted(self) -> bool:
        """Whether everything was read and nothing more will come."""
        return self.sealed and not self.unread and not self._appended

    @property
    def done(self) -> bool:
        """Whether everything in it is settled."""
        return not self.unread and not self._appended and self._settled == self._cursor

    @property
    def damaged(self) -> int:
        """How many bytes at the end of another's segment are no whole event."""
        return 0 if self.own else self.size - self._visible

    def count(self) -> int:
        """Count the whole events of another's segment that are not settled. `unread` is for the caller to set.

        Ends before the first that is cut or damaged. Raises OSError.
        """
        self._open()
        self.size = os.fstat(self._reader).st_size
        start = read_header(os.pread(self._reader, HEADER_BYTES, 0))
        if start is None:
            self._visible = self._cursor = self._settled = min(HEADER_BYTES, self.size)
            self.keep = self.size > HEADER_BYTES
            return 0
        self._cursor = self._settled = at = min(start, self.size)
        count = 0
        while at < self.size:
            end = at
            for frame in read_frames(os.pread(self._reader, _CHUNK_BYTES, at), at):
                count += 1
                end = frame.end
            if end == at:
                break
            at = end
        self._visible = at
        self.keep = self.damaged > MAX_FRAME_BYTES  # more than the one event that its writer was cut off in
        return count

    def read(self, most_events: int, most_bytes: int) -> list[Frame]:
        """The next events, at least one if there is any; `advance` past them when they are in the books.

        Raises OSError, or DamagedError where what was published is not there.
        """
        try:
            self._open()
        except FileNotFoundError:
            raise DamagedError from None
        most_events = min(most_events, self.unread)
        size = min(most_bytes + MAX_FRAME_BYTES, self._visible - self._cursor)
        taken: list[Frame] = []
        room = most_bytes
        for frame in read_frames(os.pread(self._reader, size, self._cursor), self._cursor):
            room -= len(frame.body) + 1
            if len(taken) == most_events or (taken and room < 0):
                break
            taken.append(frame)
        if not taken and self.unread:
            raise DamagedError
        return taken

    def advance(self, taken: Sequence[Frame]) -> None:
        """Count these as read."""
        self.unread -= len(taken)
        self._cursor = taken[-1].end

    def skip(self) -> int:
        """Pass over all that is published; return how many events that were."""
        lost, self.unread = self.unread, 0
        self._cursor = self._settled = self._visible
        return lost

    def settle(self, offset: int | None) -> None:
        """Note in the file that everything before `offset`, or all that was read, is settled. Raises OSError."""
        self._settled = self._cursor if offset is None else offset
        self._open()
        before = os.fstat(self._reader)
        os.pwrite(self._reader, mark(self._settled), MARK_OFFSET)
        if not self.own:
            # Its time says when the last event came in.
            os.utime(self._reader, ns=(before.st_atime_ns, before.st_mtime_ns))

    def age(self, *, now: float, now_ns: int) -> float:
        """Seconds since the last event came in, by the monotonic clock or, for another's, the wall clock."""
        return now - self._last_append if self.own else (now_ns - self.path.stat().st_mtime_ns) / 1e9

    def close(self) -> None:
        """Close this process's descriptors; the file stays."""
        for descriptor in (self._writer, self._reader):
            if descriptor >= 0:
                os.close(descriptor)
        self._writer = self._reader = -1

    def remove(self) -> None:
        """Close and delete the file, or put it aside where somebody may want to look at it. Raises OSError."""
        self.close()
        if self.keep and self.path.exists():
            self.path.rename(self.path.with_suffix(".damaged"))
        else:
            self.path.unlink(missing_ok=True)

    def _open(self) -> None:
        if self._reader < 0:
            self._reader = os.open(self.path, os.O_RDWR | os.O_CLOEXEC)


def _write(descriptor: int, data: bytes, offset: int) -> None:
    rest = memoryview(data)
    while rest:
        written = os.pwrite(descriptor, rest, offset)
        rest, offset = rest[written:], offset + written
