"""The queue and its books: every event is in exactly one place, and all the counts change under one lock."""

from __future__ import annotations

import sys
import threading
from collections import defaultdict, deque
from collections.abc import Callable, Mapping
from typing import Literal

from msgspec import Struct

from kizashi._capture import Record
from kizashi._clock import Clock
from kizashi._delivery._batch import EVENT_BYTES, Batch
from kizashi._delivery._bell import NEVER, Bell
from kizashi._stats import Stats

__all__ = ["Queue", "Slice", "Watcher"]

_NOTHING = Batch([], [])
_FREE_THREADED = not getattr(sys, "_is_gil_enabled", lambda: True)()


class Slice(Struct, frozen=True):
    """Captured calls on their way through the encoder. `first_seq` numbers the first of them."""

    first_seq: int
    records: list[Record]


class Watcher(Struct, frozen=True, eq=False):
    """Somebody who wants `wake` called when everything up to the event `target` is settled."""

    target: int
    wake: Callable[[], None]


class Queue:
    """Holds at most `max_events` events and `max_bytes` bytes, from track() until each is delivered or dropped.

    An event goes from captured (`offer`) through encoding (`take_records`, `put`) to ready, in flight
    (`take_batch`) and out (`settle`), in the order of tracking; what must be sent again returns to the front. With a
    spool it goes from encoding to disk instead, where the bounds of memory do not count it, and from
    there to ready (`load`). Events are numbered from 1 as they are offered, so that whoever waits knows when the oldest
    left is younger than his; what a former process left in the spool is older than all: 0.

    The lock is reentrant and waiting releases it wholly, because a signal handler may track, flush or ask for stats
    while the very thread that it interrupted holds the lock.

    `offer` takes no lock where there is room: a caller must not wait because the worker was put aside while it held
    one. It can, because CPython lets another thread or a handler in only after a call and on a jump back, and what has
    to change together changes without either in between; without the GIL, the lock is taken. So what callers change,
    here `_held` and `_bytes`, changes by numbers that are known beforehand: no `self._held -= len(…)`.
    """

    def __init__(
        self,
        *,
        max_events: int,
        max_bytes: int,
        gives_way: Literal["newest", "oldest"] = "newest",
        oldest_spooled: Callable[[], int] | None = None,
    ) -> None:
        self._max_events = max_events
        self._max_bytes = max_bytes
        self._oldest_gives_way = gives_way == "oldest"
        self._oldest_spooled = oldest_spooled
        self.make_locks()
        self._captured: deque[Record] = deque()
        self._append = self._captured.append
        self._encoding = Slice(0, [])
        self._ready: deque[Batch] = deque()
        self._in_flight = _NOTHING
        self._refused = self._adopted = self._delivered = self._held = self._bytes = self._spooled = self._taken = 0
        self._dropped: defaultdict[str, int] = defaultdict(int)
        self._watchers: list[Watcher] = []
        self._impatient = self._closed = self._abandoned = False
        self._hurry_to = 0

    def make_locks(self) -> None:
        """Make the locks of what `threading` offers now. For a queue that no thread works at yet."""
        self.lock = threading.RLock()
        # One for whoever encodes, one for whoever sends: without a spool, the same thread.
        self._captured_bell = Bell(self.lock)
        self._spooled_bell = Bell(self.lock)
        self._progress = threading.Condition(self.lock)

    # -- the caller's side ----------------------------------------------------------------------------------------

    def offer(self, record: Record) -> str | None:
        """Take the captured call in, or count it as dropped and return the reason."""
        size = self._bytes + record.size
        if size > self._max_bytes or self._held >= self._max_events or self._closed or _FREE_THREADED:
            return self._offer_with_care(record)
        self._bytes = size
        self._held += 1
        self._append(record)
        if len(self._captured) >= self._captured_bell.wake_at:
            self._wake()
        return None

    def _offer_with_care(self, record: Record) -> str | None:
        with self.lock:
            if self._closed:
                return self.refuse("closed")
            full = self._held >= self._max_events or self._bytes + record.size > self._max_bytes
            if full and not (self._oldest_gives_way and self._make_room(record.size)):
                return self.refuse("queue_full")
            self._bytes += record.size
            self._held += 1
            self._append(record)
            if len(self._captured) >= self._captured_bell.wake_at:
                self._wake()
        return None

    def _wake(self) -> None:
        with self.lock:
            self._captured_bell.condition.notify()
            self._captured_bell.wake_at = NEVER

    def refuse(self, reason: str) -> str:
        """Count a call that never came in as tracked and dropped; return the reason."""
        with self.lock:
            self._refused += 1
            self._dropped[reason] += 1
        return reason

    def _make_room(self, size: int) -> bool:
        """Drop the oldest that nobody has in hand until there is room for one more of this size."""
        if size > self._max_bytes:
            return False
        while self._held >= self._max_events or self._bytes + size > self._max_bytes:
            if self._ready and self._ready[0].offsets is None:
                gone = self._ready[0].behead()
                if not self._ready[0]:
                    self._ready.popleft()
            elif self._captured:
                gone = self._captured.popleft().size
                self._taken += 1
            else:
                return False
            self._held -= 1
            self._bytes -= gone
            self._dropped["queue_full"] += 1
        return True

    def stats(self) -> Stats:
        """The books at this instant."""
        with self.lock:
            captured = len(self._captured)  # once: callers go on
            return Stats(
                tracked=self._refused + self._taken + captured,
                adopted=self._adopted,
                delivered=self._delivered,
                # Counted where they are, not by what should be left: the identity would hide a lost event otherwise.
                queued=captured + len(self._encoding.records) + sum(map(len, self._ready)),
                in_flight=len(self._in_flight),
                spooled=self._spooled,
                dropped=dict(self._dropped),
                queue_bytes=self._bytes,
            )

    # -- waiting for the worker -----------------------------------------------------------------------------------

    def hurry(self) -> int:
        """Have all that is held now sent without gathering, cutting one backoff short; return its last number."""
        with self.lock:
            self._hurry_to = self._taken + len(self._captured)
            self._impatient = self._held + self._spooled > 0
            self.nudge()
            return self._hurry_to

    def nudge(self) -> None:
        """Have every thread that sleeps here look again."""
        with self.lock:
            self._captured_bell.ring()
            self._spooled_bell.ring()

    def wait_settled(self, target: int, seconds: float) -> bool:
        """Wait until everything up to number `target` is delivered or dropped; tell whether it is."""
        with self.lock:
            return self._progress.wait_for(lambda: self._oldest() > target, seconds)

    def watch(self, watcher: Watcher) -> None:
        """Call `watcher.wake` once when its target is settled, at once if it is, from whichever thread settles it."""
        with self.lock:
            self._watchers.append(watcher)
            self._tell()

    def unwatch(self, watcher: Watcher) -> None:
        """Forget the watcher, if it is still there."""
        with self.lock:
            self._watchers = [other for other in self._watchers if other is not watcher]

    def close(self) -> int:
        """Take nothing more in, and hurry. Returns the number of the last event held."""
        with self.lock:
            self._closed = True
            return self.hurry()

    def abandon(self, reason: str) -> int:
        """Close, and let go of all that is held, the batch in flight included: what is not confirmed is not delivered.

        What is on disk stays there and counts as spooled; the rest is dropped, and its number returned.
        """
        with self.lock:
            self._closed = self._abandoned = True
            safe = sum(len(batch) for batch in (*self._ready, self._in_flight) if batch.offsets is not None)
            left = self._held - safe
            if left:
                self._dropped[reason] += left
            self._spooled += safe
            # A caller may still be at it: what comes after this is let go of with `closed` seen, or by the next call.
            self._taken += len(self._captured)
            self._captured.clear()
            self._ready.clear()
            self._encoding, self._in_flight = Slice(0, []), _NOTHING
            self._held = self._bytes = 0
            self.nudge()
            self._tell()
            return left

    # -- the worker's side ----------------------------------------------------------------------------------------

    @property
    def closed(self) -> bool:
        """Whether nothing more is taken in."""
        return self._closed

    @property
    def finished(self) -> bool:
        """Closed, and nothing left to do: what is on disk when the queue is abandoned is for somebody else."""
        with self.lock:
            return self._closed and self._held == 0 and (self._spooled == 0 or self._abandoned)

    @property
    def hurrying(self) -> bool:
        """Whether somebody waits for an event that is held."""
        with self.lock:
            return self._oldest() <= self._hurry_to

    @property
    def captured(self) -> int:
        """How many calls wait to be encoded."""
        return len(self._captured)

    @property
    def ready(self) -> int:
        """How many events wait in memory to be sent."""
        with self.lock:
            return sum(map(len, self._ready))

    @property
    def held(self) -> int:
        """How many events are neither delivered nor dropped, wherever they are."""
        with self.lock:
            return self._held + self._spooled

    @property
    def waiting(self) -> int:
        """How many events wait to be sent, in memory or on disk."""
        with self.lock:
            return sum(map(len, self._ready)) + self._spooled

    def take_impatience(self) -> bool:
        """Whether somebody began to hurry since this was last asked."""
        with self.lock:
            impatient, self._impatient = self._impatient, False
            return impatient

    def sleep_until_captured(self, clock: Clock, seconds: float | None, *, wake_at: int) -> None:
        """Wait for `wake_at` captured calls, a nudge, or the end of `seconds`, whichever comes first."""
        with self.lock:
            self._captured_bell.sleep(clock, seconds, there=lambda: len(self._captured), wake_at=wake_at)

    def sleep_until_spooled(self, clock: Clock, seconds: float | None, *, wake_at: int) -> None:
        """Wait for `wake_at` events that could be sent, a nudge, or the end of `seconds`, whichever comes first."""
        with self.lock:
            self._spooled_bell.sleep(clock, seconds, there=lambda: self.waiting, wake_at=wake_at)

    def take_records(self, limit: int) -> Slice:
        """Move up to `limit` captured calls to the encoder. One slice at a time; one that was not put comes again."""
        with self.lock:
            if self._encoding.records:
                return self._encoding
            count = min(limit, len(self._captured))
            take = self._captured.popleft
            self._encoding = Slice(self._taken + 1, [take() for _ in range(count)])
            self._taken += count
            return self._encoding

    def put(self, piece: Slice, *, ready: Batch = _NOTHING, spooled: int = 0, dropped: Mapping[str, int]) -> None:
        """Move the slice on: `spooled` of its events are on disk now, `ready` are the others, `dropped` became none."""
        with self.lock:
            if not self._encoded(piece, dropped):
                return
            if self._bytes + ready.size > self._max_bytes:
                # An event may be longer than it was estimated to become. The bound holds all the same.
                fits = _fitting(ready, self._max_bytes - self._bytes)
                self._drop({"queue_full": len(ready) - len(fits)})
                ready = fits
            size = ready.size
            self._bytes += size
            if ready and self._ready and self._ready[-1].takes(ready):
                self._ready[-1].extend(ready)
            elif ready:
                self._ready.append(ready)
            self._held -= spooled
            self._spooled += spooled
            self._rang()
            self._tell()

    def _encoded(self, piece: Slice, dropped: Mapping[str, int]) -> bool:
        if piece is not self._encoding:
            return False  # abandoned meanwhile, and counted then
        self._encoding = Slice(0, [])
        size = sum([record.size for record in piece.records])
        self._bytes -= size
        self._drop(dropped)
        return True

    def _rang(self) -> None:
        if self.waiting >= self._spooled_bell.wake_at:
            self._spooled_bell.ring()

    def adopt(self, count: int) -> None:
        """Count events that another process left on disk."""
        with self.lock:
            self._adopted += count
            self._spooled += count

    def lose_spooled(self, reason: str, count: int) -> None:
        """Drop events that were on disk."""
        with self.lock:
            if count:
                self._spooled -= count
                self._dropped[reason] += count
            self._tell()

    def load(self, batch: Batch) -> None:
        """Move events from the disk to ready. Their number is the sender's to bound, not the queue's."""
        with self.lock:
            if self._abandoned:
                return  # they stay where they are
            self._spooled -= len(batch)
            count, size = len(batch), batch.size
            self._held += count
            self._bytes += size
            # They are older than what came in since the sender saw that nothing is ready.
            self._ready.appendleft(batch)

    def in_memory(self) -> Batch | None:
        """The oldest ready batch that is in memory alone, if there is one. To look at with the lock held."""
        for batch in self._ready:
            if batch.offsets is None:
                return batch
        return None

    def move_to_disk(self, batch: Batch, count: int) -> None:
        """Note that the first events of a ready batch are on disk now, and there alone."""
        with self.lock:
            gone, rest = batch.split(count)
            size = gone.size
            ready = [rest if other is batch else other for other in self._ready]
            self._ready = deque(other for other in ready if other)
            self._held -= count
            self._bytes -= size
            self._spooled += count

    def take_batch(self, max_events: int, max_bytes: int) -> Batch:
        """Move the oldest ready events into flight, as many as fit, one at least. One batch at a time."""
        with self.lock:
            ready, parts, events, size = self._ready, list[Batch](), 0, 0
            while ready and events < max_events:
                part = ready[0]
                if parts and (part.offsets is None) is not (parts[0].offsets is None):
                    break
                room = max_bytes - size
                if parts and len(part.bodies[0]) >= room:
                    break
                ready.popleft()
                count = part.front(max_events - events, room)
                if count < len(part):
                    part, rest = part.split(count)
                    ready.appendleft(rest)
                    max_events = 0
                parts.append(part)
                events += count
                size += part.size
            self._in_flight = Batch.joined(parts) if parts else _NOTHING
            return self._in_flight

    def settle(self, batch: Batch, *, back: Batch | None = None, dropped: Mapping[str, int] | None = None) -> None:
        """End the flight of a batch: `back` returns to the front, `dropped` is counted, all others are delivered."""
        with self.lock:
            if batch is not self._in_flight:
                return  # abandoned meanwhile, and counted then
            self._in_flight = _NOTHING
            back = back or _NOTHING
            delivered, size = len(batch) - len(back), batch.size - back.size
            if dropped:
                delivered -= sum(dropped.values())
                self._drop(dropped)
            self._delivered += delivered
            self._held -= delivered
            self._bytes -= size
            if back:
                self._ready.appendleft(back)
            self._tell()

    def first_on_disk(self, back: Batch | None = None) -> int | None:
        """Where the oldest event that came from the disk begins in its segment, of those in memory once `back` is all
        that returns from flight; None if there is none.

        -1 once the queue is abandoned: what was in memory then is not settled, and nobody knows any more where it was.
        """
        with self.lock:
            if self._abandoned:
                return -1
            for batch in (back or _NOTHING, *self._ready):
                if batch.offsets:
                    return batch.offsets[0]
            return None

    def _drop(self, dropped: Mapping[str, int]) -> None:
        for reason, count in dropped.items():
            self._dropped[reason] += count
            self._held -= count

    def _oldest(self) -> int:
        oldest = self._encoding.first_seq if self._encoding.records else self._taken + 1
        for batch in (self._in_flight, *self._ready):
            if batch:
                oldest = min(oldest, batch.oldest)
        return oldest if self._oldest_spooled is None else min(oldest, self._oldest_spooled())

    def _tell(self) -> None:
        self._progress.notify_all()
        if self._watchers:
            oldest = self._oldest()
            done = [watcher for watcher in self._watchers if watcher.target < oldest]
            if done:
                self._watchers = [watcher for watcher in self._watchers if watcher.target >= oldest]
                for watcher in done:
                    watcher.wake()


def _fitting(batch: Batch, room: int) -> Batch:
    places = []
    for place, body in enumerate(batch.bodies):
        if len(body) + EVENT_BYTES <= room:
            room -= len(body) + EVENT_BYTES
            places.append(place)
    return batch.pick(places)
