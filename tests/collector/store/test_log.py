"""The log: durable before it answers, one owner, and honest when the disk is not there."""

from __future__ import annotations

import asyncio
import os
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from kizashi_collector.analysis import LoggedEvent
from kizashi_collector.store import Candidate, CommitReport, Refusal, SqliteLog, StoreError
from kizashi_collector.store import _writer as writer_module


def candidate(number: int, **fields: Any) -> Candidate:
    plain: dict[str, Any] = {"id": f"e{number}", "name": "mv_view", "time": number, "received_at": number, "actor": "a"}
    made = LoggedEvent(**plain | fields)
    return Candidate(event=made, refusal=None, id=made.id, body=b"", received_at=number)


async def test_what_is_acknowledged_is_there_after_opening_again(tmp_path: Path) -> None:
    log = SqliteLog(tmp_path)
    whole = candidate(
        1,
        value=5_000_000,
        currency="JPY",
        currency_defaulted=True,
        order="A\u0000-1",
        session="s",
        source={"campaign": "ブランド"},
        properties={"a": 1, "b": 1.5, "c": True, "d": None, "e": 2**70},
        consent={"ads": False},
        shift=-7,
        imported=True,
    )
    await log.append([whole, candidate(2, adjust="restate", order="x", actor=None)])
    await log.close()
    log = SqliteLog(tmp_path)
    assert [event.id for event in await log.newest(10)] == ["e2", "e1"]
    assert (await log.newest(10))[1] == whole.event
    await log.close()


async def test_the_log_is_synced_in_full_before_it_answers(tmp_path: Path) -> None:
    log = SqliteLog(tmp_path)
    pragma = {
        name: log._writer.connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("journal_mode", "synchronous")
    }
    assert pragma == {"journal_mode": "wal", "synchronous": 2}
    await log.close()


async def test_concurrent_requests_share_transactions(tmp_path: Path) -> None:
    commits: list[CommitReport] = []
    log = SqliteLog(tmp_path, on_commit=commits.append)
    answers = await asyncio.gather(*(log.append([candidate(n)]) for n in range(500)))
    assert all(outcome.verdict == "accepted" for (outcome,) in answers)
    assert sum(commit.requests for commit in commits) == 500
    assert len(commits) < 250
    await log.close()


async def test_each_request_gets_its_own_verdicts(tmp_path: Path) -> None:
    log = SqliteLog(tmp_path)
    refused = Candidate(event=None, refusal=Refusal("bad_name", "no"), id=None, body=b"5", received_at=0)
    answers = await asyncio.gather(
        log.append([candidate(1), refused]), log.append([candidate(1)]), log.append([]), log.append([candidate(2)])
    )
    assert [[outcome.verdict for outcome in answer] for answer in answers] == [
        ["accepted", "rejected"],
        ["duplicate"],
        [],
        ["accepted"],
    ]
    await log.close()


async def test_a_second_owner_is_refused_while_the_first_lives(tmp_path: Path) -> None:
    log = SqliteLog(tmp_path)
    with pytest.raises(StoreError, match="another running collector"):
        SqliteLog(tmp_path)
    code = "import pathlib, sys; from kizashi_collector.store import SqliteLog; SqliteLog(pathlib.Path(sys.argv[1]))"
    other = await asyncio.create_subprocess_exec(sys.executable, "-c", code, str(tmp_path), stderr=subprocess.PIPE)
    _, told = await other.communicate()
    assert b"another running collector" in told
    await log.close()
    await SqliteLog(tmp_path).close()


async def test_a_folder_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="file"):
        SqliteLog(tmp_path / "file")


async def test_a_file_that_is_no_database_is_named_and_the_folder_is_free_again(tmp_path: Path) -> None:
    (tmp_path / "log.db").write_text("this is not a database, but long enough to be one" * 100)
    for _ in range(2):
        with pytest.raises(StoreError, match=r"log\.db"):
            SqliteLog(tmp_path)


async def test_a_failed_transaction_keeps_nothing_and_the_log_recovers(tmp_path: Path) -> None:
    log = SqliteLog(tmp_path)
    await log.append([candidate(1)])
    # A full disk, as SQLite tells it: no page may be added.
    pages = log._writer.connection.execute("PRAGMA page_count").fetchone()[0]
    log._writer.connection.execute(f"PRAGMA max_page_count = {pages}")
    large = candidate(2, properties={f"p{n}": os.urandom(2_500).hex() for n in range(10)})
    with pytest.raises(StoreError, match="full"):
        await log.append([candidate(3), large])
    assert "full" in (log._writer.trouble or "")
    log._writer.connection.execute("PRAGMA max_page_count = 1000000")
    assert await log.check() is None
    assert [event.id for event in await log.newest(10)] == ["e1"]
    assert [outcome.verdict for outcome in await log.append([candidate(3), large])] == ["accepted", "accepted"]
    await log.close()


async def test_a_full_volume_is_trouble_until_there_is_room_for_more_than_a_probe(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = SqliteLog(tmp_path)
    free = 0
    monkeypatch.setattr(writer_module, "_free_bytes", lambda _: free)
    pages = log._writer.connection.execute("PRAGMA page_count").fetchone()[0]
    log._writer.connection.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(StoreError, match="full"):
        await log.append([candidate(1, properties={f"p{n}": os.urandom(2_500).hex() for n in range(10)})])
    log._writer.connection.execute("PRAGMA max_page_count = 1000000")
    # As where SQLite reuses its write-ahead log: little is taken, and a larger batch would be refused.
    assert [outcome.verdict for outcome in await log.append([candidate(2)])] == ["accepted"]
    assert "full" in (await log.check() or "")
    free = 1 << 20
    assert await log.check() is None
    await log.close()


async def test_an_error_in_one_group_fails_every_request_of_it_and_no_other(tmp_path: Path) -> None:
    log = SqliteLog(tmp_path)
    impossible = candidate(1, time=2**80)
    with pytest.raises(StoreError):
        await log.append([impossible])
    assert [outcome.verdict for outcome in await log.append([candidate(2)])] == ["accepted"]
    await log.close()


async def test_the_oldest_rejected_events_go_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer_module, "MAX_REJECTED", 3)
    log = SqliteLog(tmp_path)
    for number in range(5):
        refusal = Refusal("bad_name", "no")
        await log.append([Candidate(event=None, refusal=refusal, id=str(number), body=b"5", received_at=number)])
    rows, codes = await log.rejected(10)
    assert ([row.id for row in rows], codes) == (["4", "3", "2"], {"bad_name": 3})
    await log.close()


async def test_a_database_of_the_first_release_is_migrated_once(tmp_path: Path) -> None:
    await SqliteLog(tmp_path).close()
    await SqliteLog(tmp_path).close()
    connection = sqlite3.connect(tmp_path / "log.db")
    applied = connection.execute("SELECT migration_set, name FROM _sqlite_migrations").fetchall()
    connection.close()
    assert sorted(applied) == [
        ("log", "2026-11-20 fits"),
        ("log", "2026-11-20 log"),
        ("log", "2026-11-21 increments"),
    ]


async def test_what_waits_is_written_before_it_closes(tmp_path: Path) -> None:
    log = SqliteLog(tmp_path)
    waiting = [asyncio.create_task(log.append([candidate(n)])) for n in range(50)]
    await asyncio.sleep(0)
    await log.close()
    assert [(await task)[0].verdict for task in waiting] == ["accepted"] * 50


async def test_nothing_is_stored_that_an_index_with_a_gap_could_take_for_new(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = SqliteLog(tmp_path)
    with monkeypatch.context() as patched:

        def fail(*_: object) -> None:
            raise MemoryError("no room for more ids")

        patched.setattr(log._writer._chunks._seen, "add", fail)
        # It is durable, and so it is acknowledged.
        assert [outcome.verdict for outcome in await log.append([candidate(1)])] == ["accepted"]
        with pytest.raises(StoreError, match="no room for more ids; a restart"):
            await log.append([candidate(1)])
    await log.close()
    log = SqliteLog(tmp_path)
    assert [outcome.verdict for outcome in await log.append([candidate(1), candidate(2)])] == ["duplicate", "accepted"]
    await log.close()


async def test_an_index_that_was_lost_is_made_again_from_the_log(tmp_path: Path) -> None:
    log = SqliteLog(tmp_path)
    await log.append([candidate(number) for number in range(300)])
    await log.close()
    shutil.rmtree(tmp_path / "ids")
    log = SqliteLog(tmp_path)
    outcomes = await log.append([candidate(number) for number in range(301)])
    assert [outcome.verdict for outcome in outcomes] == ["duplicate"] * 300 + ["accepted"]
    await log.close()
