"""From a request's body to verdicts: decode, check, append, and answer only for what is durable."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import chain

from msgspec import Raw, Struct

from kizashi_collector.ingest._check import Checker
from kizashi_collector.ingest._clock import TRUSTED_WITHIN_MS, Clock
from kizashi_collector.ingest._decode import BadBodyError, Format, decode_batch
from kizashi_collector.ingest._live_feed import LiveFeed
from kizashi_collector.ingest._plan_book import PlanBook
from kizashi_collector.ingest._usual import USUAL_EVENTS
from kizashi_collector.store import ACCEPTED, Candidate, EventColumns, Log, Outcome, StoreError
from kizashi_schemas import BatchAnswer, KizashiError, RawBatch, TimeError, Verdict, parse_time

__all__ = ["Ingest", "IngestReport", "OpenBatch", "TooManyEventsError"]


class TooManyEventsError(KizashiError):
    """A batch holds more events than one request may."""


class IngestReport(Struct, frozen=True):
    """What one batch came to, for the metrics: its outcomes, and by how many milliseconds its times were shifted.

    `late_ms` is by how much its first event came after its time, or None where that is no event.
    """

    outcomes: Sequence[Outcome]
    shift: int
    imported: bool = False
    late_ms: int | None = None


class OpenBatch(Struct, frozen=True, eq=False):
    """A batch whose envelope was read: its events, still raw, and what is needed to check them."""

    events: list[Raw]
    checker: Checker
    received_at: int
    shift: int
    imported: bool


class Ingest:
    """Takes batches for a log. `retention` in milliseconds overrides the plan's; `max_events` bounds a batch.

    `live` tells those who follow what each batch came to.
    """

    def __init__(
        self,
        log: Log,
        plans: PlanBook,
        clock: Clock,
        *,
        max_events: int = 2_500,
        retention: int | None = None,
        on_batch: Callable[[IngestReport], None] = lambda _: None,
        live: LiveFeed | None = None,
    ) -> None:
        self.live = live or LiveFeed()
        self._log = log
        self._plans = plans
        self._clock = clock
        self._max_events = max_events
        self._retention = retention
        self._on_batch = on_batch

    def open(self, body: bytes, kind: Format) -> OpenBatch:
        """Look into a batch, as far as is needed to say how much it holds. Raises BadBodyError, TooManyEventsError."""
        received_at = self._clock.now()
        batch = decode_batch(body, kind)
        if len(batch.events) > self._max_events:
            raise TooManyEventsError(f"{len(batch.events)} events in one batch, {self._max_events} may be; send fewer")
        shift = self._shift(batch, received_at)
        plan = self._plans.current
        checker = Checker(
            kind,
            plan,
            received_at=received_at,
            shift=shift,
            imported=batch.import_,
            retention=self._retention or (plan.retention if plan is not None else None),
        )
        return OpenBatch(batch.events, checker, received_at, shift, batch.import_)

    async def take(self, batch: OpenBatch) -> BatchAnswer:
        """Check and store a batch; return its verdicts once everything accepted is durable.

        Raises BadBodyError, StoreBusyError or StoreError, and then nothing was kept.
        """
        parts: list[EventColumns | Candidate] = []
        for start in range(0, len(batch.events), USUAL_EVENTS):
            if start:
                await asyncio.sleep(0)  # other requests get their turn between slices
            parts += batch.checker.check(batch.events[start : start + USUAL_EVENTS])
        return self._settled(batch, parts, await self._log.append(parts) if parts else [])

    def submit(self, batch: OpenBatch, then: Callable[[BatchAnswer | KizashiError], None]) -> None:
        """Do as `take` for a batch of 1 to USUAL_EVENTS events, without waiting.

        `then` is called in the event loop with the verdicts or with why nothing was kept. Raises BadBodyError and
        StoreBusyError, and then it is not.
        """
        parts = batch.checker.check(batch.events)

        def done(future: asyncio.Future[Sequence[Outcome]]) -> None:
            error = future.exception()
            if error is None:
                then(self._settled(batch, parts, future.result()))
            else:
                then(error if isinstance(error, KizashiError) else StoreError(f"cannot store: {error}"))

        self._log.submit(parts).add_done_callback(done)

    def _settled(
        self, batch: OpenBatch, parts: Sequence[EventColumns | Candidate], outcomes: Sequence[Outcome]
    ) -> BatchAnswer:
        first_time = _first_time(parts)
        late = None if first_time is None else batch.received_at - first_time
        self._on_batch(IngestReport(outcomes, batch.shift, batch.imported, late))
        if self.live.followers:
            self.live.tell(batch.received_at, parts, outcomes)
        return _answer(parts, outcomes)

    def _shift(self, batch: RawBatch, received_at: int) -> int:
        if batch.sent_at is None:
            return 0
        try:
            difference = received_at - parse_time(batch.sent_at)
        except TimeError as error:
            raise BadBodyError(422, "bad_sent_at", f"sent_at: {error}") from None
        return difference if abs(difference) > TRUSTED_WITHIN_MS and self._clock.trusted else 0


def _first_time(parts: Sequence[EventColumns | Candidate]) -> int | None:
    if not parts:
        return None
    first = parts[0]
    if isinstance(first, EventColumns):
        return first.time[0]
    return None if first.event is None else first.event.time


def _answer(parts: Sequence[EventColumns | Candidate], outcomes: Sequence[Outcome]) -> BatchAnswer:
    accepted = outcomes.count(ACCEPTED)
    if accepted == len(outcomes):
        return BatchAnswer(accepted=accepted, duplicates=0, rejected=0, verdicts=[])
    ids = chain.from_iterable(part.id if isinstance(part, EventColumns) else (part.id,) for part in parts)
    verdicts = [
        Verdict(index=index, id=event_id, verdict=outcome.verdict, code=outcome.code, message=outcome.message)
        for index, (event_id, outcome) in enumerate(zip(ids, outcomes, strict=True))
        if outcome.verdict != "accepted"
    ]
    counts = Counter(verdict.verdict for verdict in verdicts)
    return BatchAnswer(
        accepted=accepted, duplicates=counts["duplicate"], rejected=counts["rejected"], verdicts=verdicts
    )
