"""Answers computed straight from the log, by the plain algorithms of the analysis."""

from __future__ import annotations

import sqlite3

from kizashi_collector.analysis import (
    FRESHNESS_SPAN_MS,
    FunnelFigures,
    Interval,
    Worth,
    complete_until_of,
    evaluate_funnel,
    summarize,
    summarize_table,
)
from kizashi_collector.store._chunks import (
    DIMENSIONS,
    adjusted_among,
    adjustments,
    events_between,
    last_receipt,
    receipts,
    table_between,
)
from kizashi_collector.store._log import SqliteLog
from kizashi_collector.store._patience import Patience
from kizashi_collector.store._protocol import SummaryReport
from kizashi_schemas import Funnel
from kizashi_schemas.plan import Plan

__all__ = ["LogAnswers"]


class LogAnswers:
    """Answers for a SQLite log: each reads a snapshot and counts, in a reader's thread."""

    def __init__(self, log: SqliteLog) -> None:
        self._log = log

    async def summary(self, plan: Plan | None, interval: Interval, by: tuple[str, ...]) -> SummaryReport:
        """The summary of the interval; see Answers.summary."""

        def question(connection: sqlite3.Connection, patience: Patience) -> SummaryReport:
            texts, as_of = self._log.texts, interval.as_of
            worth = Worth(plan, adjustments(connection, as_of))
            if set(by) <= set(DIMENSIONS) and texts.sources_are_whole:
                table = table_between(connection, texts, interval.start, interval.end, patience)
                adjusted = adjusted_among(connection, texts, worth.adjusted, table)
                summary = summarize_table(
                    table,
                    texts.codes,
                    plan=plan,
                    worth=worth,
                    adjusted=adjusted,
                    interval=interval,
                    by=by,
                    check=patience,
                )
            else:
                events = events_between(connection, texts, interval.start, interval.end, patience)
                summary = summarize(events, plan=plan, worth=worth, interval=interval, by=by, check=patience)
            received_at, time = receipts(connection, texts, as_of - FRESHNESS_SPAN_MS, as_of, patience)
            last = last_receipt(connection, texts, as_of)
            return SummaryReport(summary, complete_until_of(received_at, time, last_receipt=last, as_of=as_of))

        return await self._log.read(question)

    async def funnel(
        self, plan: Plan | None, funnel: Funnel, interval: Interval, by: tuple[str, ...], attribution: str
    ) -> FunnelFigures:
        """A funnel over the interval; see Answers.funnel."""
        since = -1 if funnel.one_at_a_time else interval.start

        def question(connection: sqlite3.Connection, patience: Patience) -> FunnelFigures:
            events = events_between(connection, self._log.texts, since, interval.as_of, patience)
            worth = Worth(plan, adjustments(connection, interval.as_of))
            zone = plan.timezone if plan is not None else "UTC"
            return evaluate_funnel(
                events, funnel, interval, worth=worth, zone=zone, by=by, attribution=attribution, check=patience
            )

        return await self._log.read(question)
