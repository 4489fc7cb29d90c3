"""The one thread that encodes, batches, sends and settles. It outlives whatever goes wrong in between."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import assert_never

from kizashi._clock import Clock
from kizashi._config import Options
from kizashi._delivery._answers import Judged, Refused, Unanswered, read_answer
from kizashi._delivery._backoff import Backoff, read_retry_after
from kizashi._delivery._queue import Item, Queue
from kizashi._delivery._report import Report
from kizashi._encoding import Encoder
from kizashi._errors import TransportError, UsageError
from kizashi._transport import Answer, Transport

__all__ = ["MAX_BODY_BYTES", "Worker"]

MAX_BODY_BYTES = 1_000_000
"""A body is shorter than the collector's 1 MiB before gzip, so that it is after, too."""

_SLICE = 500
# Halving the largest batch down to one event takes twelve refusals. More in a row, with nothing accepted in between,
# mean that not an event is at fault but the way there.
_BISECTION = 13


class Worker:
    """Moves events from the queue to the collector, in a thread of its own or, at exit, in the caller's."""

    def __init__(
        self,
        queue: Queue,
        options: Options,
        transport: Transport,
        *,
        clock: Clock,
        entropy: Callable[[int], bytes],
        report: Report,
    ) -> None:
        self._queue = queue
        self._options = options
        self._transport = transport
        self._clock = clock
        self._report = report
        self._encoder = Encoder(options.source, entropy)
        self._backoff = Backoff(entropy)
        self._limit = options.batch_size
        self._refusals = 0
        self._due: float | None = None
        self._not_before = float("-inf")
        self._asked_to_wait = False

    def run(self) -> None:
        """Work until the queue is closed and empty."""
        while not self._queue.finished:
            self._guarded_turn(until=None)

    def run_until(self, deadline: float) -> None:
        """Work until nothing is held or the clock's monotonic reading reaches `deadline`."""
        while self._queue.stats().queued and self._clock.monotonic() < deadline:
            self._guarded_turn(until=deadline)

    def _guarded_turn(self, until: float | None) -> None:
        try:
            self._turn(until)
        except Exception as error:  # noqa: BLE001 - whatever it is, the worker lives; events stay where they are
            pause = self._backoff.next()
            if until is not None:
                pause = max(0.0, min(pause, until - self._clock.monotonic()))
            self._report.outage(f"internal error, {type(error).__name__}", self._queue.stats().queued, pause)
            self._queue.sleep(self._clock, pause, wake_at=_SLICE)

    def _turn(self, until: float | None) -> None:
        """Encode what was captured, then send one batch if it is time, else sleep until it may be."""
        # Asked before encoding: whatever a flush waits for is then encoded, too, and leaves in one batch.
        hurrying = self._queue.hurrying
        self._encode()
        self._report.losses(self._queue.stats().dropped)
        now = self._clock.monotonic()
        if self._queue.take_impatience() and not self._asked_to_wait:
            self._not_before = now
        ready = self._queue.ready
        if ready and self._due is None:
            self._due = now + self._options.flush_interval
        if not ready:
            self._due = None
            self._sleep(None, until, wake_at=1)
        elif now < self._not_before:
            # Encoded events are a third of captured ones: an outage is sat out in the smaller form.
            self._sleep(self._not_before, until, wake_at=_SLICE)
        elif ready >= self._options.batch_size or hurrying or (self._due is not None and now >= self._due):
            self._due = now
            self._deliver(until)
        else:
            self._sleep(self._due, until, wake_at=self._options.batch_size - ready)

    def _sleep(self, moment: float | None, until: float | None, *, wake_at: int) -> None:
        moments = [end for end in (moment, until) if end is not None]
        seconds = max(0.0, min(moments) - self._clock.monotonic()) if moments else None
        self._queue.sleep(self._clock, seconds, wake_at=wake_at)

    # -- captured to ready ----------------------------------------------------------------------------------------

    def _encode(self) -> None:
        # No more than was there at the start: a busy site must not keep its own events from being sent.
        for _ in range(0, self._queue.captured, _SLICE):
            piece = self._queue.take_records(_SLICE)
            items: list[Item] = []
            dropped: Counter[str] = Counter()
            for seq, record in enumerate(piece.records, piece.first_seq):
                try:
                    items.append(Item(seq, *self._encoder.encode(record)))
                except UsageError as error:
                    dropped[error.reason] += 1
                    self._report.hint(error.reason, error.field)
                except Exception as error:  # noqa: BLE001 - what a stranger's class does when it is read is anybody's guess
                    dropped["invalid"] += 1
                    self._report.hint("invalid", type(error).__name__)
            self._queue.put_items(piece, items, dropped)

    # -- ready to settled -----------------------------------------------------------------------------------------

    def _deliver(self, until: float | None) -> None:
        batch = self._queue.take_batch(self._limit, MAX_BODY_BYTES)
        if not batch:
            return
        try:
            outcome, retry_after = self._send(batch, until)
        except BaseException:
            self._queue.settle(batch, back=batch)
            raise
        match outcome:
            case Judged():
                self._queue.settle(
                    batch,
                    back=[batch[place] for place in outcome.retry],
                    dropped={"rejected": outcome.rejected} if outcome.rejected else None,
                )
                # What a body had no room for, or a search has not come to yet, waits for no further events.
                full = len(batch) == self._limit or not self._queue.ready
                searching = self._limit < self._options.batch_size
                self._refusals = 0
                self._limit = min(self._options.batch_size, 2 * self._limit)
                if outcome.code:
                    self._report.hint("rejected", outcome.code)
                if len(outcome.retry) < len(batch):
                    self._backoff.reset()
                self._not_before, self._asked_to_wait = float("-inf"), False
                if outcome.retry:
                    self._pause("the collector put events off", retry_after)
                elif full and not searching:
                    self._due = None
            case Refused():
                self._refusals += 1
                self._halve(batch, outcome)
                if self._refusals > _BISECTION:
                    self._pause(outcome.words, retry_after)
            case Unanswered():
                self._queue.settle(batch, back=batch)
                self._pause(outcome.words, retry_after)
            case _:
                assert_never(outcome)

    def _send(self, batch: list[Item], until: float | None) -> tuple[Judged | Refused | Unanswered, float | None]:
        seconds = self._options.timeout
        if until is not None:
            seconds = max(0.001, min(seconds, until - self._clock.monotonic()))
        # Stamped at this very send: the collector compares it with its own clock.
        head = b'{"sent_at":%d,"events":[' % (self._clock.time_ns() // 1_000_000)
        try:
            answer: Answer = self._transport.send(
                head + b",".join([item.body for item in batch]) + b"]}", seconds=seconds
            )
        except TransportError as error:
            return Unanswered(str(error)), None
        retry_after = read_retry_after(answer.retry_after, self._clock.time_ns())
        return read_answer(answer, [item.id for item in batch]), retry_after

    def _halve(self, batch: list[Item], refused: Refused) -> None:
        """Bisect: send half of the batch next, or drop the event that is refused even alone.

        The size of batches is the whole state of the search. It doubles again with each batch that gets through, so
        that a collector with smaller limits than usual is met at the size that it takes.
        """
        if len(batch) == 1:
            self._queue.settle(batch, dropped={refused.reason: 1})
            self._report.hint(refused.reason, f"refused alone with {refused.words}")
        else:
            self._limit = len(batch) // 2
            self._queue.settle(batch, back=batch)

    def _pause(self, words: str, retry_after: float | None) -> None:
        seconds = self._backoff.next(retry_after)
        self._not_before = self._clock.monotonic() + seconds
        self._asked_to_wait = retry_after is not None
        if not self._queue.finished:
            self._report.outage(words, self._queue.stats().queued, seconds)
