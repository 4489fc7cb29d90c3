"""Pages of a summary, written as JSON or CSV."""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Literal

import msgspec
import numpy as np

from kizashi_collector.analysis import GENERALLY, Amounts, Figures, Interval, OutcomeColumns, SummaryRows
from kizashi_collector.http._problems import ProblemError
from kizashi_collector.http._respond import NULL, money, money_text
from kizashi_collector.store import SummaryReport
from kizashi_schemas import MICROS, EventStats, Evidence, Reason, SummaryAnswer, SummaryRow, SummaryTotal, format_time

__all__ = ["Page", "Writer"]

# What a spreadsheet takes for the beginning of a formula (OWASP, CSV injection).
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
_VALUE_COLUMNS = (
    *("journeys", "converted", "open", "brought_value", "expected_value", "low", "high"),
    *("effective_conversions", "ready", "reason", "bid_value"),
)


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """A page as it is sent. `numbers` is a digest of rows and total alone: the same as long as no number changed.

    `last_key` is that of its last row where more rows follow.
    """

    body: bytes
    numbers: bytes
    last_key: tuple[str, ...] | None


class Writer:
    """Writes the rows of a report down, as many as fit into `limit` bytes, and at least one.

    `plan` is the id of the plan in force, and `reason` why no row is ready. Raises ProblemError where even one row is
    larger: then there are too many event names for an answer.
    """

    def __init__(
        self,
        report: SummaryReport,
        plan: str | None,
        reason: Literal["no_plan", "recomputing"],
        interval: Interval,
        by: tuple[str, ...],
        style: Literal["number", "string"],
        limit: int,
    ) -> None:
        self._report = report
        self._plan = plan
        self._interval = interval
        self._by = by
        self._style: Literal["number", "string"] = style
        self._limit = limit
        self._names = list(report.summary.total.events)
        total = report.summary.total.outcome
        self._learned = total is not None and total.own is not None
        self._reason: Literal["no_plan", "recomputing"] = reason

    def json(self, rows: Sequence[Figures], cursor: Callable[[tuple[str, ...]], str]) -> Page:
        """A page as a SummaryAnswer; `cursor` makes the text that asks for the rows after a key."""
        [total] = self._encoded([self._report.summary.total], ())
        parts = self._fitting(len(total), self._encoded(rows, self._by))
        last_key = rows[len(parts) - 1].key if len(parts) < len(rows) else None
        envelope = self._envelope(self._reasons(rows), None if last_key is None else cursor(last_key))
        # Rows and total are encoded once, and set into the envelope where it has stand-ins for them.
        head, _, rest = envelope.partition(_NO_ROWS)
        middle, _, tail = rest.partition(_NO_TOTAL)
        body = b"".join([head, b'"rows":[', b",".join(parts), b"]", middle, b'"total":', total, tail])
        return Page(body=body, numbers=_digest([*parts, total]), last_key=last_key)

    def csv(self, rows: Sequence[Figures], *, raw: bool) -> Page:
        """A page as CSV: a line for each row, no total; `raw` leaves text as it is, else formulae are defused."""
        columns = [f"{name}.{part}" for name in self._names for part in ("count", "actors", "value")]
        head = _line([*self._by, "actors", *columns, "final_value", "declared_value", *_VALUE_COLUMNS])
        parts = self._fitting(len(head), (_line(self._cells(row, raw)) for row in rows))
        last_key = rows[len(parts) - 1].key if len(parts) < len(rows) else None
        total = _line(self._cells(self._report.summary.total, raw))
        return Page(body=b"".join([head, *parts]), numbers=_digest([head, *parts, total]), last_key=last_key)

    def _fitting(self, around: int, encoded: Iterable[bytes]) -> list[bytes]:
        """As many rows as fit beside `around` bytes and the envelope."""
        parts: list[bytes] = []
        size = _ENVELOPE_BYTES + around
        for part in encoded:
            size += len(part) + 1
            if size > self._limit:
                if not parts:
                    raise ProblemError(
                        422,
                        "too_many_names",
                        f"{len(self._names)} event names make a row of {len(part)} bytes; "
                        "put a plan in force that names those that matter",
                    )
                break
            parts.append(part)
        return parts

    def _reasons(self, rows: Sequence[Figures]) -> dict[Reason, str]:
        """A sentence for each reason that a row has, or the total."""
        told, total = self._report.summary.reasons, self._report.summary.total.outcome
        columns = SummaryRows.of(rows, self._names).outcomes
        found: set[Any] = {self._reason if total is None else total.reason}
        found.update([self._reason] if columns is None or columns.reason is None else columns.reason)
        return {code: (told.get(code) or GENERALLY[code])[:_LONGEST_REASON] for code in sorted(found - {None})}

    def _envelope(self, reasons: dict[Reason, str], next_cursor: str | None) -> bytes:
        until = self._report.complete_until
        return msgspec.json.encode(
            SummaryAnswer(
                as_of=format_time(self._interval.as_of),
                from_=format_time(self._interval.start),
                to=format_time(self._interval.end),
                currency=self._report.summary.currency,
                plan=self._plan,
                complete_until=None if until is None else format_time(until),
                late_events_applied=self._report.summary.late_events,
                rows=[],
                total=_STAND_IN,
                reasons=reasons,
                next_cursor=next_cursor,
            )
        )

    def _encoded(self, rows: Sequence[Figures], by: tuple[str, ...]) -> Iterator[bytes]:
        """Rows as JSON: the texts of each column, set into copies of what a row is but for its numbers."""
        columns = SummaryRows.of(rows, self._names)
        values = columns.values
        texts: list[list[bytes]] = [_texts([key[at] for key in columns.keys]) for at in range(len(by))]
        texts.append(_texts(columns.actors.tolist()))
        for at in range(len(self._names)):
            texts.append(_texts(columns.counts[:, at].tolist()))
            texts.append(_texts(columns.event_actors[:, at].tolist()))
            texts.append(self._amounts([row[at] for row in values] if isinstance(values, list) else values[:, at]))
        nothing = [b"null"] * len(columns)
        worths = (columns.final, columns.declared)
        texts += [nothing if found is None else self._amounts(found) for found in worths]
        texts += self._outcomes(columns.outcomes, nothing)
        form = self._form(by)
        return (form % row for row in zip(*texts, strict=True))

    def _outcomes(self, outcomes: OutcomeColumns | None, nothing: list[bytes]) -> list[list[bytes]]:
        """What stands in the places of a form from `journeys` on."""
        if outcomes is None:
            return [*[nothing] * 8, *self._not_ready(nothing)]
        texts = [_texts(column.tolist()) for column in (outcomes.journeys, outcomes.converted, outcomes.open)]
        texts.append(self._amounts(outcomes.brought))
        own, borrowed, reason = outcomes.own, outcomes.borrowed, outcomes.reason
        if own is None or borrowed is None or reason is None:
            return [*texts, *[nothing] * 4, *self._not_ready(nothing)]
        expected, low, high = (
            nothing if found is None else self._amounts(found)
            for found in (outcomes.expected, outcomes.low, outcomes.high)
        )
        texts += [expected, low, high]
        texts.append(_texts([_effective(*both) for both in zip(own, borrowed, strict=True)]))
        if self._learned:
            texts += [_texts(own), _texts(borrowed)]
        texts.append([b"true" if why is None else b"false" for why in reason])
        texts.append(_texts(reason))
        texts.append([text if why is None else b"null" for text, why in zip(expected, reason, strict=True)])
        return texts

    def _not_ready(self, nothing: list[bytes]) -> list[list[bytes]]:
        """No evidence, where rows have a place for it, and nothing to bid."""
        evidence = [nothing, nothing] if self._learned else []
        why = msgspec.json.encode(self._reason)
        return [*evidence, [b"false"] * len(nothing), [why] * len(nothing), nothing]

    def _amounts(self, amounts: Amounts) -> list[bytes]:
        """Money as exact decimal JSON."""
        if self._style == "string" or isinstance(amounts, list) or amounts.min(initial=0) < 0:
            return [bytes(money(None if amount is None else int(amount), self._style)) for amount in amounts]
        whole, part = np.divmod(amounts, MICROS)
        texts = _texts(whole.tolist())
        for at in np.flatnonzero(part).tolist():
            texts[at] = (b"%b.%06d" % (texts[at], part[at])).rstrip(b"0")
        return texts

    def _form(self, by: tuple[str, ...]) -> bytes:
        """A row with a place for each part of its key, and for each number, in their order."""
        return msgspec.json.encode(
            SummaryRow(
                key=dict.fromkeys(by, _PLACE),
                actors=_PLACE,
                events={name: EventStats(count=_PLACE, actors=_PLACE, value=_PLACE) for name in self._names},
                final_value=_PLACE,
                declared_value=_PLACE,
                journeys=_PLACE,
                converted=_PLACE,
                open=_PLACE,
                brought_value=_PLACE,
                expected_value=_PLACE,
                low=_PLACE,
                high=_PLACE,
                effective_conversions=_PLACE,
                evidence=Evidence(own=_PLACE, borrowed=_PLACE) if self._learned else None,
                ready=_PLACE,
                reason=_PLACE,
                bid_value=_PLACE,
            )
        )

    def _cells(self, row: Figures, raw: bool) -> list[str | int]:
        cells: list[str | int] = [value if raw else _defused(value) for value in row.key]
        cells.append(row.actors)
        for name in self._names:
            event = row.events[name]
            cells += [event.count, event.actors, money_text(event.value)]
        cells += [money_text(row.final_value), money_text(row.declared_value)]
        outcome = row.outcome
        if outcome is None:
            return [*cells, *[""] * 8, "false", self._reason, ""]
        ready, effective = outcome.reason is None, _effective(outcome.own, outcome.borrowed)
        cells += [outcome.journeys, outcome.converted, outcome.open]
        cells += map(money_text, (outcome.brought, outcome.expected, outcome.low, outcome.high))
        cells += ["" if effective is None else f"{effective:.1f}", "true" if ready else "false", outcome.reason or ""]
        cells.append(money_text(outcome.expected if ready else None))
        return cells


def _effective(own: float | None, borrowed: float | None) -> float | None:
    return None if own is None or borrowed is None else round(own + borrowed, 1)


def _texts(column: Sequence[str | float | None]) -> list[bytes]:
    """Each of a column as JSON. Text with a comma in it costs more."""
    texts = msgspec.json.encode(column)[1:-1].split(b",")
    return texts if len(texts) == len(column) else [msgspec.json.encode(one) for one in column]


_STAND_IN = SummaryTotal(
    key={},
    actors=0,
    events={},
    final_value=NULL,
    declared_value=NULL,
    brought_value=NULL,
    expected_value=NULL,
    low=NULL,
    high=NULL,
    bid_value=NULL,
)
# Names of events and of fields have no sign that means something in a form.
_PLACE: Any = msgspec.Raw(b"%b")
_NO_ROWS = b'"rows":[]'
_NO_TOTAL = b'"total":' + msgspec.json.encode(_STAND_IN)
# More than the answer takes beside rows and total, a cursor of long keys included.
_ENVELOPE_BYTES = 16_384
_LONGEST_REASON = 1_000


def _line(cells: Sequence[str | int]) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\r\n").writerow(cells)
    return text.getvalue().encode()


def _digest(parts: Sequence[bytes]) -> bytes:
    lengths = ",".join(str(len(part)) for part in parts)
    return hashlib.sha256(b"".join([lengths.encode(), b":", *parts])).digest()


def _defused(text: str) -> str:
    return f"'{text}" if text.startswith(_FORMULA) else text
