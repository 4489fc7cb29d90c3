"""Retention: what is too old goes in small steps, nothing else does, and the file stops growing."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest

from collector_process import CollectorProcess
from kizashi_collector.analysis import LoggedEvent
from kizashi_collector.store import (
    Candidate,
    Gone,
    Refusal,
    SqliteLog,
    StoreError,
    keep_retention,
    retention_cutoff,
)

DAY = 86_400_000


def logged(event_id: str, **fields: Any) -> LoggedEvent:
    plain: dict[str, Any] = {"id": event_id, "name": "mv_view", "time": 0, "received_at": 0, "actor": "a"}
    return LoggedEvent(**plain | fields)


def candidates(*events: LoggedEvent) -> list[Candidate]:
    return [Candidate(event=e, refusal=None, id=e.id, body=b"", received_at=e.received_at) for e in events]


async def ids(log: SqliteLog) -> list[str]:
    return [event.id for event in (await log.newest(100_000))[::-1]]


def rows(folder: Path, sql: str) -> list[Any]:
    with closing(sqlite3.connect(folder / "log.db")) as connection:
        return connection.execute(sql).fetchall()


async def test_old_events_go_from_whole_chunks_and_from_mixed_ones_and_the_rest_stays_as_it_was(tmp_path: Path) -> None:
    gone: list[Gone] = []
    log = SqliteLog(tmp_path, on_gone=gone.append)
    whole = [logged(f"w{n}", time=n, order=f"o{n}") for n in range(5)]
    mixed = [
        logged(
            f"m{n}",
            time=n,
            name=f"mv_{n % 3}",
            value=n * 10**6,
            currency="JPY",
            order=f"p{n}",
            session=f"s{n}",
            source={"campaign": f"c{n}", "gclid": f"g{n}"},
            properties={"n": n},
            consent={"ads": True},
        )
        for n in range(10)
    ]
    await log.append(candidates(*whole))
    await log.append(candidates(*mixed))
    assert await log.retain(6) == 5 + 6
    assert (await log.newest(100))[::-1] == mixed[6:]
    assert {one.why for one in gone} == {"expired"}
    assert [event.id for one in gone for event in one.events] == [e.id for e in whole] + [e.id for e in mixed[:6]]
    assert {(seen.name, seen.count) for seen in await log.names()} == {("mv_0", 2), ("mv_1", 1), ("mv_2", 1)}
    assert rows(tmp_path, "SELECT order_id FROM orders ORDER BY order_id") == [("p6",), ("p7",), ("p8",), ("p9",)]
    assert rows(tmp_path, "SELECT first, count, first_time, last_time FROM chunks") == [(6, 10, 6, 9)]
    assert await log.retain(6) == 0
    await log.close()


async def test_the_order_of_what_went_is_free_and_the_orders_of_the_rest_are_not(tmp_path: Path) -> None:
    log = SqliteLog(tmp_path)
    await log.append(candidates(logged("a", time=1, order="x"), logged("b", time=9, order="y")))
    await log.retain(5)
    outcomes = await log.append(candidates(logged("c", time=9, order="x"), logged("d", time=9, order="y")))
    assert [(o.verdict, o.code) for o in outcomes] == [("accepted", None), ("duplicate", "order")]
    await log.close()


async def test_an_old_adjustment_stays_in_force_as_long_as_its_original_is_stored(tmp_path: Path) -> None:
    log = SqliteLog(tmp_path)
    await log.append(
        candidates(
            logged("early", adjust="retract", order="x", time=1, actor=None),
            logged("alone", adjust="retract", order="y", time=1, actor=None),
            logged("sale", order="x", time=9),
        )
    )
    await log.retain(5)
    assert await ids(log) == ["sale"]
    assert rows(tmp_path, "SELECT seq FROM adjustments") == [(1,)]
    await log.retain(10)
    assert rows(tmp_path, "SELECT seq FROM adjustments") == []
    await log.close()


async def test_rejected_events_expire_by_their_receipt(tmp_path: Path) -> None:
    log = SqliteLog(tmp_path)
    refusal = Refusal("bad_name", "no")
    for at in (1, 9):
        await log.append([Candidate(event=None, refusal=refusal, id=f"r{at}", body=b"{}", received_at=at)])
    await log.retain(5)
    assert [row.id for row in (await log.rejected(10))[0]] == ["r9"]
    await log.close()


@pytest.mark.parametrize("index", ["kept", "lost"])
async def test_no_number_is_given_twice_after_the_newest_events_went(tmp_path: Path, index: str) -> None:
    log = SqliteLog(tmp_path)
    await log.append(candidates(*(logged(f"a{n}", time=9) for n in range(3))))
    await log.append(candidates(*(logged(f"b{n}", time=1) for n in range(4))))
    assert await log.retain(5) == 4
    await log.close()
    if index == "lost":
        for file in (tmp_path / "ids").iterdir():
            file.unlink()
    log = SqliteLog(tmp_path)
    outcomes = await log.append(candidates(logged("a1", time=9), logged("b1", time=9), logged("c", time=9)))
    assert [outcome.verdict for outcome in outcomes] == ["duplicate", "accepted", "accepted"]
    assert rows(tmp_path, "SELECT first, count FROM chunks ORDER BY first") == [(1, 3), (8, 2)]
    # All of it goes, and the numbers go on.
    assert await log.retain(10) == 5
    await log.close()
    log = SqliteLog(tmp_path)
    await log.append(candidates(logged("d", time=10)))
    assert rows(tmp_path, "SELECT first FROM chunks") == [(10,)]
    await log.close()


async def test_actors_go_with_their_last_event_and_come_back_as_themselves(tmp_path: Path) -> None:
    log = SqliteLog(tmp_path)
    await log.append(candidates(logged("old", actor="gone"), logged("older", actor="back"), logged("new", time=DAY)))
    await log.retain(1)
    texts = "SELECT text FROM texts WHERE kind = 3 ORDER BY text"
    assert rows(tmp_path, texts) == [("a",)]
    await log.append(candidates(logged("again", time=DAY, actor="back")))
    await log.close()
    log = SqliteLog(tmp_path)
    # Numbers that are free again are given again.
    await log.append(candidates(*(logged(f"n{n}", time=DAY, actor=f"n{n}") for n in range(4))))
    actors = {event.id: event.actor for event in await log.newest(10)}
    assert actors == {"new": "a", "again": "back"} | {f"n{n}": f"n{n}" for n in range(4)}
    assert rows(tmp_path, "SELECT max(number) FROM texts WHERE kind = 3") == [(6,)]
    await log.close()


async def test_a_file_whose_events_expire_stops_growing(tmp_path: Path) -> None:
    log = SqliteLog(tmp_path)
    sizes: list[int] = []
    serial = 0
    for day in range(24):
        for _ in range(2):
            batch = [
                logged(
                    f"{serial + n:08x}-{day}", time=day * DAY + n, actor=f"{hash((day, n)):x}", order=f"o{serial + n}"
                )
                for n in range(300)
            ]
            serial += 300
            await log.append(candidates(*batch))
        await log.retain(retention_cutoff((day + 1) * DAY, 5 * DAY))
        sizes.append(rows(tmp_path, "PRAGMA page_count")[0][0])
    # Some six days are there at any time; without reuse the last would be twice the twelfth.
    assert max(sizes[12:]) <= 1.1 * max(sizes[:12])
    assert len(await ids(log)) < 8 * 600
    await log.close()


async def test_events_are_stored_while_a_long_deletion_goes_on(tmp_path: Path) -> None:
    log = SqliteLog(tmp_path)
    for chunk in range(60):
        await log.append(candidates(*(logged(f"{chunk}-{n}", time=1, order=f"{chunk}-{n}") for n in range(200))))
    deletion = asyncio.create_task(log.retain(5))
    between = 0
    while not deletion.done():
        assert [o.verdict for o in await log.append(candidates(logged(f"new{between}", time=9)))] == ["accepted"]
        between += 1
    assert await deletion == 60 * 200
    # It takes many transactions, and each lets those go first who asked before the next.
    assert between > 10
    assert await ids(log) == [f"new{n}" for n in range(between)]
    await log.close()


async def test_a_deletion_that_fails_deletes_no_half_chunk_and_the_next_one_finishes_it(tmp_path: Path) -> None:
    log = SqliteLog(tmp_path)
    await log.append(candidates(*(logged(f"a{n}", time=n) for n in range(10))))
    connection = log._writer.connection
    connection.execute("CREATE TEMP TRIGGER no BEFORE UPDATE ON main.chunks BEGIN SELECT RAISE(ABORT, 'no'); END")
    with pytest.raises(StoreError, match="cannot write: no"):
        await log.retain(5)
    assert len(await ids(log)) == 10
    connection.execute("DROP TRIGGER no")
    assert await log.retain(5) == 5
    assert await ids(log) == [f"a{n}" for n in range(5, 10)]
    await log.close()


@pytest.mark.parametrize(
    ("now", "retention", "before"),
    [
        (1_000 * DAY + 5, 400 * DAY, 600 * DAY),
        (1_000 * DAY + DAY - 1, 400 * DAY, 600 * DAY),
        (1_001 * DAY, 400 * DAY, 601 * DAY),
        # A twentieth of two hours is six minutes.
        (7_200_000 + 359_999, 7_200_000, 0),
        (7_200_000 + 360_000, 7_200_000, 360_000),
        (50, 1, 49),
    ],
)
def test_the_cutoff_moves_in_steps_and_never_reaches_into_the_retention(now: int, retention: int, before: int) -> None:
    assert retention_cutoff(now, retention) == before


class Recorder:
    """Stands in for the log's retain, and ends the loop after some calls."""

    def __init__(self, fails: bool = False) -> None:
        self.calls: list[int] = []
        self.called = asyncio.Event()
        self.fails = fails

    async def retain(self, before: int) -> int:
        self.calls.append(before)
        self.called.set()
        if self.fails:
            raise StoreError("the disk is full")
        return 0


async def run_until_looked(recorder: Recorder, now: int | None, retention: int | None, looked: asyncio.Event) -> None:
    def clock() -> int | None:
        looked.set()
        return now

    task = asyncio.create_task(keep_retention(recorder.retain, now=clock, retention=lambda: retention))
    async with asyncio.timeout(30):
        await looked.wait()
        for _ in range(5):
            await asyncio.sleep(0)
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


@pytest.mark.parametrize(
    ("now", "retention", "calls"),
    [(1_000 * DAY, 400 * DAY, [600 * DAY]), (None, 400 * DAY, []), (1_000 * DAY, None, [])],
)
async def test_the_job_deletes_at_once_unless_the_clock_is_not_trusted_or_all_is_kept(
    now: int | None, retention: int | None, calls: list[int]
) -> None:
    recorder = Recorder()
    await run_until_looked(recorder, now, retention, asyncio.Event())
    assert recorder.calls == calls


async def test_the_job_goes_on_after_a_failure_and_says_why(caplog: pytest.LogCaptureFixture) -> None:
    recorder = Recorder(fails=True)
    task = asyncio.create_task(keep_retention(recorder.retain, now=lambda: 10**9, retention=lambda: 1))
    async with asyncio.timeout(30):
        while len(recorder.calls) < 2:
            recorder.called.clear()
            await recorder.called.wait()
    assert not task.done()
    assert "retention: the disk is full" in caplog.text
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


async def test_a_collector_deletes_in_the_background_once_it_serves(tmp_path: Path) -> None:
    now = time.time_ns() // 1_000_000
    log = SqliteLog(tmp_path)
    await log.append(candidates(logged("old", time=now - 3 * DAY), logged("new", time=now)))
    await log.close()
    with CollectorProcess(tmp_path, "--retention", "1d") as served:
        assert "deleted 1 events" in served.stderr_until(["retention:"])
        assert served.stop()[0] == 0
    log = SqliteLog(tmp_path)
    assert await ids(log) == ["new"]
    await log.close()
