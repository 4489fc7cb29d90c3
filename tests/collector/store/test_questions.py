"""Questions to the log end in time: at their deadline, when their client leaves, when the log closes."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from kizashi_collector.store import QueryEndedError, QueryTooSlowError, SqliteLog
from kizashi_collector.store._patience import Patience


@pytest.fixture
async def log(tmp_path: Path) -> AsyncIterator[SqliteLog]:
    log = SqliteLog(tmp_path, query_seconds=30.0)
    yield log
    await log.close()


def endless_python(_: sqlite3.Connection, patience: Patience) -> None:
    while True:
        patience()


def endless_sql(connection: sqlite3.Connection, _: Patience) -> None:
    counting = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"
    connection.execute(counting).fetchone()


Question = Callable[[sqlite3.Connection, Patience], None]


@pytest.mark.parametrize("question", [endless_python, endless_sql])
async def test_a_question_ends_at_its_deadline(tmp_path: Path, question: Question) -> None:
    log = SqliteLog(tmp_path, query_seconds=0.05)
    with pytest.raises(QueryTooSlowError, match=r"0\.05 s"):
        await log.read(question)
    await log.close()


@pytest.mark.parametrize("question", [endless_python, endless_sql])
async def test_closing_ends_open_questions(tmp_path: Path, question: Question) -> None:
    log = SqliteLog(tmp_path)
    asked = [asyncio.create_task(log.read(question)) for _ in range(4)]
    await asyncio.sleep(0)
    async with asyncio.timeout(5):
        await log.close()
    for one in asked:
        with pytest.raises(QueryEndedError):
            await one


async def test_a_question_whose_client_left_frees_its_reader(log: SqliteLog) -> None:
    began = [threading.Event() for _ in range(2)]

    def ask(number: int) -> asyncio.Task[None]:
        def question(connection: sqlite3.Connection, patience: Patience) -> None:
            began[number].set()
            endless_python(connection, patience)

        return asyncio.create_task(log.read(question))

    both = [ask(0), ask(1)]
    for event in began:
        await asyncio.to_thread(event.wait, 5)
    for task in both:
        task.cancel()
    async with asyncio.timeout(5):
        assert await log.names() == []
    assert all(task.cancelled() for task in both)


async def test_a_reader_is_as_good_as_new_after_a_question_that_ended(tmp_path: Path) -> None:
    log = SqliteLog(tmp_path, query_seconds=0.5)
    for _ in range(4):
        with pytest.raises(QueryTooSlowError):
            await log.read(endless_sql)
    assert await log.newest(1) == []
    await log.close()
