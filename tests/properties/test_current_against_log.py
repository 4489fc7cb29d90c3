"""What is kept current equals what is counted from the log: while events are stored, adjusted, erased and expire, time
passes, plans change and the collector restarts.
"""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from kizashi_collector.analysis import FunnelFigures, Interval, LoggedEvent
from kizashi_collector.store import EventColumns, InThread, LogAnswers, SqliteLog, SummaryReport
from kizashi_collector.store._snapshot import Snapshot
from kizashi_schemas import Funnel, parse_duration
from kizashi_schemas.plan import DEFAULT_WINDOWS, Plan, load_plan
from live_collector import until
from oracle.logs import GRID_MS, ORIGIN_MS, event_logs
from oracle.outcomes import without_outcomes
from properties.test_summary_against_oracle import DOLLARS, EVENTS
from tried import tried

HOUR_MS = 3_600_000
KEPT = """
    windows = ["6h", "2d"]
    summaries = [["campaign"], ["device", "campaign"]]
"""
FUNNELS = """
    [funnels.short]
    steps = ["a", "c"]
    conversion_window = "1d"
    [funnels.long]
    steps = ["a", { event = "b", where = { "source.campaign" = ["", "g"] } }, "c", "d"]
    conversion_window = "2d"
"""
PLANS: dict[str, Plan | None] = {
    "yen": load_plan(KEPT + EVENTS + FUNNELS),
    "dollars": load_plan(KEPT + DOLLARS + FUNNELS),
    "no rate": load_plan(KEPT + EVENTS.replace("rates = { USD = 150.5 }", "") + FUNNELS),
    "none": None,
}


def recomputing(report: SummaryReport) -> bool:
    """Whether it gives this as the reason for the total."""
    outcome = report.summary.total.outcome
    return outcome is not None and outcome.reason == "recomputing"


class Collector:
    """A log with answers that are kept current, at a time that the test sets."""

    def __init__(self, folder: Path, plan: str) -> None:
        self.folder, self.plan = folder, PLANS[plan]
        self.now = ORIGIN_MS
        self.stored = 0
        self.retained = False
        self.open()

    def open(self) -> None:
        self.log = SqliteLog(self.folder)
        self.thread = InThread(self.log, lambda: self.now)
        self.answers = LogAnswers(self.log, self.thread)
        self.answers.keep(self.plan)

    async def close(self) -> None:
        await self.answers.close()
        await self.log.close()

    async def restart(self, _: None) -> None:
        await self.close()
        self.open()

    async def store(self, events: list[LoggedEvent]) -> None:
        """Received now: events that happen at any time."""
        numbered = [
            msgspec.structs.replace(
                event,
                id=f"{self.stored + at:04}",
                received_at=self.now + at % 3,
                order=event.order and f"{event.order}",
            )
            for at, event in enumerate(events)
        ]
        self.stored += len(events)
        self.now += 3
        orders = {(e.name, e.order) for e in await self.log.newest(9_999) if e.order and e.adjust is None}
        fresh = [e for e in numbered if e.adjust or e.order is None or (e.name, e.order) not in orders]
        await self.log.append([EventColumns.of(fresh)])

    async def advance(self, by: int) -> None:
        self.now += by

    async def erase(self, actor: str) -> None:
        await self.log.erase(actor)

    async def retain(self, before: int) -> None:
        self.retained = True
        await self.log.retain(self.now - before)

    async def change(self, plan: str) -> None:
        self.plan = PLANS[plan]
        self.answers.keep(self.plan)

    def settled(self) -> bool:
        """Whether all is kept, and values were learned up to the last hour."""
        state = self.answers.state()
        learned = self.plan is None or state.learned_until == self.now // HOUR_MS * HOUR_MS
        return state.current and learned and not (state.mending or state.backlog)

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
        plan = None if self.plan is None else self.plan.id
        async with asyncio.timeout(60):
            while True:
                kept = self.thread.current.summary(plan, interval, by, moving=False)
                if isinstance(kept, SummaryReport) and self.settled() and await self.final(kept, interval, by):
                    return kept
                await asyncio.sleep(0)

    async def final(self, kept: SummaryReport, interval: Interval, by: tuple[str, ...]) -> bool:
        """Whether nothing is being found anew: a currency without a rate is told in the same word, by the log, too."""
        return not recomputing(kept) or recomputing(await self.counted(interval, by))

    def comparable(self, report: SummaryReport) -> SummaryReport:
        """What is the same however it was counted. Journeys remember what has been deleted for its age since."""
        summary = without_outcomes(report.summary) if self.retained else report.summary
        return msgspec.structs.replace(report, summary=summary, version=None)

    async def check(self) -> None:
        """Every kept answer, beside the count from the log."""
        await until(lambda: self.answers.state().current)
        current = self.thread.current
        plan = None if self.plan is None else self.plan.id
        windows: tuple[str, ...] = DEFAULT_WINDOWS
        summaries: tuple[tuple[str, ...], ...] = ()
        if self.plan is not None:
            windows, summaries = self.plan.windows, self.plan.summaries
        for window in windows:
            length = parse_duration(window)
            interval = Interval(self.now - length, self.now, self.now)
            for by in [(), *summaries]:
                kept = await self.kept(interval, by)
                counted = await self.counted(interval, by)
                assert self.comparable(kept) == self.comparable(counted)
                again = current.summary(plan, interval, by, moving=True, known=kept.version)
                if isinstance(again, SummaryReport):
                    # Learned anew meanwhile: the same figures, under another version, which then holds.
                    assert self.comparable(again) == self.comparable(counted)
                    again = current.summary(plan, interval, by, moving=True, known=again.version)
                assert not isinstance(again, SummaryReport)
            await self.check_undeclared(interval, ("device",))
            for name, funnel in self.plan.funnels.items() if self.plan is not None else ():
                for by in [(), *summaries]:
                    figures = current.funnel(plan, name, interval, by, "first", moving=False)
                    assert figures is not None
                    assert figures.figures == await self.run(funnel, interval, by)
        assert self.answers.state().backlog == 0

    async def check_undeclared(self, interval: Interval, by: tuple[str, ...]) -> None:
        """What is counted from the log and completed with kept outcomes, beside what is counted from the log alone."""
        if self.plan is None:
            return
        outcomes = self.thread.current.outcomes(self.plan.id, interval, by, moving=False)
        assert outcomes is not None
        completed = await self.log.read(
            lambda connection, patience: Snapshot(connection, self.log.texts, patience).completed(
                self.plan, by, outcomes
            )
        )
        counted = await self.counted(interval, by)
        assert completed is not None
        assert self.comparable(completed) == self.comparable(counted)


_LOGS = event_logs(names="aaaabcccdex", max_size=14, crowd=14, actors="iiiij")
_STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("store"), _LOGS),
        st.tuples(st.just("store"), _LOGS),
        st.tuples(st.just("advance"), st.sampled_from([0, 1, GRID_MS - 3, GRID_MS, 3 * GRID_MS, 9 * GRID_MS])),
        st.tuples(st.just("erase"), st.sampled_from("ij")),
        st.tuples(st.just("retain"), st.sampled_from([GRID_MS, 8 * GRID_MS, 30 * GRID_MS])),
        st.tuples(st.just("change"), st.sampled_from(sorted(PLANS))),
        st.tuples(st.just("restart"), st.none()),
    ),
    min_size=3,
    max_size=9,
)


async def _run(folder: Path, plan: str, steps: list[tuple[str, Any]]) -> None:
    collector = Collector(folder, plan)
    try:
        for what, argument in steps:
            await getattr(collector, what)(argument)
            await collector.check()
    finally:
        await collector.close()


@tried(12)
@given(plan=st.sampled_from(sorted(PLANS)), steps=_STEPS)
def test_kept_answers_equal_the_count_from_the_log(plan: str, steps: list[tuple[str, Any]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(_run(Path(folder), plan, steps))
