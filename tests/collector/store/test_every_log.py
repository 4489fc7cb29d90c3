"""What every log promises, wherever it keeps events. What is of SQLite's files alone is in test_log and deletion/."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from kizashi_collector.analysis import LoggedEvent
from kizashi_collector.store import Candidate, CommitReport, Erased, Refusal, SqliteLog
from kizashi_collector.store._clickhouse._settled import read_settled
from kizashi_collector.store.clickhouse import ClickHouseLog
from stores import CHOSEN, each_store, open_log

__all__ = ["each_store"]

AnyLog = SqliteLog | ClickHouseLog
Verdict = tuple[str, str | None]
NEW, AGAIN, ERASED = ("accepted", None), ("duplicate", None), ("duplicate", "erased")


def logged(event_id: str, **fields: Any) -> Candidate:
    plain: dict[str, Any] = {"id": event_id, "name": "sale", "time": 9, "received_at": 9, "actor": "other"}
    event = LoggedEvent(**plain | fields)
    return Candidate(event=event, refusal=None, id=event_id, body=b"", received_at=event.received_at)


def refused(event_id: str | None, body: bytes = b"5", received_at: int = 9) -> Candidate:
    return Candidate(event=None, refusal=Refusal("bad_name", "no"), id=event_id, body=body, received_at=received_at)


async def append(log: AnyLog, *candidates: Candidate) -> list[Verdict]:
    return [(outcome.verdict, outcome.code) for outcome in await log.append(list(candidates))]


async def ids(log: AnyLog) -> list[str]:
    return [event.id for event in (await log.newest(1_000))[::-1]]


async def adjustments(log: AnyLog) -> int:
    """How many adjustments are in force."""
    if isinstance(log, ClickHouseLog):
        view = read_settled(log.engine).view()
        return int(log.engine.ask(f"SELECT count() FROM {view.table} WHERE {view.where} AND adjust != 0")[0][0])
    with closing(sqlite3.connect(log.path)) as connection:
        return int(connection.execute("SELECT count(*) FROM adjustments").fetchone()[0])


@pytest.fixture
async def log(tmp_path: Path, each_store: None) -> AsyncIterator[AnyLog]:
    log = open_log(CHOSEN.kind, tmp_path)
    yield log
    await log.close()


async def test_what_is_acknowledged_is_there_after_opening_again(tmp_path: Path) -> None:
    log = open_log(CHOSEN.kind, tmp_path)
    whole = logged(
        "e1",
        value=5_000_000,
        currency="JPY",
        currency_defaulted=True,
        order="A\u0000-1",
        session="s",
        source={"campaign": "ブランド", "gclid": ""},
        properties={"a": 1, "b": 1.0, "c": True, "d": None, "e": 2**70},
        consent={"ads": False},
        shift=-7,
        imported=True,
    )
    await append(log, whole, logged("e2", adjust="restate", order="x", actor=None))
    await log.close()
    log = open_log(CHOSEN.kind, tmp_path)
    assert await ids(log) == ["e1", "e2"]
    assert (await log.newest(10))[1] == whole.event
    await log.close()


async def test_each_request_gets_its_own_verdicts(log: AnyLog) -> None:
    answers = await asyncio.gather(
        append(log, logged("1"), refused(None)), append(log, logged("1")), append(log), append(log, logged("2"))
    )
    assert list(answers) == [[NEW, ("rejected", "bad_name")], [AGAIN], [], [NEW]]


async def test_concurrent_requests_are_written_together(tmp_path: Path) -> None:
    commits: list[CommitReport] = []
    log = open_log(CHOSEN.kind, tmp_path, commits.append)
    answers = await asyncio.gather(*(append(log, logged(str(n))) for n in range(300)))
    assert answers == [[NEW]] * 300
    assert sum(commit.requests for commit in commits) == 300
    assert len(commits) < 150
    await log.close()


async def test_what_waits_is_written_before_it_closes(tmp_path: Path) -> None:
    log = open_log(CHOSEN.kind, tmp_path)
    waiting = [asyncio.create_task(append(log, logged(str(n)))) for n in range(50)]
    await asyncio.sleep(0)
    await log.close()
    assert [await task for task in waiting] == [[NEW]] * 50


async def test_an_event_that_comes_again_with_a_restatement_of_it_is_the_same_and_no_second_sale(log: AnyLog) -> None:
    sale = logged("a", order="x", value=1_000_000, currency="JPY")
    restated = logged("r", order="x", value=2_000_000, currency="JPY", adjust="restate", actor=None)
    wrong = logged("w", order="x", value=2_000_000, currency="USD", adjust="restate", actor=None)
    assert await append(log, sale) == [NEW]
    assert await append(log, restated, sale) == [NEW, AGAIN]
    assert await append(log, logged("new"), restated, sale, wrong) == [NEW, AGAIN, AGAIN, ("rejected", "bad_currency")]


async def test_an_order_that_comes_again_with_an_adjustment_of_it_is_a_duplicate(log: AnyLog) -> None:
    await append(log, logged("sale", order="x"))
    back = logged("back", order="x", adjust="retract", actor=None)
    assert await append(log, logged("again", order="x"), back) == [("duplicate", "order"), NEW]
    assert await ids(log) == ["sale", "back"]


async def test_what_was_erased_does_not_come_back_and_a_new_event_is_a_new_person(log: AnyLog) -> None:
    mine = [logged(f"m{n}", actor="me", order=f"o{n}") for n in range(3)]
    taken_back = logged("back", adjust="retract", order="o1", actor=None)
    await append(log, *mine, logged("k"), taken_back, refused("bad", b'{"actor":"me"}'))
    assert await log.erase("me") == Erased(4, 1)
    assert await ids(log) == ["k"]
    assert await append(log, *mine, taken_back, logged("k")) == [*[ERASED] * 4, AGAIN]
    assert await append(log, logged("m9", actor="me", order="o1")) == [NEW]
    # Not even among the rejected.
    assert await append(log, refused("m0", b'{"actor":"me"}')) == [ERASED]
    assert (await log.rejected(10))[0] == []
    assert await log.erase("me") == Erased(1, 0)
    assert await log.erase("nobody") == Erased(0, 0)


async def test_adjustments_of_another_month_are_erased_with_their_original(log: AnyLog) -> None:
    month = 31 * 86_400_000
    await append(log, logged("mine", actor="me", order="x", time=6 * month))
    for at in range(6):
        await append(log, logged(f"r{at}", order="x", time=(2 * at + 1) * month, adjust="retract", actor=None))
    assert await log.erase("me") == Erased(7, 0)
    assert await ids(log) == []
    assert await append(log, logged("mine", actor="me", order="x")) == [ERASED]


async def test_who_is_erased_takes_nothing_along_of_an_order_that_is_anothers(log: AnyLog) -> None:
    await append(log, logged("sale", order="x"), logged("back", order="x", adjust="retract", actor=None))
    assert await append(log, logged("mine", actor="me", order="x")) == [("duplicate", "order")]
    assert await log.erase("me") == Erased(0, 0)
    assert await ids(log) == ["sale", "back"]


async def test_an_order_that_came_twice_keeps_no_adjustment_when_its_original_goes(log: AnyLog) -> None:
    sale = logged("sale", order="x", time=1)
    await append(log, sale, logged("back", order="x", time=1, adjust="retract", actor=None))
    assert await append(log, logged("again", order="x")) == [("duplicate", "order")]
    await log.retain(5)
    # Nothing is left that would take this one back.
    assert await append(log, logged("new", order="x")) == [NEW]
    assert await adjustments(log) == 0


async def test_the_order_of_what_went_is_free_and_the_orders_of_the_rest_are_not(log: AnyLog) -> None:
    await append(log, logged("a", time=1, order="x"), logged("b", order="y"))
    assert await log.retain(5) == 1
    assert await append(log, logged("c", order="x"), logged("d", order="y")) == [NEW, ("duplicate", "order")]
    assert await ids(log) == ["b", "c"]
    assert await log.retain(5) == 0


async def test_an_old_adjustment_is_in_the_log_no_more_though_it_stays_in_force(log: AnyLog) -> None:
    await append(
        log,
        logged("early", adjust="retract", order="x", time=1, actor=None),
        logged("alone", adjust="retract", order="y", time=1, actor=None),
        logged("of sale", order="x"),
    )
    await log.retain(5)
    assert await ids(log) == ["of sale"]


async def test_what_comes_after_retention_counts_however_old_it_is(log: AnyLog) -> None:
    await append(log, logged("a", time=1, order="x"), logged("b", time=9))
    assert await log.retain(8) == 1
    old = logged("c", time=2, order="x"), logged("back", time=3, order="x", adjust="retract", actor=None)
    assert await append(log, *old) == [NEW, NEW]
    assert await append(log, logged("a", time=1)) == [NEW]
    assert await ids(log) == ["b", "c", "back", "a"]
    # A shorter reach does not bring anything back, and goes as far as it says.
    assert await log.retain(2) == 1
    assert await ids(log) == ["b", "c", "back"]
    assert await append(log, logged("d", time=1)) == [NEW]
    assert await log.retain(8) == 3
    assert await ids(log) == ["b"]
    assert await log.retain(8) == 0


async def test_an_adjustment_that_went_from_the_log_is_new_when_it_comes_again(log: AnyLog) -> None:
    taken_back = logged("back", adjust="retract", order="x", time=1, actor=None)
    await append(log, logged("sale", order="x"), taken_back)
    assert await log.retain(5) == 1
    assert await append(log, taken_back, taken_back) == [NEW, AGAIN]
    assert await ids(log) == ["sale", "back"]


async def test_rejected_events_expire_by_their_receipt(log: AnyLog) -> None:
    for at in (1, 9):
        await append(log, refused(f"r{at}", b"{}", at))
    await log.retain(5)
    assert [row.id for row in (await log.rejected(10))[0]] == ["r9"]


async def test_names_are_counted_without_adjustments_and_without_what_went(log: AnyLog) -> None:
    await append(
        log,
        logged("a", name="mv_view", time=3),
        logged("b", name="mv_view", time=1),
        logged("c", order="x"),
        logged("d", adjust="retract", order="x"),
    )
    assert [(seen.name, seen.count, seen.last_time) for seen in await log.names()] == [
        ("mv_view", 2, 3),
        ("sale", 1, 9),
    ]
    await log.retain(2)
    assert [(seen.name, seen.count) for seen in await log.names()] == [("mv_view", 1), ("sale", 1)]
