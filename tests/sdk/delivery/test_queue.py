"""The books balance after anything, and the bounds hold."""

from __future__ import annotations

import threading

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from kizashi._capture._capture import Record, capture
from kizashi._capture._context import Ambient
from kizashi._delivery._queue import Item, Queue, Slice, Watcher

MAX_EVENTS = 12
MAX_BYTES = 20_000


def record(text: str = "") -> Record:
    return capture("mv_view", "v-1", None, None, None, None, None, {"t": text}, None, None, None, None, 0, Ambient())


class Books(RuleBasedStateMachine):
    """Any sequence of what callers, encoder and collector can do."""

    def __init__(self) -> None:
        super().__init__()
        self.queue = Queue(max_events=MAX_EVENTS, max_bytes=MAX_BYTES)
        self.calls = 0
        self.piece: Slice | None = None
        self.batch: list[Item] | None = None
        self.unsettled: set[int] = set()
        self.offered = 0

    @rule(text=st.sampled_from(["", "short", "x" * 1_500]))
    def track(self, text: str) -> None:
        self.calls += 1
        if self.queue.offer(record(text)) is None:
            self.offered += 1
            self.unsettled.add(self.offered)

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
        records = self.piece.records
        items = [Item(self.piece.first_seq + at, "id", b"x" * size) for at, size in enumerate(kept[: len(records)])]
        lost = len(records) - len(items)
        before = self.queue.ready
        self.queue.put_items(self.piece, items, {"no_actor": lost} if lost else {})
        came = self.queue.ready - before
        # The bound may have refused any of them; those that came are the unsettled ones.
        ready = {item.seq for item in list(self.queue._ready)[before:]}
        assert len(ready) == came
        self.unsettled -= set(range(self.piece.first_seq, self.piece.first_seq + len(records))) - ready
        self.piece = None

    @precondition(lambda self: self.batch is None)
    @rule(events=st.integers(1, 6), size=st.integers(1, 20_000))
    def send(self, events: int, size: int) -> None:
        self.batch = self.queue.take_batch(events, size) or None

    @precondition(lambda self: self.batch is not None)
    @rule(outcomes=st.lists(st.sampled_from(["delivered", "rejected", "retry"]), min_size=6, max_size=6))
    def answered(self, outcomes: list[str]) -> None:
        assert self.batch is not None
        judged = list(zip(self.batch, outcomes, strict=False))
        back = [item for item, outcome in judged if outcome == "retry"]
        rejected = sum(outcome == "rejected" for _, outcome in judged)
        self.queue.settle(self.batch, back=back, dropped={"rejected": rejected} if rejected else None)
        self.unsettled -= {item.seq for item, outcome in judged if outcome != "retry"}
        self.batch = None

    @rule()
    def close(self) -> None:
        self.queue.close()

    @rule()
    def abandon(self) -> None:
        held = self.queue.stats().queued + self.queue.stats().in_flight
        assert self.queue.abandon("exit") == held
        self.unsettled.clear()

    @rule()
    def flush_knows_what_is_settled(self) -> None:
        for target in range(self.offered + 1):
            assert self.queue.wait_settled(target, 0.0) == all(seq > target for seq in self.unsettled)

    @invariant()
    def the_identity_balances(self) -> None:
        stats = self.queue.stats()
        assert stats.balanced
        assert stats.tracked == self.calls
        assert min(stats.queued, stats.in_flight, stats.delivered, stats.queue_bytes) >= 0
        assert stats.queued + stats.in_flight == len(self.unsettled)

    @invariant()
    def the_bounds_hold(self) -> None:
        stats = self.queue.stats()
        assert stats.queued + stats.in_flight <= MAX_EVENTS
        assert stats.queue_bytes <= MAX_BYTES
        assert (stats.queue_bytes == 0) == (stats.queued + stats.in_flight == 0)


TestBooks = Books.TestCase
TestBooks.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)


def test_the_newest_gives_way_when_the_queue_is_full() -> None:
    queue = Queue(max_events=2, max_bytes=1_000_000)
    assert [queue.offer(record()) for _ in range(4)] == [None, None, "queue_full", "queue_full"]
    assert queue.stats().dropped == {"queue_full": 2}


def test_bytes_are_a_bound_of_their_own() -> None:
    one = record("x" * 100)
    queue = Queue(max_events=1_000, max_bytes=3 * one.size)
    assert [queue.offer(one) for _ in range(4)] == [None, None, None, "queue_full"]


def test_a_batch_holds_one_event_at_least() -> None:
    queue = Queue(max_events=10, max_bytes=1_000_000)
    queue.offer(record())
    piece = queue.take_records(10)
    queue.put_items(piece, [Item(1, "id", b"x" * 500)], {})
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
    queue.put_items(queue.take_records(1), [], {"invalid": 1})
    queue.offer(record())
    queue.put_items(queue.take_records(1), [], {"invalid": 1})
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
            items = [Item(piece.first_seq + at, "id", b"x") for at in range(len(piece.records))]
            queue.put_items(piece, items, {})
            batch = queue.take_batch(5, 1_000)
            queue.settle(batch, back=batch[:1] if len(batch) > 3 else [])

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
