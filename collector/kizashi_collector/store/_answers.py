"""Answers computed straight from the log, by the plain algorithms of the analysis."""

from __future__ import annotations

import sqlite3

from kizashi_collector.analysis import (
    FRESHNESS_SPAN_MS,
    FunnelFigures,
    Interval,
    Worth,
    complete_until,
    evaluate_funnel,
    summarize,
)
from kizashi_collector.store._log import SqliteLog, scan
from kizashi_collector.store._patience import Patience
from kizashi_collector.store._protocol import SummaryReport
from kizashi_schemas import Funnel
from kizashi_schemas.plan import Plan

__all__ = ["LogAnswers"]

_ADJUSTMENTS = "adjust IS NOT NULL AND time <= ?"
_RECEIPTS = "SELECT received_at, time FROM events WHERE imported = 0 AND received_at > ? AND received_at <= ?"
_LAST_RECEIPT = "SELECT max(received_at) FROM events WHERE imported = 0 AND received_at <= ?"


class LogAnswers:
    """Answers for a SQLite log: each reads a snapshot and counts, in a reader's thread."""

    def __init__(self, log: SqliteLog) -> None:
        self._log = log

    async def summary(self, plan: Plan | None, interval: Interval, by: tuple[str, ...]) -> SummaryReport:
        """The summary of the interval; see Answers.summary."""

        def question(connection: sqlite3.Connection, patience: Patience) -> SummaryReport:
            events = scan(connection, "adjust IS NULL AND time > ? AND time <= ?", (interval.start, interval.end))
            worth = Worth(plan, scan(connection, _ADJUSTMENTS, (interval.as_of,)))
            since = interval.as_of - FRESHNESS_SPAN_MS
            last_receipt = connection.execute(_LAST_RECEIPT, (interval.as_of,)).fetchone()[0]
            receipts = connection.execute(_RECEIPTS, (since, interval.as_of))
            return SummaryReport(
                summarize(events, plan=plan, worth=worth, interval=interval, by=by, check=patience),
                complete_until(receipts, last_receipt=last_receipt, as_of=interval.as_of),
            )

        return await self._log.read(question)

    async def funnel(
        self, plan: Plan | None, funnel: Funnel, interval: Interval, by: tuple[str, ...], attribution: str
    ) -> FunnelFigures:
        """A funnel over the interval; see Answers.funnel."""
        since = -1 if funnel.one_at_a_time else interval.start

        def question(connection: sqlite3.Connection, patience: Patience) -> FunnelFigures:
            events = scan(connection, "adjust IS NULL AND time > ? AND time <= ?", (since, interval.as_of))
            worth = Worth(plan, scan(connection, _ADJUSTMENTS, (interval.as_of,)))
            zone = plan.timezone if plan is not None else "UTC"
            return evaluate_funnel(
                events, funnel, interval, worth=worth, zone=zone, by=by, attribution=attribution, check=patience
            )

        return await self._log.read(question)
