"""The queue and its books: every event is in exactly one place, and all the counts change under one lock."""

from __future__ import annotations

import sys
from collections import defaultdict, deque
from collections.abc import Callable, Mapping, Sequence
from threading import Condition, RLock

from msgspec import Struct

from kizashi._capture import Record
from kizashi._clock import Clock
from kizashi._stats import Stats

__all__ = ["Item", "Queue", "Slice", "Watcher"]

_NEVER = sys.maxsize
# The bytes object, the id, the number and the Struct around them.
_ITEM_BYTES = 240


class Item(Struct, frozen=True, gc=False):
    """One event, ready to send. Its bytes, and so its id, stay the same however often it is sent."""

    seq: int
    id: str
    body: bytes

    @property
    def size(self) -> int:
        """What the item is charged for in memory, in bytes."""
        return len(self.body) + _ITEM_BYTES


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

    An event goes from captured (`offer`) through encoding (`take_records`, `put_items`) to ready, in flight
    (`take_batch`) and out (`settle`), in the order of tracking; what must be sent again returns to the front. Events
    are numbered from 1 as they are offered, so that whoever waits knows when the oldest left is younger than his.

    The lock is reentrant and waiting releases it wholly, because a signal handler may track, flush or ask for stats
    while the very thread that it interrupted holds the lock. CPython runs handlers only after a call and on a jump
    back, so what the caller's side counts together is written without either in between.
    """

    def __init__(self, *, max_events: int, max_bytes: int) -> None:
        self._max_events = max_events
        self._max_bytes = max_bytes
        self.lock = RLock()
        self._wake = Condition(self.lock)
        self._progress = Condition(self.lock)
        self._captured: deque[Record] = deque()
        self._encoding = Slice(0, [])
        self._ready: deque[Item] = deque()
        self._in_flight: list[Item] = []
        self._tracked = self._delivered = self._held = self._bytes = self._taken = 0
        self._dropped: defaultdict[str, int] = defaultdict(int)
        self._watchers: list[Watcher] = []
        self._wake_at = _NEVER
        self._nudged = self._impatient = self._closed = False
        self._hurry_to = 0

    # -- the caller's side ----------------------------------------------------------------------------------------

    def offer(self, record: Record) -> str | None:
        """Take the captured call in, or count it as dropped and return the reason. The newest gives way when full."""
        with self.lock:
            if self._closed:
                return self.refuse("closed")
            if self._held >= self._max_events or self._bytes + record.size > self._max_bytes:
                return self.refuse("queue_full")
            self._tracked += 1
            self._held += 1
            self._bytes += record.size
            self._captured.append(record)
            if len(self._captured) >= self._wake_at:
                self._wake.notify()
                self._wake_at = _NEVER
        return None

    def refuse(self, reason: str) -> str:
        """Count a call that never came in as tracked and dropped; return the reason."""
        with self.lock:
            self._tracked += 1
            self._dropped[reason] += 1
        return reason

    def stats(self) -> Stats:
        """The books at this instant."""
        with self.lock:
            return Stats(
                tracked=self._tracked,
                delivered=self._delivered,
                # Counted where they are, not by what should be left: the identity would hide a lost event otherwise.
                queued=len(self._captured) + len(self._encoding.records) + len(self._ready),
                in_flight=len(self._in_flight),
                dropped=dict(self._dropped),
                queue_bytes=self._bytes,
            )

    # -- waiting for the worker -----------------------------------------------------------------------------------

    def hurry(self) -> int:
        """Have all that is held now sent without gathering, cutting one backoff short; return its last number."""
        with self.lock:
            self._hurry_to = self._taken + len(self._captured)
            self._impatient = self._held > 0
            self._nudge()
            return self._hurry_to

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
        """Close, and drop all that is held, the batch in flight included: what is not confirmed is not delivered."""
        with self.lock:
            self._closed = True
            left = self._held
            if left:
                self._dropped[reason] += left
            self._taken += len(self._captured)
            self._captured.clear()
            self._ready.clear()
            self._encoding, self._in_flight = Slice(0, []), []
            self._held = self._bytes = 0
            self._nudge()
            self._tell()
            return left

    # -- the worker's side ----------------------------------------------------------------------------------------

    @property
    def finished(self) -> bool:
        """Closed, and nothing left."""
        with self.lock:
            return self._closed and self._held == 0

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
        """How many events wait to be sent."""
        return len(self._ready)

    def take_impatience(self) -> bool:
        """Whether somebody began to hurry since this was last asked."""
        with self.lock:
            impatient, self._impatient = self._impatient, False
            return impatient

    def sleep(self, clock: Clock, seconds: float | None, *, wake_at: int) -> None:
        """Wait for `wake_at` captured calls, a nudge, or the end of `seconds`, whichever comes first."""
        with self.lock:
            if not self._nudged and len(self._captured) < wake_at:
                self._wake_at = wake_at
                clock.wait(self._wake, seconds)
                self._wake_at = _NEVER
            self._nudged = False

    def take_records(self, limit: int) -> Slice:
        """Move up to `limit` captured calls to the encoder. One slice at a time."""
        with self.lock:
            count = min(limit, len(self._captured))
            self._encoding = Slice(self._taken + 1, [self._captured.popleft() for _ in range(count)])
            self._taken += count
            return self._encoding

    def put_items(self, piece: Slice, items: Sequence[Item], dropped: Mapping[str, int]) -> None:
        """Move the slice on to ready. `items` are its events in order, `dropped` what became of the rest."""
        with self.lock:
            if piece is not self._encoding:
                return  # abandoned meanwhile, and counted then
            self._encoding = Slice(0, [])
            self._bytes -= sum(record.size for record in piece.records)
            for item in items:
                # An event may be longer than it was estimated to become. The bound holds all the same.
                if self._bytes + item.size > self._max_bytes:
                    self._dropped["queue_full"] += 1
                    self._held -= 1
                else:
                    self._bytes += item.size
                    self._ready.append(item)
            self._drop(dropped)
            self._held -= sum(dropped.values())
            self._tell()

    def take_batch(self, max_events: int, max_bytes: int) -> list[Item]:
        """Move the oldest ready events into flight, as many as fit, one at least. One batch at a time."""
        with self.lock:
            batch: list[Item] = []
            room = max_bytes
            while self._ready and len(batch) < max_events:
                room -= len(self._ready[0].body) + 1
                if room < 0 and batch:
                    break
                batch.append(self._ready.popleft())
            self._in_flight = batch
            return batch

    def settle(self, batch: list[Item], *, back: Sequence[Item] = (), dropped: Mapping[str, int] | None = None) -> None:
        """End the flight of a batch: `back` returns to the front, `dropped` is counted, all others are delivered."""
        with self.lock:
            if batch is not self._in_flight:
                return  # abandoned meanwhile, and counted then
            self._in_flight = []
            lost = sum(dropped.values()) if dropped else 0
            self._delivered += len(batch) - len(back) - lost
            self._drop(dropped or {})
            self._held -= len(batch) - len(back)
            self._bytes -= sum(item.size for item in batch) - sum(item.size for item in back)
            self._ready.extendleft(reversed(back))
            self._tell()

    def _drop(self, dropped: Mapping[str, int]) -> None:
        for reason, count in dropped.items():
            self._dropped[reason] += count

    def _nudge(self) -> None:
        self._nudged = True
        self._wake.notify()

    def _oldest(self) -> int:
        if self._in_flight:
            return self._in_flight[0].seq
        if self._ready:
            return self._ready[0].seq
        return self._encoding.first_seq if self._encoding.records else self._taken + 1

    def _tell(self) -> None:
        self._progress.notify_all()
        oldest = self._oldest()
        done = [watcher for watcher in self._watchers if watcher.target < oldest]
        if done:
            self._watchers = [watcher for watcher in self._watchers if watcher.target >= oldest]
            for watcher in done:
                watcher.wake()
