"""What is kept current: from a start on, through trouble, to the end."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from kizashi_collector.analysis import Interval, LoggedEvent
from kizashi_collector.store import EventColumns, InThread, LogAnswers, SqliteLog, StoreError, SummaryReport
from kizashi_collector.store._current._view import View
from kizashi_schemas.plan import load_plan
from live_collector import until

PLAN = load_plan('currency = "JPY"\nwindows = ["1h"]\n[events.mv_view]\n')
HOUR = 3_600_000
NOW = 1_790_000_000_000


class Kept:
    """A log and its answers, at a time that the test sets."""

    def __init__(self, folder: Path) -> None:
        self.now, self.count = NOW, 0
        self.log = SqliteLog(folder)
        self.thread = InThread(self.log, lambda: self.now)
        self.answers = LogAnswers(self.log, self.thread)

    async def store(self, count: int = 1) -> None:
        events = [
            LoggedEvent(
                id=f"{self.count + at}", name="mv_view", time=self.now, received_at=self.now, actor=f"a{at % 7}"
            )
            for at in range(count)
        ]
        await self.log.append([EventColumns.of(events)])
        self.count += count

    async def current(self) -> None:
        await until(lambda: self.answers.state().current)

    async def counted(self) -> int:
        """How many views the answer tells of."""
        interval = Interval(self.now - HOUR, self.now, self.now)
        report = await self.answers.summary(PLAN, interval, (), lambda report: report, moving=True)
        assert report is not None
        return report.summary.total.events["mv_view"].count

    def kept(self) -> SummaryReport | None:
        """The answer, if it is kept."""
        report = self.thread.current.summary(PLAN.id, Interval(self.now - HOUR, self.now, self.now), (), moving=True)
        assert report is None or isinstance(report, SummaryReport)
        return report

    async def close(self) -> None:
        await self.answers.close()
        await self.log.close()


@pytest.fixture
async def kept(tmp_path: Path) -> AsyncIterator[Kept]:
    kept = Kept(tmp_path)
    yield kept
    await kept.close()


async def test_nothing_is_kept_before_a_plan_asks_for_it(kept: Kept) -> None:
    await kept.store()
    assert kept.kept() is None
    assert await kept.counted() == 1
    assert not kept.answers.state().current


async def test_what_is_acknowledged_is_in_the_next_answer(kept: Kept) -> None:
    kept.answers.keep(PLAN)
    await kept.current()
    for number in range(1, 30):
        await kept.store(number % 5 + 1)
        report = kept.kept()
        assert report is not None
        assert report.summary.total.events["mv_view"].count == kept.count
    assert kept.answers.state().events == kept.count


async def test_a_view_is_built_while_events_come(kept: Kept) -> None:
    await kept.store(2_000)

    async def come() -> None:
        for _ in range(40):
            await kept.store(50)

    coming = asyncio.create_task(come())
    kept.answers.keep(PLAN)
    while not coming.done():
        before = kept.count
        assert await kept.counted() >= before
    await coming
    await kept.current()
    report = kept.kept()
    assert report is not None
    assert report.summary.total.events["mv_view"].count == 4_000


async def test_what_could_not_be_stored_is_not_counted(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    kept.answers.keep(PLAN)
    await kept.current()
    await kept.store()

    def refuse(*_: object) -> None:
        raise sqlite3.OperationalError("disk I/O error")

    with monkeypatch.context() as patched:
        patched.setattr(kept.log._writer._chunks, "_count_names", refuse)
        with pytest.raises(StoreError):
            await kept.store()
    await kept.store()
    assert await kept.counted() == 2


async def test_a_clock_that_was_set_back_costs_no_answer(kept: Kept) -> None:
    await kept.store()
    kept.answers.keep(PLAN)
    await kept.current()
    kept.now += HOUR // 2
    assert kept.kept() is not None
    kept.now -= HOUR // 2
    assert await kept.counted() == 1
    await kept.current()
    assert kept.kept() is not None


async def test_a_moment_back_is_answered_at_the_later_one(kept: Kept) -> None:
    await kept.store()
    kept.answers.keep(PLAN)
    await kept.current()
    kept.now += 100
    assert kept.kept() is not None
    kept.now -= 100
    report = kept.kept()
    assert report is not None
    assert report.interval.as_of == NOW + 100


async def test_what_was_received_since_the_question_came_is_in_its_answer(kept: Kept) -> None:
    kept.answers.keep(PLAN)
    await kept.current()
    asked = Interval(kept.now - HOUR, kept.now, kept.now)
    kept.now += 20
    await kept.store()
    report = kept.thread.current.summary(PLAN.id, asked, (), moving=True)
    assert isinstance(report, SummaryReport)
    assert report.interval.as_of == kept.now
    assert report.summary.total.events["mv_view"].count == 1


async def test_trouble_in_a_view_is_told_and_costs_no_answer(
    kept: Kept, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    kept.answers.keep(PLAN)
    await kept.current()

    def fail(*_: object) -> None:
        raise RuntimeError("something")

    with monkeypatch.context() as patched, caplog.at_level(logging.ERROR):
        patched.setattr(View, "add", fail)
        await kept.store()
        assert await kept.counted() == 1
    assert not kept.answers.state().current
    assert "what is kept current failed" in caplog.text


async def test_a_close_does_not_wait_for_a_view(tmp_path: Path) -> None:
    kept = Kept(tmp_path)
    await kept.store(5_000)
    for _ in range(3):
        kept.answers.keep(PLAN)
        async with asyncio.timeout(10):
            await kept.close()
        kept = Kept(tmp_path)
    await kept.close()


async def test_a_view_that_misses_a_change_is_not_answered_from(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise MemoryError

    kept.answers.keep(PLAN)
    await kept.current()
    with monkeypatch.context() as patched:
        patched.setattr(View, "tell", fail)
        await kept.store()
        assert await kept.counted() == 1
    await kept.current()
    await kept.store()
    report = kept.kept()
    assert report is not None
    assert report.summary.total.events["mv_view"].count == 2
