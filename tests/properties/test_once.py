"""Once: whatever is retried, repeated or reordered, an id counts once and so does a (name, order)."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kizashi_collector.analysis import LoggedEvent
from kizashi_collector.store import Candidate, EventColumns, Outcome, Refusal
from stores import StoreKind, drop_databases, open_log
from tried import tried

events = st.builds(
    LoggedEvent,
    id=st.sampled_from(["a", "b", "c", "d", "\u0000", "😀"]),
    name=st.sampled_from(["mv_view", "purchase"]),
    time=st.integers(0, 3),
    received_at=st.just(9),
    actor=st.sampled_from(["x", "y"]),
    value=st.sampled_from([None, 1, 2]),
    currency=st.sampled_from([None, "JPY", "USD"]),
    currency_defaulted=st.booleans(),
    order=st.sampled_from([None, "o1", "o2"]),
    adjust=st.sampled_from([None, None, "restate", "retract"]),
)
refusals = st.sampled_from([None, None, None, Refusal("too_old", "no")])
candidates = st.builds(
    lambda event, refusal: Candidate(event=event, refusal=refusal, id=event.id, body=b"{}", received_at=9),
    events,
    refusals,
)
batches = st.lists(st.lists(candidates, max_size=6), max_size=6)


class Model:
    """The rules of once, as one would tell them."""

    def __init__(self) -> None:
        self.kept: list[LoggedEvent] = []

    def judge(self, candidate: Candidate) -> tuple[str, str | None]:
        event = candidate.event
        assert event is not None
        for kept in self.kept:
            if kept.id == event.id:
                return ("duplicate", None) if self.same(kept, event) else ("duplicate", "conflict")
        if candidate.refusal is not None:
            return "rejected", candidate.refusal.code
        originals = [
            k
            for k in self.kept
            if k.order is not None and (k.name, k.order, k.adjust) == (event.name, event.order, None)
        ]
        if originals and event.adjust is None:
            return "duplicate", "order"
        if (
            event.adjust == "restate"
            and event.order is not None
            and originals
            and originals[0].value is not None
            and originals[0].currency != event.currency
        ):
            return "rejected", "bad_currency"
        self.kept.append(event)
        return "accepted", None

    @staticmethod
    def same(one: LoggedEvent, other: LoggedEvent) -> bool:
        currency = one.currency == other.currency or (one.currency_defaulted and other.currency_defaulted)
        fields = ("name", "actor", "value", "order", "adjust")
        return currency and all(getattr(one, field) == getattr(other, field) for field in fields)


def grouped(batch: list[Candidate]) -> list[EventColumns | Candidate]:
    """What nothing was found against as columns, as the usual events come; adjustments never do."""
    parts: list[EventColumns | Candidate] = []
    for candidate in batch:
        event = candidate.event
        if event is None or candidate.refusal is not None or event.adjust is not None:
            parts.append(candidate)
        elif parts and isinstance(parts[-1], EventColumns):
            parts[-1].append(event)
        else:
            parts.append(EventColumns.of([event]))
    return parts


async def through_the_log(
    kind: StoreKind, batches: list[list[Candidate]]
) -> tuple[list[Sequence[Outcome]], list[LoggedEvent]]:
    with tempfile.TemporaryDirectory() as folder:
        log = open_log(kind, Path(folder))
        try:
            half = len(batches) // 2
            first = await asyncio.gather(*(log.append(grouped(batch)) for batch in batches[:half]))
            await log.close()
            log = open_log(kind, Path(folder))
            second = await asyncio.gather(*(log.append(grouped(batch)) for batch in batches[half:]))
            return [*first, *second], (await log.newest(1_000))[::-1]
        finally:
            await log.close()


@pytest.mark.parametrize(("kind", "examples"), [("sqlite", 60), ("clickhouse", 5)])
def test_verdicts_and_log_are_those_of_the_plain_rules_across_a_restart(kind: StoreKind, examples: int) -> None:
    @tried(examples)
    @given(batches)
    def hold(batches: list[list[Candidate]]) -> None:
        model = Model()
        expected = [[model.judge(candidate) for candidate in batch] for batch in batches]
        outcomes, kept = asyncio.run(through_the_log(kind, batches))
        drop_databases()
        assert [[(outcome.verdict, outcome.code) for outcome in batch] for batch in outcomes] == expected
        assert kept == model.kept

    hold()
