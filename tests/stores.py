"""Both stores, for tests that hold for either: SQLite in a folder, ClickHouse in a database of its own.

With KIZASHI_TEST_CLICKHOUSE=clickhouse://user:password@host:8123/ the server there is used, and else the engine in this
process. After each test the databases that it made are dropped (see conftest.py).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import msgspec
import pytest

from clickhouse_engine import folder
from kizashi_collector.store import Answers, CommitReport, InThread, Log, LogAnswers, SqliteLog
from kizashi_collector.store._clickhouse._engine import Engine
from kizashi_collector.store.clickhouse import Address, ClickHouseAnswers, ClickHouseLog

__all__ = [
    "CHOSEN",
    "LONG",
    "STORES",
    "StoreKind",
    "address_of",
    "bring_up_to_date",
    "drop_databases",
    "each_store",
    "each_store_in_time",
    "let_no_time",
    "open_answers",
    "open_log",
]

StoreKind = Literal["sqlite", "clickhouse"]
STORES: tuple[StoreKind, ...] = ("sqlite", "clickhouse")


class _Chosen:
    kind: StoreKind = "sqlite"


CHOSEN = _Chosen()
"""The store that the running test is for; see the fixture `each_store`."""

_SERVER = os.environ.get("KIZASHI_TEST_CLICKHOUSE", "")
_DATABASES: dict[Path, str] = {}


def address_of(place: Path) -> Address:
    """Where the store of a folder is; the same each time, until databases are dropped."""
    database = _DATABASES.setdefault(place, f"test_{uuid4().hex}")
    if not _SERVER:
        return Address.of(f"chdb://{folder()}?database={database}")
    parts = urlsplit(_SERVER)
    return Address.of(urlunsplit(parts._replace(path=f"/{database}")))


def drop_databases() -> None:
    """Drop all databases that were made since the last time. Nobody may need them any more."""
    while _DATABASES:
        address = address_of(next(iter(_DATABASES)))
        on_cluster = f" ON CLUSTER `{address.cluster}`" if address.cluster else ""
        _beside(msgspec.structs.replace(address, database="default")).run(
            f"DROP DATABASE IF EXISTS {address.database}{on_cluster} SYNC"
        )
        del _DATABASES[next(iter(_DATABASES))]


@cache
def _beside(address: Address) -> Engine:
    return Engine(address)


def open_log(
    kind: StoreKind, place: Path, on_commit: Callable[[CommitReport], None] = lambda _: None
) -> SqliteLog | ClickHouseLog:
    """Open the log of a folder."""
    if kind == "sqlite":
        return SqliteLog(place, on_commit=on_commit)
    log = ClickHouseLog(address_of(place), pause_seconds=0, on_commit=on_commit)
    # For so few rows, to compile what a question computes takes longer than to answer it.
    log.engine._client.set_client_setting("compile_expressions", 0)
    return log


def open_answers(log: SqliteLog | ClickHouseLog, now: Callable[[], int]) -> Answers:
    """Answers about a log, which are all fresh."""
    if isinstance(log, SqliteLog):
        return LogAnswers(log, InThread(log, now))
    return ClickHouseAnswers(log, now, refresh_seconds=0)


async def bring_up_to_date(answers: Answers) -> None:
    """Have done what a collector in ClickHouse does by and by."""
    if isinstance(answers, ClickHouseAnswers):
        await answers.learn()


def let_no_time(log: Log, patch: pytest.MonkeyPatch) -> None:
    """Have every question take too long."""
    patch.setattr(log, "_query_seconds" if isinstance(log, SqliteLog) else "query_seconds", 0.0)


LONG = bool(os.environ.get("LONG_CLICKHOUSE"))
"""Whether there is time for what takes ClickHouse minutes: `make clickhouse`."""


@pytest.fixture(autouse=True, params=STORES if LONG else STORES[:1])
def each_store_in_time(request: pytest.FixtureRequest) -> Iterator[None]:
    """Run a test once for each store, for ClickHouse only where there is time."""
    CHOSEN.kind = request.param
    yield
    CHOSEN.kind = "sqlite"


@pytest.fixture(autouse=True, params=STORES)
def each_store(request: pytest.FixtureRequest) -> Iterator[None]:
    """Run a test once for each store: `live_collector` opens that one."""
    CHOSEN.kind = request.param
    yield
    CHOSEN.kind = "sqlite"
