"""Walks when something else happens while they are made, or they come to nothing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from collector.store.clickhouse.test_settled import Held, tick
from kizashi_collector.analysis import Interval, Ladder, LagGrid, LoggedEvent
from kizashi_collector.store import Candidate, StoreError
from kizashi_collector.store._clickhouse import _deleting
from kizashi_collector.store._clickhouse._journeys import Walks, row_cells
from kizashi_collector.store._clickhouse._settled import Settled, read_settled
from kizashi_collector.store.clickhouse import ClickHouseLog
from kizashi_schemas.plan import load_plan
from stores import open_log

HOUR, DAY = 3_600_000, 86_400_000
T0 = 1_793_318_400_000
PLAN = load_plan("""
    currency = "JPY"
    [events.view]
    [events.buy]
    final = true
    value = "event"
    [values]
    horizon = "2d"
""")
LADDER = Ladder.of(PLAN)
assert LADDER is not None


def opened(folder: Path) -> ClickHouseLog:
    log = open_log("clickhouse", folder)
    assert isinstance(log, ClickHouseLog)
    return log


@pytest.fixture
async def log(tmp_path: Path) -> AsyncIterator[ClickHouseLog]:
    one = opened(tmp_path)
    yield one
    await one.close()


def event(event_id: str, name: str, time: int, actor: str, **fields: Any) -> LoggedEvent:
    return LoggedEvent(id=event_id, name=name, time=time, actor=actor, **{"received_at": time, **fields})


async def put(log: ClickHouseLog, *events: LoggedEvent) -> None:
    rows = [Candidate(event=e, refusal=None, id=e.id, body=b"{}", received_at=e.received_at) for e in events]
    await log.append(rows)


def walk(
    log: ClickHouseLog, until: int, number: int, settled: Settled | None = None, walks: Walks | None = None
) -> None:
    assert LADDER is not None
    settled = settled or read_settled(log.engine)
    (walks or Walks(log.engine)).make(log.engine.ask, settled, PLAN, LADDER, until, number, adjusted=False)


def journeys(log: ClickHouseLog, as_of: int) -> list[tuple[Sequence[int], Sequence[int], Sequence[int | None]]]:
    """How many there are, have converted, and what they brought: walked anew, and from the walk that is kept."""
    assert LADDER is not None
    ask, settled = log.engine.ask, read_settled(log.engine)
    kept = Walks(log.engine).kept(ask, settled, PLAN, LADDER, as_of)
    grid, interval = LagGrid.of(LADDER.horizon_ms), Interval(T0 - 100 * DAY, as_of, as_of)
    about = (ask, settled.view(), PLAN, LADDER, interval, (), grid, False)
    found = [row_cells(*about, kept=one) for one in (None, kept)]
    return [(cells.journeys.tolist(), cells.converted.tolist(), list(cells.brought)) for cells in found]


async def test_a_row_that_loses_while_a_walk_counts_it_is_in_no_walk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_deleting, "_SETTLES_MS", 0)
    one, other = opened(tmp_path), opened(tmp_path)
    await put(one, event("seen", "view", T0, "someone"))
    with Held(one, "batches") as held:
        first = event("r1", "buy", T0 + HOUR, "B", received_at=T0 + 5, value=7_000_000, currency="JPY", order="o1")
        slow = asyncio.create_task(put(one, first))
        await held.there()
        second = event("r2", "buy", T0 + HOUR, "A", received_at=T0 + 6, value=5_000_000, currency="JPY", order="o1")
        await put(other, second)
        counted = read_settled(other.engine)  # the second stands until the first is settled
        walks, loop = Walks(other.engine), asyncio.get_running_loop()
        say = walks._say

        async def meanwhile() -> None:
            held.go.set()
            await slow
            await tick(one)
            await one.seal()

        def say_after_all_that(number: int, plan_id: str, step: str, *done: Any) -> None:
            if step == "done":
                asyncio.run_coroutine_threadsafe(meanwhile(), loop).result()
            say(number, plan_id, step, *done)

        monkeypatch.setattr(walks, "_say", say_after_all_that)
        await loop.run_in_executor(None, lambda: walk(other, T0 + 2 * HOUR, 1, counted, walks))
    anew, kept = journeys(one, T0 + 3 * HOUR)
    assert anew == kept == ([2], [1], [7_000_000])
    await one.close()
    await other.close()


async def test_of_who_was_erased_half_nothing_kept_is_used_until_the_erasure_is_whole(
    log: ClickHouseLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    await put(log, *(event(f"e{n}", "view", T0 + n, f"a{n % 3}") for n in range(9)))
    walk(log, T0 + HOUR, 1)
    delete = log.engine.delete

    def delete_some(table: str, *rest: Any) -> None:
        if table == "rejected":
            raise StoreError("broken off")
        delete(table, *rest)

    monkeypatch.setattr(log.engine, "delete", delete_some)
    with pytest.raises(StoreError, match="broken off"):
        await log.erase("a1")
    assert journeys(log, T0 + 2 * HOUR)[1] == ([2], [0], [0])
    walk(log, T0 + 3 * HOUR, 2)
    assert journeys(log, T0 + 4 * HOUR)[1] == ([2], [0], [0])
    monkeypatch.setattr(log.engine, "delete", delete)
    await log.erase("a1")
    assert journeys(log, T0 + 4 * HOUR)[1] == ([2], [0], [0])
    assert log.engine.ask("SELECT count() FROM journeys WHERE generation = 2") == [[2]]


async def test_a_walk_that_fails_leaves_nothing_and_is_not_used(
    log: ClickHouseLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    await put(log, event("e1", "view", T0, "a"))
    run = log.engine.run

    def run_and_fail(sql: str, *rest: Any, **named: Any) -> None:
        run(sql, *rest, **named)
        if "INTO journeys" in sql:
            raise StoreError("the disk is full")

    monkeypatch.setattr(log.engine, "run", run_and_fail)
    with pytest.raises(StoreError, match="full"):
        walk(log, T0 + HOUR, 1)
    assert log.engine.ask("SELECT count() FROM journeys") == [[0]]
    assert Walks(log.engine).being_made(PLAN) is False
    anew, kept = journeys(log, T0 + 2 * HOUR)
    assert anew == kept == ([1], [0], [0])


async def test_a_walk_of_a_moment_ago_is_not_made_again(log: ClickHouseLog) -> None:
    await put(log, event("e1", "view", T0, "a"))
    walk(log, T0 + HOUR, 1)
    walk(log, T0 + HOUR + 60_000, 2)
    walk(log, T0 + 2 * HOUR, 3)
    assert sorted(log.engine.ask("SELECT DISTINCT generation FROM journeys")[0]) == [1, 3]
