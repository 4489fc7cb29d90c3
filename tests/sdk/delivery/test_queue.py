"""The books balance after anything, and the bounds hold."""

from __future__ import annotations

import sys
import threading

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from kizashi._capture._capture import Record, capture
from kizashi._capture._context import Ambient
from kizashi._delivery._batch import Batch
from kizashi._delivery._queue import Queue, Slice, Watcher

MAX_EVENTS = 12
MAX_BYTES = 20_000


def record(text: str = "") -> Record:
    return capture(("mv_view", "v-1", *[None] * 5, {"t": text}, *[None] * 4), 0, Ambient())  # type: ignore[arg-type]  # twelve


class Books(RuleBasedStateMachine):
    """Any sequence of what callers, encoder, disk and collector can do."""

    def __init__(self) -> None:
        super().__init__()
        self.disk: list[int] = []
        self.queue = Queue(
            max_events=MAX_EVENTS,
            max_bytes=MAX_BYTES,
            oldest_spooled=lambda: min(self.disk, default=sys.maxsize),
        )
        self.calls = self.offered = self.adopted = 0
        self.piece: Slice | None = None
        self.batch: Batch | None = None
        self.in_memory: set[int] = set()

    @property
    def unsettled(self) -> set[int]:
        return self.in_memory | set(self.disk)

    @rule(text=st.sampled_from(["", "short", "x" * 1_500]))
    def track(self, text: str) -> None:
        self.calls += 1
        if self.queue.offer(record(text)) is None:
            self.offered += 1
            self.in_memory.add(self.offered)

    @rule(reason=st.sampled_from(["invalid", "unconfigured"]))
    def refuse(self, reason: str) -> None:
        self.calls += 1
        self.queue.refuse(reason)

    @precondition(lambda self: self.piece is None)
    @rule(limit=st.integers(1, 5))
    def encode(self, limit: int) -> None:
        self.piece = self.queue.take_records(limit)

    @precondition(lambda self: self.piece is not None)
    @rule(kept=st.lists(st.sampled_from([10, 200, 9_000]), max_size=5))
    def encoded(self, kept: list[int]) -> None:
        assert self.piece is not None
        seqs, batch, dropped = self._made(self.piece, kept)
        before = self._ready()
        self.queue.put(self.piece, ready=batch, dropped=dropped)
        # The bound may have refused any of them; those that came are the unsettled ones.
        came = self._ready() - before
        assert came <= set(batch.seqs)
        self.in_memory -= seqs - came
        self.piece = None

    @precondition(lambda self: self.piece is not None)
    @rule(kept=st.lists(st.sampled_from([10, 200, 9_000]), max_size=5))
    def written_down(self, kept: list[int]) -> None:
        assert self.piece is not None
        seqs, batch, dropped = self._made(self.piece, kept)
        current = bool(seqs & self.in_memory)
        if current:
            self.disk += batch.seqs
        self.queue.put(self.piece, spooled=len(batch), dropped=dropped)
        self.in_memory -= seqs
        self.piece = None

    def _made(self, piece: Slice, kept: list[int]) -> tuple[set[int], Batch, dict[str, int]]:
        seqs = set(range(piece.first_seq, piece.first_seq + len(piece.records)))
        kept = kept[: len(seqs)]
        batch = Batch([piece.first_seq + at for at in range(len(kept))], [b"x" * size for size in kept])
        lost = len(seqs) - len(kept)
        return seqs, batch, {"no_actor": lost} if lost else {}

    def _ready(self) -> set[int]:
        return {seq for batch in self.queue._ready for seq in batch.seqs}

    @rule(count=st.integers(1, 3))
    def adopt(self, count: int) -> None:
        self.adopted += count
        self.disk += [0] * count
        self.queue.adopt(count)

    @precondition(lambda self: self.disk)
    @rule(count=st.integers(1, 3), offsets=st.just(16))
    def load(self, count: int, offsets: int) -> None:
        self.disk.sort()
        if self.queue.ready or not all(self.disk[:count]):
            return  # as the sender does; adopted ones have no number by which this test could tell them apart
        taken, self.disk = self.disk[:count], self.disk[count:]
        self.queue.load(Batch(taken, [b"x" * 50] * len(taken), [offsets] * len(taken)))
        self.in_memory |= set(taken)

    @precondition(lambda self: self.disk)
    @rule(count=st.integers(1, 3))
    def expire(self, count: int) -> None:
        lost, self.disk = self.disk[:count], self.disk[count:]
        self.queue.lose_spooled("expired", len(lost))

    @precondition(lambda self: self.batch is None)
    @rule(events=st.integers(1, 6), size=st.integers(1, 20_000))
    def send(self, events: int, size: int) -> None:
        self.batch = self.queue.take_batch(events, size) or None
        if self.batch is not None:
            assert len(self.batch) <= events
            assert len(self.batch) == 1 or sum(map(len, self.batch.bodies)) <= size

    @precondition(lambda self: self.batch is not None)
    @rule(outcomes=st.lists(st.sampled_from(["delivered", "rejected", "retry"]), min_size=6, max_size=6))
    def answered(self, outcomes: list[str]) -> None:
        assert self.batch is not None
        judged = list(enumerate(outcomes[: len(self.batch)]))
        back = self.batch.pick(place for place, outcome in judged if outcome == "retry")
        rejected = sum(outcome == "rejected" for _, outcome in judged)
        self.queue.settle(self.batch, back=back or None, dropped={"rejected": rejected} if rejected else None)
        self.in_memory -= set(self.batch.seqs) - set(back.seqs)
        self.batch = None

    @rule()
    def close(self) -> None:
        self.queue.close()

    @rule()
    def abandon(self) -> None:
        stats = self.queue.stats()
        left = self.queue.abandon("exit")
        after = self.queue.stats()
        assert after.queued == after.in_flight == 0
        assert left == stats.queued + stats.in_flight + stats.spooled - after.spooled
        # What had come from the disk is there again, for whoever comes next.
        self.disk = [0] * after.spooled
        self.in_memory.clear()

    @rule()
    def flush_knows_what_is_settled(self) -> None:
        for target in range(self.offered + 1):
            assert self.queue.wait_settled(target, 0.0) == all(seq > target for seq in self.unsettled)

    @invariant()
    def the_identity_balances(self) -> None:
        stats = self.queue.stats()
        assert stats.balanced
        assert (stats.tracked, stats.adopted) == (self.calls, self.adopted)
        assert min(stats.queued, stats.in_flight, stats.delivered, stats.spooled, stats.queue_bytes) >= 0
        assert stats.queued + stats.in_flight == len(self.in_memory)
        assert stats.spooled == len(self.disk)

    @invariant()
    def the_bounds_hold(self) -> None:
        stats = self.queue.stats()
        from_disk = sum(len(batch) for batch in (*self.queue._ready, self.queue._in_flight) if batch.offsets)
        assert stats.queued + stats.in_flight <= MAX_EVENTS + from_disk
        assert stats.queue_bytes <= MAX_BYTES + 250 * from_disk
        assert (stats.queue_bytes == 0) == (stats.queued + stats.in_flight == 0)


TestBooks = Books.TestCase
TestBooks.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)


def test_the_newest_gives_way_when_the_queue_is_full() -> None:
    queue = Queue(max_events=2, max_bytes=1_000_000)
    assert [queue.offer(record()) for _ in range(4)] == [None, None, "queue_full", "queue_full"]
    assert queue.stats().dropped == {"queue_full": 2}


def test_the_oldest_gives_way_where_that_is_asked_for() -> None:
    queue = Queue(max_events=2, max_bytes=1_000_000, gives_way="oldest")
    assert [queue.offer(record()) for _ in range(3)] == [None] * 3
    piece = queue.take_records(2)
    assert piece.first_seq == 2
    queue.put(piece, ready=Batch([2, 3], [b"second", b"third"]), dropped={})
    assert queue.offer(record()) is None
    assert queue.take_batch(10, 1_000).bodies == [b"third"]
    assert queue.stats().dropped == {"queue_full": 2}
    assert queue.stats().balanced


def test_what_is_in_flight_or_larger_than_the_bound_gives_no_way() -> None:
    queue = Queue(max_events=1, max_bytes=2_000, gives_way="oldest")
    queue.offer(record())
    queue.put(queue.take_records(1), ready=Batch([1], [b"x"]), dropped={})
    queue.take_batch(1, 1_000)
    assert queue.offer(record()) == "queue_full"
    assert Queue(max_events=9, max_bytes=1_000, gives_way="oldest").offer(record("x" * 2_000)) == "queue_full"


def test_bytes_are_a_bound_of_their_own() -> None:
    one = record("x" * 100)
    queue = Queue(max_events=1_000, max_bytes=3 * one.size)
    assert [queue.offer(one) for _ in range(4)] == [None, None, None, "queue_full"]


def test_a_batch_holds_one_event_at_least() -> None:
    queue = Queue(max_events=10, max_bytes=1_000_000)
    queue.offer(record())
    piece = queue.take_records(10)
    queue.put(piece, ready=Batch([1], [b"x" * 500]), dropped={})
    assert len(queue.take_batch(10, 1)) == 1


def test_a_watcher_is_woken_once_when_its_events_are_settled() -> None:
    queue = Queue(max_events=10, max_bytes=1_000_000)
    woken: list[str] = []
    queue.watch(Watcher(0, lambda: woken.append("nothing to wait for")))
    queue.offer(record())
    queue.watch(Watcher(1, lambda: woken.append("the first")))
    forgotten = Watcher(1, lambda: woken.append("forgotten"))
    queue.watch(forgotten)
    queue.unwatch(forgotten)
    assert woken == ["nothing to wait for"]
    queue.put(queue.take_records(1), ready=Batch([], []), dropped={"invalid": 1})
    queue.offer(record())
    queue.put(queue.take_records(1), ready=Batch([], []), dropped={"invalid": 1})
    assert woken == ["nothing to wait for", "the first"]


def test_the_identity_balances_at_every_instant_of_a_race() -> None:
    queue = Queue(max_events=50, max_bytes=10_000_000)
    threads = 3
    calls = 2_000
    working = threading.Event()

    def track() -> None:
        for _ in range(calls):
            queue.offer(record())

    def work() -> None:
        while not working.is_set() or queue.captured or queue.ready:
            piece = queue.take_records(7)
            count = len(piece.records)
            queue.put(piece, ready=Batch([piece.first_seq + at for at in range(count)], [b"x"] * count), dropped={})
            batch = queue.take_batch(5, 1_000)
            queue.settle(batch, back=batch.pick([0]) if len(batch) > 3 else None)

    worker = threading.Thread(target=work)
    callers = [threading.Thread(target=track) for _ in range(threads)]
    for thread in (worker, *callers):
        thread.start()
    while any(caller.is_alive() for caller in callers):
        stats = queue.stats()
        assert stats.balanced
        assert stats.queued + stats.in_flight <= 50
    working.set()
    worker.join()
    assert queue.stats().tracked == threads * calls
    assert queue.stats().balanced
