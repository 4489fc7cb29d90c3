"""What a store promises: the Log that keeps events, and the Answers computed from it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Literal, Protocol, TypeVar

from msgspec import Struct

from kizashi_collector.analysis import Break, FunnelFigures, IncrementKind, Interval, LoggedEvent, Review, Summary
from kizashi_collector.store._event_columns import EventColumns
from kizashi_schemas import Funnel, KizashiError
from kizashi_schemas.plan import Plan

__all__ = [
    "ACCEPTED",
    "Answers",
    "AnswersState",
    "Candidate",
    "DamagedError",
    "Erased",
    "FunnelReport",
    "Gone",
    "IncrementLine",
    "IncrementsReport",
    "IndexState",
    "Lapsed",
    "Log",
    "LogState",
    "NameSeen",
    "Outcome",
    "QueryEndedError",
    "QueryTooSlowError",
    "Refusal",
    "RejectedFilter",
    "RejectedRow",
    "StoreBusyError",
    "StoreError",
    "SummaryReport",
    "UnknownCursorError",
]


T = TypeVar("T")


class StoreError(KizashiError):
    """The store cannot do it now: nothing of the request was kept."""


class DamagedError(StoreError):
    """What is stored is not what was written; no waiting mends it."""


class StoreBusyError(StoreError):
    """More waits to be written than the store takes; try again shortly."""


class QueryTooSlowError(StoreError):
    """An answer took longer than questions may."""


class QueryEndedError(StoreError):
    """A question was given up, since its client left or the collector stops."""


class UnknownCursorError(KizashiError):
    """A cursor that no answer of this log gave."""


class Refusal(Struct, frozen=True):
    """Why an event is refused, unless its id is stored already."""

    code: str
    message: str


class Candidate(Struct, frozen=True, kw_only=True):
    """One event of a batch on its way into the log.

    `event` is None where what was sent is not of an event's form. `body` is what was sent, as JSON, for the rejected.
    """

    event: LoggedEvent | None
    refusal: Refusal | None
    id: str | None
    body: bytes
    received_at: int


class Outcome(Struct, frozen=True):
    """What became of a candidate. Code and message say why it is a conflict, an order's duplicate, or rejected."""

    verdict: Literal["accepted", "duplicate", "rejected"]
    code: str | None = None
    message: str | None = None


ACCEPTED = Outcome("accepted")
"""The outcome of every event that was plainly accepted."""


class RejectedRow(Struct, frozen=True, kw_only=True):
    """A rejected event as it is kept."""

    received_at: int
    id: str | None
    code: str
    message: str
    body: bytes
    seq: int = 0


class RejectedFilter(Struct, frozen=True, kw_only=True):
    """Which rejected events: those with one of these codes or ids, received in (since, until]; None for all."""

    codes: tuple[str, ...] | None = None
    ids: tuple[str, ...] | None = None
    since: int | None = None
    until: int | None = None


_ALL = RejectedFilter()


class Gone(Struct, frozen=True):
    """Events that are no longer in the log, with their numbers: because of their age, or as their actor was erased.

    `actors` are the numbers that the log has for those who were erased.
    """

    why: Literal["expired", "erased"]
    events: Sequence[LoggedEvent]
    seqs: Sequence[int]
    actors: Sequence[int] = ()


class Lapsed(Struct, frozen=True):
    """Adjustments, by their numbers, that are no longer in force: their events, or they themselves, are deleted."""

    seqs: Sequence[int]


class Erased(Struct, frozen=True):
    """How many events of an actor went, adjustments of its orders included, and how many rejected ones."""

    events: int
    rejected: int


class NameSeen(Struct, frozen=True):
    """A name in the log: how many events of it, and the latest time."""

    name: str
    count: int
    last_time: int


class IndexState(Struct, frozen=True, kw_only=True):
    """The index of ids: why it cannot be written and what to do, or None; full tables and ids in memory that wait to be
    written; and its sorted runs on disk with the ids in them.
    """

    trouble: str | None
    tables_waiting: int
    ids_waiting: int
    runs: int
    ids_in_runs: int


class LogState(Struct, frozen=True, kw_only=True):
    """What the log weighs. Sizes in bytes, times in milliseconds since 1970.

    `engine` is the database with its version. `file_bytes` by kind: `log`, `wal`, `ids`. `disk_bytes` and `free_bytes`
    are of the volume that holds it. `events` leaves adjustments out; the count of `chunks` may be some seconds old.
    `last_received` is None in an empty log, `last_backup` where none is known.
    """

    engine: str
    file_bytes: dict[str, int]
    free_bytes: int
    disk_bytes: int
    events: int
    chunks: int
    rejected: int
    last_received: int | None
    last_backup: int | None
    index: IndexState


class SummaryReport(Struct, frozen=True):
    """A summary with what is known of its completeness, and the interval that it counted.

    complete_until is None before anything was received. Answers to equal questions that have the same `version` have
    the same numbers; None where that cannot be told without counting.
    """

    summary: Summary
    complete_until: int | None
    interval: Interval
    version: str | None = None


class FunnelReport(Struct, frozen=True):
    """A funnel's figures, and the interval that they count.

    `recomputing` is set where the plan's answers are being counted anew, and this one came from the log meanwhile: how
    far that is, from 0 to 1.
    """

    figures: FunnelFigures
    interval: Interval
    recomputing: float | None = None


class IncrementLine(Struct, frozen=True, kw_only=True):
    """What a feed was told of a journey at `time`; see analysis.Increment. Times are milliseconds, money is micros.

    `source` is the whole source credited, as JSON. What is said of an event is None where none caused it.
    """

    cursor: str
    time: int
    journey: str
    actor: str | None
    source: str
    kind: IncrementKind
    event: str | None
    event_id: str | None
    event_time: int | None
    order: str | None
    value: int
    emitted: int
    fit: int | None


class IncrementsReport(Struct, frozen=True):
    """Lines of the ledger as of a time, the cursor after the last of them, and whether there are more."""

    as_of: int
    lines: Sequence[IncrementLine]
    next_cursor: str
    more: bool


class AnswersState(Struct, frozen=True):
    """Whether the plan's answers are kept current, and if not, how much of the log has been counted for that, from 0 to
    1; how many events are held in memory for them, how many are stored and not counted yet, how many seconds it took to
    count them from the log, and how complete the recent past is; up to when values were learned from, how many seconds
    that took, and the journeys of how many actors are being found anew. None where that is not known.
    """

    current: bool = False
    progress: float = 0.0
    events: int = 0
    backlog: int = 0
    build_seconds: float | None = None
    complete_until: int | None = None
    learned_until: int | None = None
    learning_seconds: float | None = None
    mending: int = 0


class Log(Protocol):
    """The durable log of events. What it acknowledges is on disk."""

    async def append(self, parts: Sequence[EventColumns | Candidate]) -> Sequence[Outcome]:
        """Keep what is new and return one outcome for each event, once all of it is durable.

        Columns hold events that nothing was found against; every other one comes as a candidate, in its place. An
        event that was plainly accepted has ACCEPTED itself as its outcome. The caller leaves the parts alone. Raises
        StoreBusyError or StoreError, and then nothing was kept.
        """

    def submit(self, parts: Sequence[EventColumns | Candidate]) -> asyncio.Future[Sequence[Outcome]]:
        """Do as `append`, without waiting: the future has its result or its StoreError. Raises StoreBusyError."""

    async def newest(self, limit: int) -> list[LoggedEvent]:
        """The events received last, latest first."""

    async def rejected(self, limit: int, wanted: RejectedFilter = _ALL) -> tuple[list[RejectedRow], dict[str, int]]:
        """The wanted events rejected last, latest first, and how many wanted ones are kept of each code."""

    async def rejected_after(self, seq: int, limit: int, wanted: RejectedFilter) -> list[RejectedRow]:
        """The wanted rejected events with a higher number, in the order in which they came."""

    async def settle_rejected(self, gone: Sequence[int], kept: Sequence[tuple[int, str, str]]) -> None:
        """Delete the rejected events with these numbers, and give others a new code and message."""

    async def retain(self, before: int) -> int:
        """Delete the events with time < `before`, and the rejected ones received before; return how many events went.

        It is done in transactions of some 10 ms. An adjustment stays in force as long as its original is stored.
        """

    async def erase(self, actor: str) -> Erased:
        """Erase all that is stored of an actor when the call is made, from all files, adjustments of its orders too.

        Ids of what was erased are answered `duplicate`, code `erased`, from then on. Raises StoreError; then some of it
        may be left, and the next call erases the rest.
        """

    async def names(self) -> list[NameSeen]:
        """The names in the log, adjustments aside, in alphabetical order."""

    def pending(self) -> int:
        """How many events wait to be written."""

    async def check(self) -> str | None:
        """Why the log cannot take events now, or None. After a failure it tries whether writing works again."""

    async def state(self) -> LogState:
        """What the log weighs, cheaply enough to ask every second. Raises StoreError."""

    async def close(self) -> None:
        """Finish what was begun and release the files."""


class Answers(Protocol):
    """Answers computed from the log. Every acknowledged event with time ≤ as_of is in them.

    Both raise QueryTooSlowError or QueryEndedError; a cancelled question stops its work.
    """

    def keep(self, plan: Plan | None) -> None:
        """Keep current what this plan declares from now on: its summaries over its windows, as they end now.

        Every other answer, and these until they are counted once, is counted from the log when it is asked for.
        """

    async def summary(
        self,
        plan: Plan | None,
        interval: Interval,
        by: tuple[str, ...],
        then: Callable[[SummaryReport], T],
        *,
        moving: bool = False,
        known: str | None = None,
        fresh: bool = False,
    ) -> T | None:
        """The summary of the interval by source fields, handed to `then` in the thread that counted it.

        A `moving` interval ends now, and nobody minds if it ends some milliseconds later: the report says when. None
        where an answer with the version `known` still holds. A store may answer what the plan declares with what it
        counted some seconds ago, which the report says, unless it is to be `fresh`.
        """

    async def funnel(
        self,
        plan: Plan | None,
        funnel: Funnel,
        interval: Interval,
        by: tuple[str, ...],
        attribution: str,
        then: Callable[[FunnelReport], T],
        *,
        name: str | None = None,
        moving: bool = False,
        fresh: bool = False,
    ) -> T:
        """A checked funnel over the interval, by source fields or `properties.x`, handed to `then` as in `summary`.

        `name` is that of the plan's funnel, if it is one.
        """

    async def values(self, plan: Plan, as_of: int, *, max_age_ms: int = 0) -> Review:
        """The review of the plan's micro-conversions as they stand at as_of; see analysis.review.

        One that takes long to count may be that of an earlier instant, by at most `max_age_ms`, which it says.
        """

    async def increments(
        self, plan: Plan, as_of: int, since: str | None, limit: int, then: Callable[[IncrementsReport], T]
    ) -> T:
        """At most `limit` increments after the cursor `since`, or from the first, handed to `then` as in `summary`.

        The ledger is brought up to as_of first, under a plan with a final event. Raises UnknownCursorError.
        """

    async def breaks(self, plan: Plan, as_of: int) -> Sequence[Break] | None:
        """The breaks in the tracking of the plan's events now, which `as_of` was a moment ago, as summaries are judged
        by them.

        It costs next to nothing: what would have to be counted from the log cannot be told, and is None. So it is where
        nothing has arrived, imports aside, for most of a day.
        """

    def state(self) -> AnswersState:
        """How current they are; may take some milliseconds, in any thread."""

    async def close(self) -> None:
        """Let go of what is kept."""
