"""Rejected events tried again: as if they were sent now, as an import, under the plan that is in force."""

from __future__ import annotations

import asyncio
from collections import Counter

import msgspec
from msgspec import Raw

from kizashi_collector.ingest._check import Checker
from kizashi_collector.ingest._clock import Clock
from kizashi_collector.ingest._decode import BadBodyError
from kizashi_collector.ingest._plan_book import PlanBook
from kizashi_collector.store import Candidate, Log, Outcome, Refusal, RejectedFilter, RejectedRow
from kizashi_schemas import ReplayAnswer

__all__ = ["Replay"]

_BATCH = 500
_SLICE = 50
# What was too large or too strange to be kept: there is nothing to try again.
_NOTHING = b"null"


class Replay:
    """Tries rejected events of a log again. `retention` in milliseconds overrides the plan's.

    A replayed event is received now and marked as imported, so that no figure of lateness moves; its time is the one
    that was sent, uncorrected. Ids make it safe to break off and begin again.
    """

    def __init__(self, log: Log, plans: PlanBook, clock: Clock, *, retention: int | None = None) -> None:
        self._log = log
        self._plans = plans
        self._clock = clock
        self._retention = retention

    async def run(self, wanted: RejectedFilter, limit: int) -> ReplayAnswer:
        """Try the wanted events, oldest first and at most `limit`. Raises StoreBusyError or StoreError.

        What is accepted, or stored already, leaves the rejected ones once that is durable; the others get the reason
        that they are rejected for now.
        """
        tried = after = 0
        verdicts: Counter[str] = Counter()
        codes: Counter[str] = Counter()
        newest, _ = await self._log.rejected(1)
        last = newest[0].seq if newest else 0
        while tried < limit:
            found = await self._log.rejected_after(after, min(_BATCH, limit - tried), wanted)
            rows = [row for row in found if row.seq <= last]
            if not rows:
                break
            for outcome in await self._try(rows):
                verdicts[outcome.verdict] += 1
                if outcome.verdict == "rejected":
                    codes[outcome.code or ""] += 1
            tried, after = tried + len(rows), rows[-1].seq
        return ReplayAnswer(
            tried=tried,
            accepted=verdicts["accepted"],
            duplicates=verdicts["duplicate"],
            rejected=verdicts["rejected"],
            codes=dict(sorted(codes.items())),
        )

    async def _try(self, rows: list[RejectedRow]) -> list[Outcome]:
        plan = self._plans.current
        checker = Checker(
            "json",
            plan,
            received_at=self._clock.now(),
            shift=0,
            imported=True,
            retention=self._retention or (plan.retention if plan is not None else None),
        )
        passed: list[tuple[RejectedRow, Candidate]] = []
        outcomes: list[Outcome] = []
        kept: list[tuple[int, str, str]] = []
        for at, row in enumerate(rows, 1):
            if at % _SLICE == 0:
                await asyncio.sleep(0)  # requests get their turn
            candidate = _candidate(checker, row)
            if candidate.refusal is None:
                passed.append((row, candidate))
            else:
                outcomes.append(Outcome("rejected", candidate.refusal.code, candidate.refusal.message))
                kept.append((row.seq, candidate.refusal.code, candidate.refusal.message))
        # A restatement in another currency than its original is found out only there, and rejected anew: with this
        # body, this time and a number of its own.
        told = await self._log.append([candidate for _, candidate in passed]) if passed else []
        gone: list[int] = []
        for (row, _), outcome in zip(passed, told, strict=True):
            if outcome.verdict == "duplicate" and outcome.code == "conflict":
                # The id is taken by something else: it is not stored, and must not vanish.
                outcome = Outcome("rejected", "conflict", outcome.message)
                kept.append((row.seq, "conflict", outcome.message or ""))
            else:
                gone.append(row.seq)
            outcomes.append(outcome)
        await self._log.settle_rejected(gone, kept)
        return outcomes


def _candidate(checker: Checker, row: RejectedRow) -> Candidate:
    """The row as a candidate; with its old reason where there is nothing to check."""
    try:
        body = _json(row.body)
        checked = None if body == _NOTHING else checker.check_in_full(Raw(body))
    except BadBodyError:
        checked = None
    if checked is None:
        refusal = Refusal(row.code, row.message)
        return Candidate(event=None, refusal=refusal, id=row.id, body=row.body, received_at=row.received_at)
    return msgspec.structs.replace(checked, body=row.body, received_at=row.received_at)


def _json(body: bytes) -> bytes:
    """What was sent; JSON with numbers that few readers hold is kept as the text of it."""
    if body[:1] != b'"':
        return body or _NOTHING
    text: str = msgspec.json.decode(body, type=str)
    return text.encode()
