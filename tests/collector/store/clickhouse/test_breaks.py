"""Breaks in the tracking are told from what summaries found, so that nobody waits for a count of 29 days."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from kizashi_collector.analysis import Break, Interval, LoggedEvent
from kizashi_collector.store import Candidate
from kizashi_collector.store.clickhouse import ClickHouseAnswers, ClickHouseLog
from kizashi_schemas.plan import load_plan
from live_collector import HOUR, MINUTE, NOW, until
from stores import let_no_time, open_log

DAY = 24 * HOUR
PLAN = load_plan("""
    currency = "JPY"
    windows = ["7d"]
    [events.mv_view]
    [events.mv_letter]
    [events.purchase]
    final = true
    value = 1000
    [values]
    ladder = ["mv_view"]
""")


class Clock:
    """The collector's, in milliseconds."""

    now = NOW


def happened(name: str, time: int) -> Candidate:
    event = LoggedEvent(id=f"{name}-{time}", name=name, time=time, received_at=time, actor="v-1")
    return Candidate(event=event, refusal=None, id=event.id, body=b"", received_at=time)


@pytest.fixture
async def log(tmp_path: Path) -> AsyncIterator[ClickHouseLog]:
    """Nine days in which both events came every half hour, but for the letter's last day."""
    log = open_log("clickhouse", tmp_path)
    assert isinstance(log, ClickHouseLog)
    times = range(NOW - 9 * DAY, NOW + 1, HOUR // 2)
    letters = [happened("mv_letter", time) for time in times if time < NOW - DAY]
    await log.append([*(happened("mv_view", time) for time in times), *letters])
    yield log
    await log.close()


@pytest.fixture
async def answers(log: ClickHouseLog) -> AsyncIterator[ClickHouseAnswers]:
    """Answers of which none is counted again by itself while a test runs."""
    answers = ClickHouseAnswers(log, lambda: Clock.now, refresh_seconds=3_600)
    answers.keep(PLAN)
    yield answers
    await answers.close()
    Clock.now = NOW


def told(found: object) -> list[tuple[str, str]]:
    assert isinstance(found, list)
    return [(one.event, one.kind) for one in found if isinstance(one, Break)]


async def sum_up(answers: ClickHouseAnswers) -> None:
    interval = Interval(Clock.now - 7 * DAY, Clock.now, Clock.now)
    await answers.summary(PLAN, interval, (), lambda _: None, moving=True)


async def test_what_a_summary_found_is_told_without_a_question(
    log: ClickHouseLog, answers: ClickHouseAnswers, monkeypatch: pytest.MonkeyPatch
) -> None:
    await sum_up(answers)
    let_no_time(log, monkeypatch)
    Clock.now += MINUTE - 1
    assert told(await answers.breaks(PLAN, Clock.now)) == [("mv_letter", "stopped")]


async def test_where_no_summary_is_asked_for_they_are_looked_for(answers: ClickHouseAnswers) -> None:
    async with asyncio.timeout(20):
        while (found := await answers.breaks(PLAN, Clock.now)) is None:
            pass
    assert told(found) == [("mv_letter", "stopped")]


async def test_what_was_found_a_minute_ago_under_another_plan_or_never_is_not_told(
    log: ClickHouseLog,
    answers: ClickHouseAnswers,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    await sum_up(answers)
    let_no_time(log, monkeypatch)
    other = load_plan('currency = "JPY"\n[events.mv_letter]\n')
    assert await answers.breaks(other, Clock.now) is None
    Clock.now += MINUTE
    assert await answers.breaks(PLAN, Clock.now) is None
    await until(lambda: "breaks in the tracking could not be looked for" in caplog.text)
