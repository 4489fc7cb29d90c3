"""The ledger in the log: what it says after deletions, restores and restarts, and whose cursors it knows."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from kizashi_collector.analysis import FittedKeys, LoggedEvent
from kizashi_collector.store import (
    Candidate,
    IncrementLine,
    IncrementsReport,
    LogAnswers,
    SqliteLog,
    UnknownCursorError,
    back_up,
    restore_backup,
)
from kizashi_collector.store._increments import _asking, _tasks
from kizashi_collector.store._ledger import LedgerNews
from kizashi_schemas.plan import Plan, load_plan
from properties.test_increments_against_oracle import PLANS, learned, stored_fit

DAY = 86_400_000
NOW = 1_790_000_000_000 // DAY * DAY
EVENTS = """
    currency = "JPY"
    [events.mv_look]
    [events.mv_cart]
    value = 300
    [events.purchase]
    final = true
    value = "event"
    [values]
    ladder = ["mv_cart"]
    horizon = "2d"
    lookback = "5d"
"""
PLAN = load_plan(EVENTS)


def happened(event_id: str, name: str, days_ago: float = 0, **fields: Any) -> LoggedEvent:
    time = NOW - int(days_ago * DAY)
    plain: dict[str, Any] = {"id": event_id, "name": name, "time": time, "received_at": time, "actor": "ann"}
    if name == "purchase":
        plain |= {"value": 5_000_000_000, "currency": "JPY", "order": event_id}
    return LoggedEvent(**plain | {"source": {"campaign": "g"}} | fields)


async def store(log: SqliteLog, *events: LoggedEvent) -> None:
    outcomes = await log.append([Candidate(event=e, refusal=None, id=e.id, body=b"", received_at=0) for e in events])
    assert [outcome.verdict for outcome in outcomes] == ["accepted"] * len(events)


async def asked(
    log: SqliteLog, now: int = NOW, since: str | None = None, plan: Plan = PLAN, limit: int = 100
) -> IncrementsReport:
    return await LogAnswers(log).increments(plan, now, since, limit, lambda report: report)


async def told(log: SqliteLog, now: int = NOW, plan: Plan = PLAN) -> list[tuple[str, str | None, int]]:
    return [_plain(line) for line in (await asked(log, now, plan=plan)).lines]


def _plain(line: IncrementLine) -> tuple[str, str | None, int]:
    return line.kind, line.event_id, line.value // 1_000_000


def count(folder: Path, table: str) -> int:
    with closing(sqlite3.connect(folder / "log.db")) as connection:
        found: int = connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
        return found


async def test_the_first_answer_tells_the_net_of_history(tmp_path: Path) -> None:
    log = SqliteLog(tmp_path)
    await store(
        log,
        happened("c1", "mv_cart", 90),
        happened("c2", "mv_cart", 50, actor="bob"),
        happened("p2", "purchase", 49, actor="bob"),
        happened("l3", "mv_look", 1, actor="cy"),
        happened("c4", "mv_cart", 1, actor="dan"),
    )
    assert await told(log) == [("sale", "p2", 5000), ("step", "c4", 300)]
    assert await told(log, NOW + DAY) == [("sale", "p2", 5000), ("step", "c4", 300)]
    assert await told(log, NOW + DAY + 1) == [("sale", "p2", 5000), ("step", "c4", 300), ("expired", None, -300)]
    await log.close()


async def test_a_line_names_the_whole_source_with_a_click_that_no_campaign_came_with(tmp_path: Path) -> None:
    log = SqliteLog(tmp_path)
    await store(
        log,
        happened("c1", "mv_cart", 1, source={"campaign": "g", "gclid": "A"}),
        happened("l1", "mv_look", 0.5, source={"gclid": "B"}),
        happened("l2", "mv_look", 0.4, source={}),
    )
    (line,) = (await asked(log)).lines
    assert (line.source, line.actor, line.event_time) == ('{"gclid":"B"}', "ann", NOW - DAY)
    await log.close()


async def test_many_who_ask_at_once_are_told_the_same_once(tmp_path: Path) -> None:
    log = SqliteLog(tmp_path)
    await store(log, *(happened(f"c{n}", "mv_cart", actor=f"v{n}") for n in range(50)))
    # Each with answers of its own: nothing but the transaction stands between them.
    first = await asyncio.gather(*(asked(log) for _ in range(6)))
    assert len({report.next_cursor for report in first}) == 1
    assert all(len(report.lines) == 50 for report in first)
    await log.close()


@pytest.mark.parametrize(("share", "part"), [(3, 100), (100, 3), (3, 1)])
async def test_a_ledger_that_began_with_some_of_the_actors_goes_on_with_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, share: int, part: int
) -> None:
    monkeypatch.setattr(_asking, "_SHARE", share)
    monkeypatch.setattr(_tasks, "_PART", part)
    monkeypatch.setattr(_tasks, "_AT_ONCE", part)
    log = SqliteLog(tmp_path)
    await store(log, *(happened(f"c{n}", "mv_cart", 1, actor=f"v{n}") for n in range(10)))
    began: list[asyncio.Task[IncrementsReport]] = []
    add = log.add_increments

    async def once(news: LedgerNews) -> bool:
        """The client leaves after the first transaction; then somebody goes, and somebody comes."""
        added = await add(news)
        began[0].cancel()
        return added

    monkeypatch.setattr(log, "add_increments", once)
    began.append(asyncio.create_task(asked(log)))
    with pytest.raises(asyncio.CancelledError):
        await began[0]
    monkeypatch.setattr(log, "add_increments", add)
    first = await log.read(lambda connection, _: connection.execute("SELECT event_id FROM increments").fetchall())
    assert 0 < len(first) < 10
    gone = next(f"v{n}" for n in range(10) if (f"c{n}",) not in first)
    await log.erase(gone)
    await log.close()

    log = SqliteLog(tmp_path)
    await store(
        log, happened("p1", "purchase", 0, actor=f"v{first[0][0][1:]}"), happened("c10", "mv_cart", actor="v10")
    )
    lines = await told(log)
    left = {f"c{n}" for n in range(11) if f"v{n}" != gone}
    assert sorted(lines) == sorted([*(("step", event, 300) for event in left), ("sale", "p1", 4700)])
    assert [line[1] for line in lines[: len(first)]] == [event for (event,) in first]
    await log.close()


async def test_a_step_is_told_at_what_was_learned_by_then_and_not_again_at_what_is_learned_later(
    tmp_path: Path,
) -> None:
    log, plan, hour = SqliteLog(tmp_path), PLANS["last"], 3_600_000
    fitted = FittedKeys(learned("last", 1.0)[1])
    (worth,) = {round(fitted.values(fitted.place(("g",)))[1])}
    await store(log, happened("c1", "mv_cart", 0, actor="ann"))
    declared = (await asked(log, plan=plan)).lines[0]
    assert (declared.value, declared.fit) == (300_000_000, None)

    fit = await log.add_fit(stored_fit("last", 1.0, NOW))
    await store(log, happened("c2", "mv_cart", 0, actor="bob"), happened("l1", "mv_look", 0, actor="ann"))
    (line,) = (await asked(log, plan=plan, since=declared.cursor)).lines
    assert (line.event_id, line.value, line.fit) == ("c2", worth, fit.number)

    await log.add_fit(stored_fit("last", 3.0, NOW + hour))
    await store(log, happened("c3", "mv_cart", time=NOW + hour, actor="bob"))
    assert list((await asked(log, NOW + hour, plan=plan, since=line.cursor)).lines) == []
    await log.close()


async def test_with_nothing_to_tell_there_is_a_cursor_that_stays(tmp_path: Path) -> None:
    log = SqliteLog(tmp_path)
    empty = await asked(log)
    assert (list(empty.lines), empty.more) == ([], False)
    assert (await asked(log, since=empty.next_cursor)).next_cursor == empty.next_cursor
    await store(log, happened("c1", "mv_cart"))
    (line,) = (await asked(log, since=empty.next_cursor)).lines
    assert list((await asked(log, since=line.cursor)).lines) == []
    await log.close()


async def test_an_event_that_is_still_to_come_is_told_when_its_time_has_come(tmp_path: Path) -> None:
    log = SqliteLog(tmp_path)
    await store(log, happened("c1", "mv_cart", time=NOW + 60_000))
    assert await told(log, NOW + 59_999) == []
    assert await told(log, NOW + 60_000) == [("step", "c1", 300)]
    await log.close()


async def test_a_clock_that_goes_back_tells_nothing_otherwise(tmp_path: Path) -> None:
    log = SqliteLog(tmp_path)
    await store(log, happened("c1", "mv_cart"))
    lines = await told(log, NOW + 3 * DAY)
    assert lines == []
    assert (await asked(log, NOW)).as_of == NOW + 3 * DAY
    await log.close()


async def test_a_sale_in_a_currency_without_a_rate_is_told_when_there_is_one(tmp_path: Path) -> None:
    log = SqliteLog(tmp_path)
    await store(log, happened("c1", "mv_cart", 1))
    await told(log)
    await store(log, happened("p1", "purchase", 0, currency="USD", value=3_000_000))
    assert await told(log) == [("step", "c1", 300)]
    # Also when its horizon is over: what a sale brought is not nothing because nobody can say it.
    assert await told(log, NOW + 9 * DAY) == [("step", "c1", 300)]
    rich = load_plan(EVENTS.replace('"JPY"', '"JPY"\nrates = { USD = 150 }', 1))
    assert await told(log, NOW + 9 * DAY, plan=rich) == [("step", "c1", 300)]
    await store(log, happened("l1", "mv_look", 0, time=NOW + 9 * DAY))
    assert await told(log, NOW + 9 * DAY, plan=rich) == [("step", "c1", 300), ("sale", "p1", 150)]
    await log.close()


async def test_amounts_beyond_64_bits_are_told_exactly(tmp_path: Path) -> None:
    log = SqliteLog(tmp_path)
    rich = load_plan(EVENTS.replace('"JPY"', '"JPY"\nrates = { USD = 999999 }', 1))
    value = 10**16
    await store(log, happened("p1", "purchase", 0, currency="USD", value=value))
    (line,) = (await asked(log, plan=rich)).lines
    assert line.value == line.emitted == value * 999_999
    await log.close()


async def test_retention_tells_nothing_of_what_it_deletes(tmp_path: Path) -> None:
    log = SqliteLog(tmp_path)
    await store(
        log,
        happened("c1", "mv_cart", 5.5),
        happened("p1", "purchase", 4.5),
        happened("c2", "mv_cart", 1.5),
        happened("c3", "mv_cart", 6, actor="bob"),
        happened("p3", "purchase", 5.9, actor="bob"),
    )
    before = await told(log)
    assert sorted(before) == [("sale", "p1", 5000), ("sale", "p3", 5000), ("step", "c2", 300)]
    assert await log.retain(NOW - 5 * DAY) == 3
    await store(log, happened("l1", "mv_look", 0))
    # The sale whose cart is gone is of the journey that was told; an actor of whom nothing is left has no lines.
    kept = [line for line in before if line[1] != "p3"]
    assert await told(log) == kept
    await store(log, happened("p4", "purchase", 0))
    assert await told(log) == [*kept, ("sale", "p4", 4700)]
    await log.close()
    assert count(tmp_path, "emitted") == 2


async def test_an_erased_actor_is_in_no_line_and_numbers_of_lines_are_not_given_again(tmp_path: Path) -> None:
    log = SqliteLog(tmp_path)
    await store(log, happened("c1", "mv_cart"), happened("c2", "mv_cart", actor="bob"))
    first, second = (await asked(log)).lines
    await log.erase("bob")
    assert [line.cursor for line in (await asked(log)).lines] == [first.cursor]
    await store(log, happened("c3", "mv_cart", actor="bob"))
    report = await asked(log, since=second.cursor)
    assert [line.event_id for line in report.lines] == ["c3"]
    assert report.lines[0].journey not in (first.journey, second.journey)
    await log.close()
    log = SqliteLog(tmp_path)
    assert [line.event_id for line in (await asked(log)).lines] == ["c1", "c3"]
    await log.close()


async def test_a_cursor_of_before_a_backup_goes_on_after_it_is_restored_and_a_later_one_is_refused(
    tmp_path: Path,
) -> None:
    log = SqliteLog(tmp_path / "a")
    await store(log, happened("c1", "mv_cart"))
    saved = (await asked(log)).next_cursor
    await log.close()
    back_up(tmp_path / "a", tmp_path / "backup.tar", version="1", now=0)
    log = SqliteLog(tmp_path / "a")
    await store(log, happened("c2", "mv_cart", actor="bob"))
    lost = (await asked(log)).next_cursor
    await log.close()

    restore_backup(tmp_path / "backup.tar", tmp_path / "b", stamp="x")
    log = SqliteLog(tmp_path / "b")
    await store(log, happened("c3", "mv_cart", actor="cy"), happened("c4", "mv_cart", actor="dan"))
    report = await asked(log, since=saved)
    assert [line.event_id for line in report.lines] == ["c3", "c4"]
    assert (await asked(log, since=report.lines[0].cursor)).lines == report.lines[1:]
    with pytest.raises(UnknownCursorError, match="another log"):
        await asked(log, since=lost)
    await log.close()


@pytest.mark.parametrize(
    "cursor", ["", "0", "x.1", "0123456789abcdef.0", "0123456789ABCDEF.1", "0123456789abcdef.-1", "0123456789abcdef.²"]
)
async def test_what_is_no_cursor_of_this_log_is_refused(tmp_path: Path, cursor: str) -> None:
    log = SqliteLog(tmp_path)
    with pytest.raises(UnknownCursorError):
        await asked(log, since=cursor)
    await log.close()


async def test_a_cursor_beyond_the_last_line_is_refused(tmp_path: Path) -> None:
    log = SqliteLog(tmp_path)
    tag = (await asked(log)).next_cursor.partition(".")[0]
    with pytest.raises(UnknownCursorError):
        await asked(log, since=f"{tag}.1")
    await log.close()
