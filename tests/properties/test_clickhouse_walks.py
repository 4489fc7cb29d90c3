"""Journeys that are kept, and what is walked of what came since, are the journeys that are found anew each time."""

from __future__ import annotations

import asyncio
import tempfile
from itertools import count, pairwise
from pathlib import Path
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn

from kizashi_collector.analysis import Interval, LagGrid, LoggedEvent
from kizashi_collector.store import Candidate
from kizashi_collector.store._clickhouse._journeys import Walks, learn, row_cells
from kizashi_collector.store._clickhouse._settled import read_settled
from kizashi_collector.store.clickhouse import ClickHouseLog
from kizashi_schemas.plan import Plan, load_plan
from oracle.logs import GRID_MS, ORIGIN_MS, event_logs
from properties.test_clickhouse_journeys import plain
from properties.test_journeys_against_oracle import NAMES, PLANS, TEXT, ladder_of
from stores import open_log
from tried import tried

_GROUPINGS: list[tuple[str, ...]] = [(), ("campaign", "device"), ("gclid",)]
_PLANS = [
    *PLANS[2:],
    load_plan(TEXT.replace("6h", "2d")),
    load_plan(TEXT.replace("6h", "30h").replace("last", "first")),
]
"""With horizons that are long enough for journeys to go on."""
_SLOTS = st.integers(-1, 13)


class Shop:
    """A log, and walks of it."""

    def __init__(self, folder: Path, plan: Plan) -> None:
        log = open_log("clickhouse", folder)
        assert isinstance(log, ClickHouseLog)
        self.log, self.plan, self.ladder = log, plan, ladder_of(plan)
        self.walks = Walks(log.engine)
        self.numbers = count(1)
        self.ids = count()
        self.used = 0

    async def store(self, events: list[LoggedEvent]) -> None:
        batch = [
            Candidate(event=event, refusal=None, id=event.id, body=b"{}", received_at=event.received_at)
            for event in (msgspec.structs.replace(event, id=f"{next(self.ids):05}") for event in events)
        ]
        await self.log.append(batch)

    async def erase(self, actor: str) -> None:
        await self.log.erase(actor)

    async def retain(self, slot: int) -> None:
        await self.log.retain(ORIGIN_MS + slot * GRID_MS)

    async def walk(self, slot: int) -> None:
        settled = read_settled(self.log.engine)
        until, ask = ORIGIN_MS + slot * GRID_MS, self.log.engine.ask
        number = next(self.numbers)
        self.walks.make(ask, settled, self.plan, self.ladder, until, number, adjusted=True, at_once=8)

    def check(self, slots: tuple[int, int, int]) -> None:
        """Both ways at the same moment."""
        start, end, as_of = (ORIGIN_MS + slot * GRID_MS for slot in sorted(slots))
        ask, settled = self.log.engine.ask, read_settled(self.log.engine)
        kept = self.walks.kept(ask, settled, self.plan, self.ladder, as_of)
        if kept is None:
            return
        self.used += 1
        view, grid, interval = settled.view(), LagGrid.of(self.ladder.horizon_ms), Interval(start, end, as_of)
        about = (ask, view, self.plan, self.ladder)
        # A question takes longer than a step: they come in turns.
        if self.used % 4 == 0:
            fits = [learn(*about, as_of, _GROUPINGS[1:2], adjusted=True, kept=one).fits for one in (None, kept)]
            assert fits[0] == fits[1]
        else:
            fields = _GROUPINGS[self.used % 4 - 1]
            new, old = (row_cells(*about, interval, fields, grid, True, kept=one) for one in (None, kept))
            assert plain(old) == plain(new)


@st.composite
def _steps(draw: DrawFn) -> list[tuple[str, Any]]:
    """Events in the order of time, but for some that come later; and walks that go on with time."""
    log = draw(event_logs(names=NAMES, min_size=25, max_size=60, crowd=24, actors="ijklmnop"))
    late = draw(st.lists(st.integers(0, len(log) - 1), min_size=1, max_size=4))
    slots = sorted({0, *draw(st.lists(st.integers(1, 11), min_size=3, max_size=5)), 12})
    steps: list[tuple[str, Any]] = []
    for start, end in pairwise(slots):
        then = [event for at, event in enumerate(log) if start <= _slot(event) < end and at not in late]
        steps.append(("store", then))
        if draw(st.integers(0, 3)) > 0:
            steps.append(("walk", end - draw(st.integers(0, 2))))
        if end == slots[-2]:
            steps.append(("store", [log[at] for at in sorted({*late})]))
        steps += draw(st.lists(st.sampled_from([("erase", "i"), ("retain", 2), ("retain", 5)]), max_size=1))
    return steps


def _slot(event: LoggedEvent) -> int:
    return max(0, (event.time - ORIGIN_MS) // GRID_MS)


_QUESTIONS = st.lists(st.tuples(_SLOTS, _SLOTS, st.sampled_from([9, 12, 13])), min_size=20, max_size=20)


@tried(2)
@given(plan=st.sampled_from(_PLANS), steps=_steps(), questions=_QUESTIONS)
def test_what_is_kept_and_walked_on_equals_what_is_walked_anew(
    plan: Plan, steps: list[tuple[str, Any]], questions: list[tuple[int, int, int]]
) -> None:
    async def run(folder: Path) -> None:
        shop = Shop(folder, plan)
        try:
            for (what, argument), question in zip(steps, questions, strict=False):
                await getattr(shop, what)(argument)
                shop.check(question)
            await shop.walk(0)
            shop.check((0, 5, 13))
            assert shop.used
        finally:
            await shop.log.close()

    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(run(Path(folder)))
