"""A spool: a folder that any number of processes share, each with a lane of its own."""

from __future__ import annotations

import errno
import sys
import threading
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from msgspec import Struct

from kizashi._clock import Clock
from kizashi._spool._frames import Frame
from kizashi._spool._lane import Lane, claim_orphans, new_lane, prepare
from kizashi._spool._segment import Segment

__all__ = ["SEGMENT_BYTES", "Found", "Spool"]

SEGMENT_BYTES = 8 * 1024 * 1024
"""A segment of this size is followed by another. What a crash sends a second time is less than this."""

_NEVER = sys.maxsize


class Found(Struct, frozen=True):
    """What a read brought: events to send, or what was found on the way to them."""

    frames: Sequence[Frame] = ()
    own: bool = True
    """Whether this process wrote them; else their numbers mean nothing here."""
    adopted: int = 0
    """How many events a segment holds that another process left."""
    skipped: str | None = None
    """Why all that is left of the segment is not sent: the reason of a drop."""
    damaged: tuple[str, int] | None = None
    """The name of a segment that ended in the middle of an event, and how many bytes were left out."""


class Spool:
    """The segments of one pipeline: those that it writes, and those of ended processes that it adopted.

    One thread appends, one reads; `publish`, `taken` and `skip` are called with the queue's lock held, so that disk and
    books never disagree. Segments are read one after the other, and a segment is deleted when every event in it is
    settled. Raises ConfigurationError where the folder cannot be used, and OSError later, when the disk refuses.

    `max_bytes` bounds the segments that this process writes. A segment whose last event came in more than `max_age`
    seconds ago is not sent any more. With `fsync`, what is appended survives the machine too, and not only the process.
    """

    def __init__(
        self,
        folder: Path,
        *,
        clock: Clock,
        entropy: Callable[[int], bytes],
        max_bytes: int,
        max_age: float,
        fsync: bool,
        segment_bytes: int = SEGMENT_BYTES,
    ) -> None:
        prepare(folder)
        self._folder = folder
        self._clock = clock
        self._entropy = entropy
        self._max_bytes = max_bytes
        self._max_age = max_age
        self._fsync = fsync
        self._segment_bytes = min(segment_bytes, max(max_bytes // 4, 1))
        self._begin()

    def _begin(self) -> None:
        self._lock = threading.Lock()
        self._lane: Lane | None = None
        self._adopted_lanes: list[Lane] = []
        self._segments: deque[Segment] = deque()
        self._writing: Segment | None = None
        self._unpublished: list[Segment] = []
        self._reading: Segment | None = None
        self._made = self._bytes = self._orphans = self._last_taken = 0
        # Each changed by one thread alone.
        self._published = self._passed = self._evicted = 0
        self._closed = False

    def oldest(self) -> int:
        """The number of the oldest event that is on disk alone: 0 for another process's, endless for none."""
        if self._orphans:
            return 0
        return self._last_taken + 1 if self._published > self._passed + self._evicted else _NEVER

    # -- the writer's side ----------------------------------------------------------------------------------------

    def full(self, size: int) -> bool:
        """Whether so many bytes more would go beyond the bound."""
        return self._bytes + size > self._max_bytes

    def append(self, events: Sequence[tuple[int, bytes]]) -> None:
        """Write numbered events. They count once published. Raises OSError, and has written none of them then."""
        with self._lock:
            if self._closed:
                raise OSError(errno.EBADF, "closed")
            segment = self._writing
            if segment is not None and segment.size >= self._segment_bytes:
                segment.seal(fsync=self._fsync)
            if segment is None or segment.sealed:
                segment = self._create()
            self._bytes += segment.append(events, fsync=self._fsync)
            if segment not in self._unpublished:
                self._unpublished.append(segment)

    def _create(self) -> Segment:
        if self._lane is None:
            self._lane = new_lane(self._folder, self._entropy)
        self._made += 1
        segment = Segment.create(self._lane.path(self._made))
        self._writing = segment
        self._segments.append(segment)
        self._bytes += segment.size
        return segment

    def publish(self) -> None:
        """Let what was appended be read. With the queue's lock held."""
        for segment in self._unpublished:
            self._published += segment.publish()
        self._unpublished.clear()

    def evict(self) -> int:
        """Delete the oldest segment of one's own that nobody reads; return the number of its events, 0 for none."""
        with self._lock:
            for segment in self._segments:
                if segment.own and segment.sealed and segment is not self._reading and segment is not self._writing:
                    lost = segment.skip()
                    self._evicted += lost
                    self._remove(segment)
                    return lost
            return 0

    # -- the reader's side ----------------------------------------------------------------------------------------

    def look_for_orphans(self) -> bool:
        """Claim what ended processes left; tell whether there is anything of theirs to send. Raises OSError."""
        lanes = claim_orphans(self._folder)
        with self._lock:
            for lane in lanes:
                left = [Segment(path, own=False) for path in lane.segments()]
                if left and not self._closed:
                    self._adopted_lanes.append(lane)
                    self._segments.extend(left)
                    self._orphans += len(left)
                else:
                    lane.release()
            if self._orphans and self._writing is not None:
                # What comes now goes to a new segment, behind the adopted ones, so that each has its turn.
                self._writing.seal(fsync=self._fsync)
            return self._orphans > 0

    def read(self, most_events: int, most_bytes: int) -> Found | None:
        """The next events, or what else was found; None if there is nothing. `taken` or `skip` must follow.

        The next segment is begun only when all that was taken of the one before is settled: ask when it is.
        """
        with self._lock:
            if self._closed:
                return None
            segment = self._reading
            if segment is not None and segment.exhausted:
                self._remove(segment)
                segment = None
            if segment is None:
                if not self._segments or (self._segments[0].own and not self._segments[0].unread):
                    return None
                self._reading = segment = self._segments[0]
                found = self._enter(segment)
                if found is not None:
                    return found
            if not segment.unread:
                return None
            try:
                return Found(frames=segment.read(most_events, most_bytes), own=segment.own)
            except OSError:
                segment.seal(fsync=False)
                return Found(skipped="unreadable")

    def _enter(self, segment: Segment) -> Found | None:
        """Look at a whole segment before its first event is read; None if there is nothing to say of it."""
        try:
            # Nothing in the segment that is written now can be old enough.
            expired = segment.sealed and segment.age(self._clock.time_ns()) > self._max_age
            if segment.own:
                return Found(skipped="expired") if expired else None
            count = segment.count()
        except OSError:
            return Found(skipped="unreadable")
        segment.unread = count
        return Found(
            adopted=count,
            skipped="expired" if expired or not count else None,
            damaged=(segment.path.name, segment.damaged) if segment.damaged else None,
        )

    def taken(self, frames: Sequence[Frame]) -> None:
        """Note that these are in memory now. With the queue's lock held."""
        segment = self._reading
        if segment is not None and frames:
            segment.advance(frames)
            self._pass(segment, len(frames))
            if segment.own:
                self._last_taken = frames[-1].seq

    def skip(self) -> int:
        """Pass over what is left of the segment that is read; return how many events. With the queue's lock held."""
        segment = self._reading
        if segment is None:
            return 0
        lost = segment.skip()
        self._pass(segment, lost)
        return lost

    def _pass(self, segment: Segment, count: int) -> None:
        if segment.own:
            self._passed += count
        elif not segment.unread:
            self._orphans -= 1

    def settle(self, offset: int | None) -> None:
        """Note how far everything is settled: up to `offset` in the segment that is read, or all that was taken.

        Raises OSError; the worst of it is that events are sent again after a crash, which the collector notices.
        """
        with self._lock:
            segment = self._reading
            if segment is None or self._closed:
                return
            segment.settle(offset)
            if segment.done and segment.exhausted:
                self._remove(segment)

    def _remove(self, segment: Segment) -> None:
        if segment.own:
            self._bytes -= segment.size
        if segment is self._writing:
            self._writing = None
        if segment is self._reading:
            self._reading = None
        self._segments.remove(segment)
        try:
            segment.remove()
        finally:
            for lane in [lane for lane in self._adopted_lanes if not lane.segments()]:
                self._adopted_lanes.remove(lane)
                lane.release()

    # -- the end --------------------------------------------------------------------------------------------------

    def close(self) -> None:
        """Let go of everything: what is settled is deleted, what is not stays for whoever comes next."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            for segment in self._segments:
                with suppress(OSError):
                    if segment.own and segment.done:
                        segment.remove()
                    else:
                        segment.close()
            for lane in (self._lane, *self._adopted_lanes):
                if lane is not None:
                    with suppress(OSError):
                        lane.release()

    def after_fork(self) -> None:
        """In a forked child: close this process's copies of what is the parent's, and begin anew."""
        for segment in self._segments:
            segment.close()
        for lane in (self._lane, *self._adopted_lanes):
            if lane is not None:
                lane.forget()
        self._begin()
