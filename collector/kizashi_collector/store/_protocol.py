"""What a store promises: the Log that keeps events, and the Answers computed from it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Protocol

from msgspec import Struct

from kizashi_collector.analysis import FunnelFigures, Interval, LoggedEvent, Summary
from kizashi_collector.store._event_columns import EventColumns
from kizashi_schemas import Funnel, KizashiError
from kizashi_schemas.plan import Plan

__all__ = [
    "ACCEPTED",
    "Answers",
    "Candidate",
    "Log",
    "NameSeen",
    "Outcome",
    "QueryEndedError",
    "QueryTooSlowError",
    "Refusal",
    "RejectedRow",
    "StoreBusyError",
    "StoreError",
    "SummaryReport",
]


class StoreError(KizashiError):
    """The store cannot do it now: nothing of the request was kept."""


class StoreBusyError(StoreError):
    """More waits to be written than the store takes; try again shortly."""


class QueryTooSlowError(StoreError):
    """An answer took longer than questions may."""


class QueryEndedError(StoreError):
    """A question was given up, since its client left or the collector stops."""


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


class NameSeen(Struct, frozen=True):
    """A name in the log: how many events of it, and the latest time."""

    name: str
    count: int
    last_time: int


class SummaryReport(Struct, frozen=True):
    """A summary with what is known of its completeness; complete_until is None before anything was received."""

    summary: Summary
    complete_until: int | None


class Log(Protocol):
    """The durable log of events. What it acknowledges is on disk."""

    async def append(self, parts: Sequence[EventColumns | Candidate]) -> Sequence[Outcome]:
        """Keep what is new and return one outcome for each event, once all of it is durable.

        Columns hold events that nothing was found against; every other one comes as a candidate, in its place. An
        event that was plainly accepted has ACCEPTED itself as its outcome. The caller leaves the parts alone. Raises
        StoreBusyError or StoreError, and then nothing was kept.
        """

    async def newest(self, limit: int) -> list[LoggedEvent]:
        """The events received last, latest first."""

    async def rejected(self, limit: int) -> tuple[list[RejectedRow], dict[str, int]]:
        """The events rejected last, latest first, and how many are kept of each code."""

    async def names(self) -> list[NameSeen]:
        """The names in the log, adjustments aside, in alphabetical order."""

    def pending(self) -> int:
        """How many events wait to be written."""

    async def check(self) -> str | None:
        """Why the log cannot take events now, or None. After a failure it tries whether writing works again."""

    async def close(self) -> None:
        """Finish what was begun and release the files."""


class Answers(Protocol):
    """Answers computed from the log. Every acknowledged event with time ≤ as_of is in them.

    Both raise QueryTooSlowError or QueryEndedError; a cancelled question stops its work.
    """

    async def summary(self, plan: Plan | None, interval: Interval, by: tuple[str, ...]) -> SummaryReport:
        """The summary of the interval by source fields."""

    async def funnel(
        self, plan: Plan | None, funnel: Funnel, interval: Interval, by: tuple[str, ...], attribution: str
    ) -> FunnelFigures:
        """A checked funnel over the interval, by source fields or `properties.x`."""
