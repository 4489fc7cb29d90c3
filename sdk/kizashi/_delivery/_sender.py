"""From ready to verdicts: batches, sends and settles. It outlives whatever goes wrong in between."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import assert_never

from kizashi._clock import Clock
from kizashi._config import Options
from kizashi._delivery._answers import Judged, Refused, Unanswered, read_answer
from kizashi._delivery._backoff import Backoff, read_retry_after
from kizashi._delivery._batch import Batch
from kizashi._delivery._bell import NEVER
from kizashi._delivery._queue import Queue
from kizashi._delivery._report import Report
from kizashi._delivery._scribe import SLICE, Scribe
from kizashi._errors import TransportError
from kizashi._spool import DeadLetters, Found, Spool
from kizashi._transport import Answer, Transport

__all__ = ["LOOK_SECONDS", "MAX_BODY_BYTES", "Sender"]

MAX_BODY_BYTES = 1_000_000
"""A body is shorter than the collector's 1 MiB before gzip, so that it is after, too."""

LOOK_SECONDS = 10.0
"""So often the spool is searched for what ended processes left."""

# Halving the largest batch down to one event takes twelve refusals. More in a row, with nothing accepted in between,
# mean that not an event is at fault but the way there.
_BISECTION = 13
_A_MOMENT = 0.02


class Sender:
    """Moves events from the queue to the collector, in a thread of its own or, at exit, in the caller's.

    `scribe` is given where the same thread encodes, `spool` where events come back from the disk.
    """

    def __init__(
        self,
        queue: Queue,
        options: Options,
        transport: Transport,
        *,
        clock: Clock,
        entropy: Callable[[int], bytes],
        report: Report,
        scribe: Scribe | None = None,
        spool: Spool | None = None,
        dead_letters: DeadLetters | None = None,
    ) -> None:
        self._queue = queue
        self._options = options
        self._transport = transport
        self._clock = clock
        self._report = report
        self._scribe = scribe
        self._spool = spool
        self._dead_letters = dead_letters
        self._backoff = Backoff(entropy)
        self._limit = options.batch_size
        self._refusals = 0
        self._due: float | None = None
        self._busy = False
        self._not_before = float("-inf")
        self._asked_to_wait = False
        self._next_look = float("-inf")

    def run(self) -> None:
        """Work until the queue is closed and empty."""
        while not self._queue.finished:
            self._guarded_turn(until=None, scribe=self._scribe)
        self._report.call_on_drop(self._queue.stats().dropped)

    def run_until(self, deadline: float, scribe: Scribe | None) -> None:
        """Work until nothing is held or the clock's monotonic reading reaches `deadline`; encode with `scribe`."""
        while self._queue.held and self._clock.monotonic() < deadline:
            self._guarded_turn(until=deadline, scribe=scribe)

    def _guarded_turn(self, until: float | None, scribe: Scribe | None) -> None:
        try:
            self._turn(until, scribe)
        except BaseException as error:
            # Whatever it is, the worker lives; events stay where they are. In a caller's thread, what asks the program
            # to end passes.
            if until is not None and not isinstance(error, Exception):
                raise
            pause = self._backoff.next()
            if until is not None:
                pause = max(0.0, min(pause, until - self._clock.monotonic()))
            self._report.outage(f"internal error, {type(error).__name__}", self._queue.held, pause)
            self._not_before = self._clock.monotonic() + pause
            self._sleep(self._not_before, until, captured=SLICE, waiting=NEVER)

    def _turn(self, until: float | None, scribe: Scribe | None) -> None:
        """Encode what was captured, then send one batch if it is time, else sleep until it may be."""
        # Asked before encoding: whatever a flush waits for is then encoded, too, and leaves in one batch.
        hurrying = self._queue.hurrying
        if scribe is not None:
            scribe.encode()
        dropped = self._queue.stats().dropped
        self._report.losses(dropped)
        if until is None:
            self._report.call_on_drop(dropped)
        now = self._clock.monotonic()
        if self._spool is not None and (now >= self._next_look or self._spool.wants_look):
            self._look(self._spool, now)
        if self._queue.take_impatience() and not self._asked_to_wait:
            self._not_before = now
        waiting = self._queue.waiting
        if not waiting and self._spool is not None and self._spool.oldest() == 0:
            # How many events another process left is known when its segment is opened. They have waited long enough.
            self._load(self._spool)
            waiting, self._due = self._queue.waiting, now
        if waiting and self._due is None:
            self._due = now + self._options.flush_interval
        if not waiting:
            self._idle(now, until)
        elif now < self._not_before:
            # Encoded events are smaller than what captured ones keep alive: an outage is sat out in that form.
            self._sleep(self._not_before, until, captured=SLICE, waiting=NEVER)
        elif waiting >= self._options.batch_size or hurrying or (self._due is not None and now >= self._due):
            self._due = now
            self._deliver(until)
        else:
            size = self._options.batch_size
            self._sleep(self._due, until, captured=size - waiting, waiting=size)

    def _idle(self, now: float, until: float | None) -> None:
        """Nothing is there to send. On a busy site the next event wakes nobody: the interval begins without it."""
        if not self._busy or self._queue.hurrying:
            self._due = None
            self._sleep(None, until, captured=1, waiting=1)
        else:
            size = self._options.batch_size
            self._due = now + self._options.flush_interval
            self._sleep(self._due, until, captured=size, waiting=size)
            self._busy = bool(self._queue.captured or self._queue.waiting)

    def _sleep(self, moment: float | None, until: float | None, *, captured: int, waiting: int) -> None:
        """Sleep until one of the moments, or until so many calls are captured or events wait to be sent."""
        look = None if self._spool is None else self._next_look
        moments = [end for end in (moment, until, look) if end is not None]
        seconds = max(0.0, min(moments) - self._clock.monotonic()) if moments else None
        if self._scribe is None:
            self._queue.sleep_until_spooled(self._clock, seconds, wake_at=waiting)
        else:
            self._queue.sleep_until_captured(self._clock, seconds, wake_at=captured)

    # -- disk to ready --------------------------------------------------------------------------------------------

    def _look(self, spool: Spool, now: float) -> None:
        self._next_look = now + LOOK_SECONDS
        try:
            spool.look_for_orphans()
            trouble = spool.trouble
        except OSError as error:
            trouble = error.strerror or type(error).__name__
        if trouble is not None:
            self._report.disk(trouble, "cannot adopt what an ended process left", "it stays there")

    def _read(self, spool: Spool) -> Found | None:
        try:
            return spool.read(self._options.batch_size, MAX_BODY_BYTES)
        except OSError as error:
            self._report.disk(error.strerror or type(error).__name__, "cannot read its spool", "events stay there")
            self._not_before = self._clock.monotonic() + self._backoff.next()
            return None

    def _load(self, spool: Spool) -> None:
        """Bring the next events into memory, whatever else is found on the way."""
        while (found := self._read(spool)) is not None:
            if found.damaged is not None:
                self._report.damage(*found.damaged)
            with self._queue.lock:
                self._queue.adopt(found.adopted)
                if found.skipped is not None:
                    self._queue.lose_spooled(found.skipped, spool.skip())
                elif found.frames:
                    self._queue.load(_batch(found))
                    spool.taken(found.frames)
            if found.frames:
                return

    # -- ready to settled -----------------------------------------------------------------------------------------

    def _deliver(self, until: float | None) -> None:
        if self._spool is not None and not self._queue.ready:
            self._load(self._spool)
        batch = self._queue.take_batch(self._limit, MAX_BODY_BYTES)
        if not batch:
            # What waits cannot be read now, or is not written yet: no reason to turn as fast as one can.
            self._not_before = max(self._not_before, self._clock.monotonic() + _A_MOMENT)
            return
        try:
            outcome, retry_after = self._send(batch, until)
        except BaseException:
            self._queue.settle(batch, back=batch)
            raise
        self._act_on(batch, outcome, retry_after)

    def _settle(self, batch: Batch, *, back: Batch | None = None, dropped: dict[str, int] | None = None) -> None:
        # On disk before in the books: who waits for it may end the process at once, and the next one reads it there.
        first = self._queue.first_on_disk(back)
        if self._spool is not None and batch.offsets is not None and first != -1:
            try:
                self._spool.settle(first)
            except OSError as error:
                self._report.disk(
                    error.strerror or type(error).__name__,
                    "cannot mark what is settled",
                    "it is sent again after a crash",
                )
        self._queue.settle(batch, back=back, dropped=dropped)

    def _act_on(self, batch: Batch, outcome: Judged | Refused | Unanswered, retry_after: float | None) -> None:
        match outcome:
            case Judged():
                self._settle(
                    batch,
                    back=batch.pick(outcome.retry) if outcome.retry else None,
                    dropped={"rejected": outcome.rejected} if outcome.rejected else None,
                )
                # What a body had no room for, or a search has not come to yet, waits for no further events.
                full = len(batch) == self._limit or not self._queue.waiting
                searching = self._limit < self._options.batch_size
                self._refusals = 0
                self._busy = True
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

    def _send(self, batch: Batch, until: float | None) -> tuple[Judged | Refused | Unanswered, float | None]:
        seconds = self._options.timeout
        if until is not None:
            seconds = max(0.001, min(seconds, until - self._clock.monotonic()))
        # Stamped at this very send: the collector compares it with its own clock.
        head = b'{"sent_at":%d,"events":[' % (self._clock.time_ns() // 1_000_000)
        try:
            answer: Answer = self._transport.send(b"%b%b]}" % (head, b",".join(batch.bodies)), seconds=seconds)
        except TransportError as error:
            return Unanswered(str(error)), None
        retry_after = read_retry_after(answer.retry_after, self._clock.time_ns())
        return read_answer(answer, len(batch), batch.id), retry_after

    def _halve(self, batch: Batch, refused: Refused) -> None:
        """Bisect: send half of the batch next, or drop the event that is refused even alone.

        The size of batches is the whole state of the search. It doubles again with each batch that gets through, so
        that a collector with smaller limits than usual is met at the size that it takes.
        """
        if len(batch) == 1:
            self._bury(batch.bodies[0], refused)
            self._settle(batch, dropped={refused.reason: 1})
            self._report.hint(refused.reason, f"refused alone with {refused.words}")
        else:
            self._limit = len(batch) // 2
            self._queue.settle(batch, back=batch)

    def _pause(self, words: str, retry_after: float | None) -> None:
        seconds = self._backoff.next(retry_after)
        self._not_before = self._clock.monotonic() + seconds
        self._asked_to_wait = retry_after is not None
        if not self._queue.finished:
            self._report.outage(words, self._queue.held, seconds)

    def _bury(self, body: bytes, refused: Refused) -> None:
        """Keep what can never be delivered, where there is a file for it."""
        if self._dead_letters is None:
            return
        at = datetime.fromtimestamp(self._clock.time_ns() / 1e9, tz=UTC).isoformat(timespec="milliseconds")
        try:
            self._dead_letters.append(body, reason=refused.reason, answer=refused.words, at=at)
        except OSError as error:
            self._report.disk(
                error.strerror or type(error).__name__, "cannot write to its dead letters", "they are counted"
            )


def _batch(found: Found) -> Batch:
    frames = found.frames
    return Batch(
        [frame.seq if found.own else 0 for frame in frames],
        [frame.body for frame in frames],
        [frame.offset for frame in frames],
    )
