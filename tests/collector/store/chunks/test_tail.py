"""Small chunks become large ones, whatever comes in between, and no event is touched."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from kizashi_collector.analysis import LoggedEvent
from kizashi_collector.store import EventColumns, SqliteLog
from kizashi_collector.store._chunks._tail import MERGED, Tail


def columns(first: int, count: int) -> EventColumns:
    return EventColumns.of(
        LoggedEvent(
            id=f"e{n}", name="mv_view", time=n, received_at=n, actor=f"a{n % 7}", source={"campaign": str(n % 3)}
        )
        for n in range(first, first + count)
    )


async def test_single_events_end_up_in_few_chunks_and_are_all_there(tmp_path: Path) -> None:
    log = SqliteLog(tmp_path)
    for number in range(600):
        await log.append([columns(number, 1)])
        if number == 333:  # the tail is known again after a restart
            await log.close()
            log = SqliteLog(tmp_path)
    events = await log.newest(1_000)
    await log.close()
    assert [event.id for event in events] == [f"e{n}" for n in reversed(range(600))]
    assert events[0] == columns(599, 1).event(0)
    connection = sqlite3.connect(tmp_path / "log.db")
    counts = [count for (count,) in connection.execute("SELECT count FROM chunks ORDER BY first")]
    connection.close()
    assert sum(counts) == 600
    assert len(counts) < 40


async def test_ids_and_orders_are_known_after_a_merge(tmp_path: Path) -> None:
    log = SqliteLog(tmp_path)
    for number in range(40):
        await log.append([columns(number, 1)])
    outcomes = await log.append([columns(0, 41)])
    await log.close()
    assert [outcome.verdict for outcome in outcomes] == ["duplicate"] * 40 + ["accepted"]


async def test_a_merge_that_fails_with_its_transaction_leaves_all_as_it_was(tmp_path: Path) -> None:
    log = SqliteLog(tmp_path)
    for number in range(15):
        await log.append([columns(number, 1)])
    # The sixteenth would be merged with those before it, but the disk refuses.
    log._writer.connection.execute(
        "CREATE TRIGGER full BEFORE INSERT ON names BEGIN SELECT RAISE(ABORT, 'the disk is full'); END"
    )
    (refused,) = await asyncio.gather(log.append([columns(15, 1)]), return_exceptions=True)
    assert "the disk is full" in str(refused)
    log._writer.connection.execute("DROP TRIGGER full")
    for number in range(15, 40):
        await log.append([columns(number, 1)])
    assert [event.id for event in await log.newest(100)] == [f"e{n}" for n in reversed(range(40))]
    await log.close()


async def test_an_event_that_is_missing_in_the_tail_stops_no_later_merge(tmp_path: Path) -> None:
    log = SqliteLog(tmp_path)
    await log.append([columns(0, 5)])
    await log.erase("a1")
    for number in range(5, 400):
        await log.append([columns(number, 1)])
    assert len(await log.newest(1_000)) == 399
    await log.close()
    connection = sqlite3.connect(tmp_path / "log.db")
    (chunks,) = connection.execute("SELECT count(*) FROM chunks").fetchone()
    connection.close()
    assert chunks < 50


@settings(max_examples=200)
@given(st.lists(st.sampled_from([1, 2, 15, 16, 40, 255, 256, 500]), max_size=200))
def test_chunks_stay_few_and_each_event_is_written_three_times_at_most(sizes: list[int]) -> None:
    connection = sqlite3.connect(":memory:")
    connection.execute("CREATE TABLE chunks (first, count)")
    tail = Tail(connection)
    connection.close()
    chunks: list[tuple[int, int, int]] = []  # first, count, how often its events were written at most
    first = 1
    for size in sizes:
        chunks.append((first, size, 1))
        start = tail.added(first, size)
        first += size
        if start is not None:
            merged = [chunk for chunk in chunks if chunk[0] >= start]
            assert len(merged) > 1
            assert max(count for _, count, _ in merged) < MERGED
            chunks = [chunk for chunk in chunks if chunk[0] < start]
            chunks.append((start, first - start, 1 + max(times for *_, times in merged)))
            tail.merged(start, first - start)
        tail.committed()
    assert sum(count for _, count, _ in chunks) == sum(sizes)
    assert max((times for *_, times in chunks), default=0) <= 3
    run = 0
    for _, count, _ in chunks:
        run = run + 1 if count < MERGED else 0
        assert run < 32
