"""From captured to ready: encodes what was tracked, and with a spool writes it down before anything else happens."""

from __future__ import annotations

from collections import Counter
from contextlib import suppress

from kizashi._clock import Clock
from kizashi._delivery._batch import Batch
from kizashi._delivery._queue import Queue, Slice
from kizashi._delivery._report import Report
from kizashi._encoding import Encoder
from kizashi._errors import UsageError
from kizashi._spool import Spool

__all__ = ["SLICE", "Scribe"]

SLICE = 500
"""So many captured calls are encoded at a time."""

GATHER_SECONDS = 0.02
"""With a spool, events wait this long for others to be written together: a fifth of what was promised."""

_FRAME_BYTES = 16
_PART_BYTES = 64 * 1024


class Scribe:
    """Encodes. With a spool it has a thread of its own, so that no slow collector keeps events from the disk."""

    def __init__(
        self,
        queue: Queue,
        encoder: Encoder,
        spool: Spool | None,
        *,
        clock: Clock,
        report: Report,
        oldest_gives_way: bool,
    ) -> None:
        self._queue = queue
        self._encoder = encoder
        self._spool = spool
        self._clock = clock
        self._report = report
        self._oldest_gives_way = oldest_gives_way
        self._in_memory = False
        """Whether the disk refused something, so that there may be events in memory alone."""

    def run(self) -> None:
        """Work until the queue is closed and everything captured is encoded."""
        queue = self._queue
        busy = False
        while not (queue.closed and not queue.captured):
            try:
                if not busy:
                    # What the disk refused is tried again, whether something comes or not.
                    queue.sleep_until_captured(self._clock, 1.0 if self._in_memory else None, wake_at=1)
                if not (queue.closed or queue.hurrying):
                    queue.sleep_until_captured(self._clock, GATHER_SECONDS, wake_at=SLICE)
                busy = queue.captured > 0
                self.encode()
            except BaseException as error:  # noqa: BLE001 - whatever it is, the thread lives; events stay where they are
                self._report.outage(f"internal error, {type(error).__name__}", queue.captured, 1.0)
                queue.sleep_until_captured(self._clock, 1.0, wake_at=SLICE)
        if self._spool is not None and self._in_memory:
            with suppress(Exception):  # the last try: what it leaves is in memory, and counted
                self.write_down(self._spool)

    def encode(self) -> None:
        """Encode what is captured now."""
        # No more than was there at the start: a busy site must not keep its own events from being sent.
        for _ in range(0, self._queue.captured, SLICE):
            piece = self._queue.take_records(SLICE)
            dropped: Counter[str] = Counter()

            def refuse(error: Exception, dropped: Counter[str] = dropped) -> None:
                reason, field = "invalid", type(error).__name__
                if isinstance(error, UsageError):
                    reason, field = error.reason, error.field
                dropped[reason] += 1
                self._report.hint(reason, field)

            bodies: list[bytes] = []
            places = self._encoder.encode_into(bodies, piece.records, refuse)
            first = piece.first_seq
            self._pass_on(piece, Batch([first + place for place in places], bodies), dropped)
        if self._spool is not None and self._in_memory:
            self.write_down(self._spool)

    def _pass_on(self, piece: Slice, batch: Batch, dropped: Counter[str]) -> None:
        spool = self._spool
        if spool is None or not batch:
            self._queue.put(piece, ready=batch, dropped=dropped)
            return
        written = self._write(spool, batch)
        with self._queue.lock:
            spool.publish()
            rest = batch if not written else batch.split(written)[1]
            self._in_memory |= len(rest) > 0
            self._queue.put(piece, ready=rest, spooled=written, dropped=dropped)

    def write_down(self, spool: Spool) -> None:
        """Move what a refusing disk left in memory to it, now that it may take it again."""
        queue = self._queue
        while True:
            # With the lock, so that the sender does not take it meanwhile: that is as long as one write takes.
            with queue.lock:
                batch = queue.in_memory()
                if batch is None:
                    self._in_memory = False
                    return
                written, count = self._write(spool, batch), len(batch)
                spool.publish()
                queue.move_to_disk(batch, written)
                if written < count:
                    return

    def _write(self, spool: Spool, batch: Batch) -> int:
        """Write down as many of the first events as the disk takes; return how many."""
        written = 0
        rest = batch
        while rest:
            # In parts, so that segments end where they should even if events are large.
            part, rest = rest.split(rest.front(len(rest), _PART_BYTES))
            size = part.size + _FRAME_BYTES * len(part)
            while self._oldest_gives_way and spool.full(size) and (lost := spool.evict()):
                self._queue.lose_spooled("spool_full", lost)
            if spool.full(size):
                self._report.disk("it holds spool_max_bytes")
                break
            try:
                spool.append(list(zip(part.seqs, part.bodies, strict=True)))
            except OSError as error:
                self._report.disk(error.strerror or type(error).__name__)
                break
            written += len(part)
        return written
