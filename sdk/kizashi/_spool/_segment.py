"""One file of events: written at its end by one thread, read from its front by another."""

from __future__ import annotations

import errno
import os
from collections.abc import Sequence
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

__all__ = ["Segment"]

_CHUNK_BYTES = 1024 * 1024


class Segment:
    """A segment of this process's own (`Segment.create`), or one that another left behind.

    Files are opened when they are first needed and closed by `close`. Whatever the disk refuses is an OSError. `unread`
    changes with the queue's lock held, all else with the spool's.
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
        self._appended = 0
        self._visible = self._cursor = self._settled = HEADER_BYTES
        self._writer = self._reader = -1

    @classmethod
    def create(cls, path: Path) -> Segment:
        """Make the file. Raises OSError."""
        segment = cls(path, own=True)
        segment._writer = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600)
        try:
            _write(segment._writer, header(HEADER_BYTES))
        except OSError:
            segment.remove()
            raise
        return segment

    # -- the writer's side ----------------------------------------------------------------------------------------

    def append(self, events: Sequence[tuple[int, bytes]], *, fsync: bool) -> int:
        """Write numbered events at the end; return how many bytes they take. They are read once published.

        Raises OSError, after taking back what was written of them.
        """
        data = b"".join(frames(events))
        try:
            _write(self._writer, data)
            if fsync:
                os.fdatasync(self._writer)
        except OSError:
            os.ftruncate(self._writer, self.size)
            os.lseek(self._writer, self.size, os.SEEK_SET)
            raise
        self.size += len(data)
        self._appended += len(events)
        return len(data)

    def publish(self) -> int:
        """Let the reader see what was appended; return how many events that are."""
        count, self._appended = self._appended, 0
        self.unread += count
        self._visible = self.size
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

    @property
    def worth_keeping(self) -> bool:
        """Whether there is more in it than the one event that its writer was cut off in."""
        return self.damaged > MAX_FRAME_BYTES

    def count(self) -> int:
        """Count the whole events of another's segment that are not settled. `unread` is for the caller to set.

        Ends before the first that is cut or damaged. Raises OSError.
        """
        self._open()
        self.size = os.fstat(self._reader).st_size
        start = read_header(os.pread(self._reader, HEADER_BYTES, 0))
        if start is None:
            self._visible = self._cursor = self._settled = min(HEADER_BYTES, self.size)
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
        return count

    def read(self, most_events: int, most_bytes: int) -> list[Frame]:
        """The next events, at least one if there is any; `advance` past them when they are in the books.

        Raises OSError, also where what was published is damaged.
        """
        self._open()
        size = min(most_bytes + MAX_FRAME_BYTES, self._visible - self._cursor)
        taken: list[Frame] = []
        room = most_bytes
        for frame in read_frames(os.pread(self._reader, size, self._cursor), self._cursor):
            room -= len(frame.body) + 1
            if len(taken) == most_events or (taken and room < 0):
                break
            taken.append(frame)
        if not taken and self.unread:
            raise OSError(errno.EIO, "no whole event where one was written")
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
        os.pwrite(self._reader, mark(self._settled), MARK_OFFSET)

    def age(self, now_ns: int) -> float:
        """Seconds since the last event came in. Raises OSError."""
        return (now_ns - self.path.stat().st_mtime_ns) / 1e9

    def close(self) -> None:
        """Close this process's descriptors; the file stays."""
        for descriptor in (self._writer, self._reader):
            if descriptor >= 0:
                os.close(descriptor)
        self._writer = self._reader = -1

    def remove(self) -> None:
        """Close and delete the file, or put it aside where somebody may want to look at it. Raises OSError."""
        self.close()
        if self.worth_keeping:
            self.path.rename(self.path.with_suffix(".damaged"))
        else:
            self.path.unlink(missing_ok=True)

    def _open(self) -> None:
        if self._reader < 0:
            self._reader = os.open(self.path, os.O_RDWR | os.O_CLOEXEC)


def _write(descriptor: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(descriptor, rest) :]
