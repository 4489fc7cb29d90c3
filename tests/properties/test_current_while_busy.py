"""What is kept current equals the count from the log after everything happened at once: events and adjustments of the
same orders, erasures, retention, changes of plan, questions; while views are begun, built and replaced.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from random import Random

import msgspec
import pytest

from kizashi_collector.analysis import FunnelFigures, Interval, LoggedEvent
from kizashi_collector.store import EventColumns, InThread, LogAnswers, SqliteLog, SummaryReport
from kizashi_collector.store._snapshot import Snapshot
from kizashi_schemas import Funnel, parse_duration
from kizashi_schemas.plan import Plan, load_plan
from live_collector import until

MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000
NOW = 1_793_318_400_000
PLAN = """
    windows = ["6h", "2d"]
    summaries = [["campaign"]]
    currency = "JPY"
    [events.mv_look]
    [events.buy]
    final = true
    action = "primary"
    value = "event"
    [funnels.again]
    steps = ["mv_look", "buy"]
    conversion_window = "5h"
    [values]
    horizon = "30m"
    lookback = "6h"
"""
PLANS = [load_plan(PLAN), load_plan(PLAN.replace('"event"', "3"))]


class Shop:
    """A log that is written to from all sides."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.random = Random(seed)
        self.now, self.count = NOW, 0
        self.plan: Plan = PLANS[0]
        self.log = SqliteLog(folder)
        self.thread = InThread(self.log, lambda: self.now)
        self.answers = LogAnswers(self.log, self.thread)
        self.answers.keep(self.plan)

    def event(self, order: str | None, **adjust: object) -> LoggedEvent:
        random = self.random
        self.count += 1
        back = random.choice([0, 1_000, MINUTE, HOUR, 5 * HOUR, 3 * DAY, -MINUTE])
        plain = LoggedEvent(
            id=f"{self.count:08}",
            name="buy" if order is not None else "mv_look",
            time=self.now - back,
            received_at=self.now - random.randint(0, 50),
            actor=f"a{random.randint(0, 9)}",
            value=random.randint(1, 9) * 1_000_000,
            currency="JPY",
            order=order,
            source={"campaign": random.choice(["g", "h"])},
        )
        return msgspec.structs.replace(plain, **adjust)

    async def sell(self, till: str) -> None:
        random, sold = self.random, set[str]()
        for _ in range(25):
            events = []
            for _ in range(random.choice([1, 3, 40])):
                order, chance = f"{till}-{random.randint(0, 400)}", random.random()
                if chance < 0.3 and order not in sold:
                    sold.add(order)
                    events.append(self.event(order))
                elif chance < 0.5:
                    kind, actor = random.choice([("retract", None), ("restate", None), ("retract", "a3")])
                    value, currency = (None, None) if kind == "retract" else (7_000_000, "JPY")
                    events.append(
                        self.event(order, adjust=kind, actor=actor, value=value, currency=currency, source={})
                    )
                else:
                    events.append(self.event(None))
            await self.log.append([EventColumns.of(events)])
            self.now += random.randint(0, 20)

    async def erase(self) -> None:
        for _ in range(3):
            await self.log.erase(f"a{self.random.randint(0, 9)}")

    async def retain(self) -> None:
        await self.log.retain(self.now - 2 * DAY)

    async def change(self) -> None:
        for _ in range(4):
            self.plan = self.random.choice(PLANS)
            self.answers.keep(self.plan)
            await self.ask()

    async def ask(self) -> None:
        interval = Interval(self.now - 6 * HOUR, self.now, self.now)
        assert await self.answers.summary(self.plan, interval, (), lambda report: report, moving=True) is not None

    async def counted(self, interval: Interval, by: tuple[str, ...]) -> SummaryReport:
        """The summary, counted from the log."""
        return await self.log.read(
            lambda connection, patience: Snapshot(connection, self.log.texts, patience).summary(self.plan, interval, by)
        )

    async def run(self, funnel: Funnel, interval: Interval, by: tuple[str, ...]) -> FunnelFigures:
        """The funnel, run over the log."""
        return await self.log.read(
            lambda connection, patience: Snapshot(connection, self.log.texts, patience).funnel(
                self.plan, funnel, interval, by, "first"
            )
        )

    async def kept(self, interval: Interval, by: tuple[str, ...]) -> SummaryReport:
        """The summary that is kept, once no actor's journeys have to be found anew in the log."""
        async with asyncio.timeout(60):
            while True:
                kept = self.thread.current.summary(self.plan.id, interval, by, moving=False)
                if isinstance(kept, SummaryReport) and self.settled():
                    outcome = kept.summary.total.outcome
                    if outcome is not None and outcome.reason != "recomputing":
                        return kept
                await asyncio.sleep(0)

    def settled(self) -> bool:
        """Whether all is kept, and learned up to the last hour."""
        state = self.answers.state()
        return state.current and state.learned_until == self.now // HOUR * HOUR and not (state.mending or state.backlog)

    async def check(self) -> None:
        await until(lambda: self.answers.state().current)
        current = self.thread.current
        for window in self.plan.windows:
            interval = Interval(self.now - parse_duration(window), self.now, self.now)
            for by in [(), ("campaign",)]:
                kept = await self.kept(interval, by)
                counted = await self.counted(interval, by)
                assert msgspec.structs.replace(kept, version=None) == counted
                figures = current.funnel(self.plan.id, "again", interval, by, "first", moving=False)
                assert figures is not None
                assert figures.figures == await self.run(self.plan.funnels["again"], interval, by)


@pytest.mark.parametrize("seed", range(4))
async def test_kept_answers_equal_the_count_when_everything_happens_at_once(tmp_path: Path, seed: int) -> None:
    shop = Shop(tmp_path, seed)
    try:
        for turn in range(3):
            tills = [shop.sell(f"{turn}-{number}") for number in range(3)]
            await asyncio.gather(*tills, shop.erase(), shop.change(), shop.retain())
            shop.now += 1_000
            await shop.check()
    finally:
        await shop.answers.close()
        await shop.log.close()
