"""A spool: a folder that any number of processes share, each with a lane of its own."""

from __future__ import annotations

import errno
import os
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
from kizashi._spool._segment import DamagedError, Segment

__all__ = ["SEGMENT_BYTES", "Found", "Spool"]

SEGMENT_BYTES = 8 * 1024 * 1024
"""A segment of this size is followed by another. What a crash sends a second time is less than this."""

MOST_LANES = 8
"""So many lanes of ended processes are held at a time."""

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
        # Each with the number of its segments that are left.
        self._adopted_lanes: dict[Lane, int] = {}
        self._lane_of: dict[Segment, Lane] = {}
        self.more_orphans = False
        """Whether there are lanes of ended processes that were not claimed yet."""
        self.trouble: str | None = None
        """What stood in the way of a lane at the last look."""
        self._segments: deque[Segment] = deque()
        self._writing: Segment | None = None
        self._unpublished: list[Segment] = []
        self._reading: Segment | None = None
        self._made = self._bytes = self._orphans = self._last_taken = 0
        self._highest, self._late = 0, _NEVER
        # Each changed by one thread alone.
        self._published = self._passed = self._evicted = 0
        self._closed = False

    def oldest(self) -> int:
        """The number of the oldest event that is on disk alone: 0 for another process's, endless for none."""
        if self._orphans or self.more_orphans:
            return 0
        if self._published == self._passed + self._evicted:
            return _NEVER
        return min(self._last_taken + 1, self._late)

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
                try:
                    segment = self._create()
                except (FileNotFoundError, BlockingIOError):
                    # The folder is gone, or somebody's look for orphans came between making a lane and locking it.
                    segment = self._create()
            if events[0][0] <= self._highest:
                # Written down late, after younger ones. This stands until the disk is empty, which is soon.
                self._late = min(self._late, events[0][0])
            self._highest = max(self._highest, events[-1][0])
            self._bytes += segment.append(events, now=self._clock.monotonic(), fsync=self._fsync)
            if segment not in self._unpublished:
                self._unpublished.append(segment)

    def _create(self) -> Segment:
        if self._lane is None:
            self._lane = new_lane(self._folder, self._entropy)
        self._made += 1
        try:
            segment = Segment.create(self._lane.path(self._made))
        except FileNotFoundError:
            # Somebody removed the folder, lock and all: begin again, in the one that new_lane makes.
            self._lane.forget()
            self._lane = None
            raise
        if self._fsync:
            _fsync_folder(self._folder)
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
                if segment.own and segment.sealed and segment is not self._reading and segment not in self._unpublished:
                    lost = segment.skip()
                    self._evicted += lost
                    with suppress(OSError):  # a file that stays is adopted one day; here its events are settled
                        self._remove(segment)
                    return lost
            return 0

    # -- the reader's side ----------------------------------------------------------------------------------------

    def look_for_orphans(self) -> bool:
        """Claim what ended processes left; tell whether there is anything of theirs to send. Raises OSError."""
        with self._lock:
            if self._closed:
                return False
            room = MOST_LANES - len(self._adopted_lanes)
            lanes, more_orphans, self.trouble = claim_orphans(self._folder, room)
            for lane in lanes:
                left = [Segment(path, own=False) for path in lane.segments()]
                if left:
                    self._adopted_lanes[lane] = len(left)
                    self._lane_of |= dict.fromkeys(left, lane)
                    self._segments.extend(left)
                    self._orphans += len(left)
                else:
                    lane.release(empty=True)
            # Only when the claimed ones are counted: `oldest` is asked without the lock, and must not miss the last.
            self.more_orphans = more_orphans
            if self._orphans and self._writing is not None:
                # What comes now goes to a new segment, behind the adopted ones, so that each has its turn.
                self._writing.seal(fsync=self._fsync)
            return self._orphans > 0

    @property
    def wants_look(self) -> bool:
        """Whether there are orphans to claim, and room for them."""
        return self.more_orphans and not self._orphans

    def read(self, most_events: int, most_bytes: int) -> Found | None:
        """The next events, or what else was found; None if there is nothing. `taken` or `skip` must follow.

        The next segment is begun only when all that was taken of the one before is settled: ask when it is. Raises
        OSError when the disk refuses, which may be tried again.
        """
        with self._lock:
            if self._closed:
                return None
            segment = self._reading
            if segment is not None and segment.exhausted:
                self._remove(segment)
                segment = None
            # One's own that were never written to, or whose events all gave way.
            while segment is None and self._segments and self._segments[0].own and self._segments[0].exhausted:
                self._remove(self._segments[0])
            if segment is None:
                if not self._segments or (self._segments[0].own and not self._segments[0].unread):
                    return None
                segment = self._segments[0]
                found = self._enter(segment)
                self._reading = segment
                if found is not None:
                    return found
            if not segment.unread:
                return None
            try:
                return Found(frames=segment.read(most_events, most_bytes), own=segment.own)
            except DamagedError:
                segment.seal(fsync=False)
                segment.keep = True
                return Found(skipped="unreadable")

    def _enter(self, segment: Segment) -> Found | None:
        """Look at a whole segment before its first event is read; None if there is nothing to say of it."""
        # Nothing in the segment that is written now can be old enough.
        age = segment.age(now=self._clock.monotonic(), now_ns=self._clock.time_ns()) if segment.sealed else 0.0
        if segment.own:
            return Found(skipped="expired") if age > self._max_age else None
        segment.unread = count = segment.count()
        return Found(
            adopted=count,
            # An empty one has none to skip, and is done with it.
            skipped="expired" if age > self._max_age or not count else None,
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
            if self._published == self._passed + self._evicted:
                self._late = _NEVER
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
        lane = self._lane_of.pop(segment, None)
        try:
            segment.remove()
        finally:
            if lane is not None:
                self._adopted_lanes[lane] -= 1
                if not self._adopted_lanes[lane]:
                    del self._adopted_lanes[lane]
                    lane.release(empty=not lane.segments())

    # -- the end --------------------------------------------------------------------------------------------------

    def close(self, seconds: float) -> None:
        """Let go of everything: what is settled is deleted, what is not stays for whoever comes next.

        A disk that hangs may hold the lock; after `seconds`, all of it is left to the end of the process.
        """
        if not self._lock.acquire(timeout=seconds):
            return
        try:
            if self._closed:
                return
            self._closed = True
            self.more_orphans = False
            own_left = False
            for segment in self._segments:
                with suppress(OSError):
                    if segment.own and segment.done:
                        segment.remove()
                    else:
                        own_left |= segment.own
                        segment.close()
            with suppress(OSError):
                if self._lane is not None:
                    self._lane.release(empty=not own_left)
            for lane in self._adopted_lanes:
                lane.forget()
        finally:
            self._lock.release()

    def after_fork(self) -> None:
        """In a forked child: close this process's copies of what is the parent's, and begin anew."""
        for segment in self._segments:
            segment.close()
        for lane in (self._lane, *self._adopted_lanes):
            if lane is not None:
                lane.forget()
        self._begin()


def _fsync_folder(folder: Path) -> None:
    """Make the names in a folder survive the machine. Raises OSError."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
