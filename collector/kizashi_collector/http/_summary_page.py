"""One page of a summary, written as JSON or CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from typing import Literal, TypeVar

import msgspec

from kizashi_collector.analysis import Figures, Interval
from kizashi_collector.http._respond import NULL, money, money_text
from kizashi_collector.store import SummaryReport
from kizashi_schemas import EventStats, SummaryAnswer, SummaryRow, SummaryTotal, format_time
from kizashi_schemas.plan import Plan

__all__ = ["Page"]

T = TypeVar("T", bound=SummaryTotal)

# What a spreadsheet takes for the beginning of a formula (OWASP, CSV injection).
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
_VALUE_COLUMNS = (
    *("journeys", "converted", "open", "brought_value", "expected_value", "low", "high"),
    *("effective_conversions", "ready", "reason", "bid_value"),
)


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """Some rows of a report, with all that is needed to write them down."""

    report: SummaryReport
    plan: Plan | None
    interval: Interval
    by: tuple[str, ...]
    rows: Sequence[Figures]
    style: Literal["number", "string"]
    next_cursor: str | None

    @property
    def _reason(self) -> Literal["no_plan", "recomputing"]:
        return "recomputing" if self.plan is not None and self.plan.finals else "no_plan"

    def numbers(self) -> bytes:
        """Rows and total alone, without the clock's fields: the same bytes as long as no number changed."""
        return msgspec.json.encode([self._rows(), self._total()])

    def json(self) -> bytes:
        """The page as a SummaryAnswer."""
        until = self.report.complete_until
        return msgspec.json.encode(
            SummaryAnswer(
                as_of=format_time(self.interval.as_of),
                from_=format_time(self.interval.start),
                to=format_time(self.interval.end),
                currency=self.report.summary.currency,
                plan=None if self.plan is None else self.plan.id,
                complete_until=None if until is None else format_time(until),
                late_events_applied=self.report.summary.late_events,
                rows=self._rows(),
                total=self._total(),
                next_cursor=self.next_cursor,
            )
        )

    def csv(self, *, raw: bool) -> bytes:
        """The page as CSV: a line for each row, no total; `raw` leaves text as it is, else formulae are defused."""
        text = io.StringIO(newline="")
        writer = csv.writer(text, lineterminator="\r\n")
        names = list(self.report.summary.total.events)
        columns = [f"{name}.{part}" for name in names for part in ("count", "actors", "value")]
        writer.writerow([*self.by, "actors", *columns, "final_value", "declared_value", *_VALUE_COLUMNS])
        for row in self.rows:
            cells: list[str | int] = [value if raw else _defused(value) for value in row.key]
            cells.append(row.actors)
            for name in names:
                event = row.events[name]
                cells += [event.count, event.actors, money_text(event.value)]
            cells += [money_text(row.final_value), money_text(row.declared_value)]
            cells += ["false" if c == "ready" else self._reason if c == "reason" else "" for c in _VALUE_COLUMNS]
            writer.writerow(cells)
        return text.getvalue().encode()

    def _rows(self) -> list[SummaryRow]:
        return [self._figures(SummaryRow, row, dict(zip(self.by, row.key, strict=False))) for row in self.rows]

    def _total(self) -> SummaryTotal:
        return self._figures(SummaryTotal, self.report.summary.total, {})

    def _figures(self, kind: type[T], row: Figures, key: dict[str, str]) -> T:
        return kind(
            key=key,
            actors=row.actors,
            events={
                name: EventStats(count=event.count, actors=event.actors, value=money(event.value, self.style))
                for name, event in row.events.items()
            },
            final_value=money(row.final_value, self.style),
            declared_value=money(row.declared_value, self.style),
            brought_value=NULL,
            expected_value=NULL,
            low=NULL,
            high=NULL,
            reason=self._reason,
            bid_value=NULL,
        )


def _defused(text: str) -> str:
    return f"'{text}" if text.startswith(_FORMULA) else text
