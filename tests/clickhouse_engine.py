"""ClickHouse in this process, and tables of events in it."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from typing import Any
from uuid import uuid4

import msgspec
import pytest

from kizashi_collector.analysis import LoggedEvent
from kizashi_collector.store._clickhouse._rows import COLUMN_NAMES, row_of
from kizashi_collector.store._clickhouse._schema import COLUMNS
from kizashi_collector.store._clickhouse._sql import View

__all__ = ["Ask", "ask", "drop", "engine", "events_table", "fill", "folder"]

Ask = Callable[[str, Mapping[str, Any]], list[Any]]

# What COLUMNS leaves to the table: the hashes by which rows are grouped.
_HASHES = """
    actor_key UInt128 MATERIALIZED reinterpretAsUInt128(sipHash128(actor)),
    order_key UInt128 MATERIALIZED if(order_id = '', 0, reinterpretAsUInt128(sipHash128(name, order_id)))
"""
_DEFINITION = ", ".join(f"{name} {kind}" for name, kind in COLUMNS.items()) + "," + _HASHES

# Few rows need few threads; the store sets the first of these, too.
_QUICK = {"optimize_and_compare_chain": 0, "max_threads": 1, "compile_expressions": 0}


@cache
def folder() -> str:
    """Where the engine of this process keeps everything; it keeps to one folder."""
    path = tempfile.mkdtemp(prefix="kizashi-chdb-")
    atexit.register(shutil.rmtree, path, ignore_errors=True)
    return path


@cache
def engine() -> Any:
    """The client of this process."""
    clickhouse_connect = pytest.importorskip("clickhouse_connect", reason="clickhouse-connect is not installed")
    pytest.importorskip("chdb", reason="chdb is not installed")
    client = clickhouse_connect.get_client(dsn=f"chdb://{folder()}")
    atexit.register(client.close)
    return client


def ask(sql: str, parameters: Mapping[str, Any] | None = None) -> list[Any]:
    """Run a query; its columns."""
    result = engine().query(sql, parameters=dict(parameters or {}), settings=_QUICK, column_oriented=True)
    return list(result.result_columns)


def events_table(events: Iterable[LoggedEvent]) -> View:
    """A new table with these events, numbered in the order given."""
    name = f"events_{uuid4().hex}"
    engine().command(f"CREATE TABLE {name} ({_DEFINITION}) ENGINE = Memory")
    view = View(name, "1")
    fill(view, events)
    return view


def fill(view: View, events: Iterable[LoggedEvent], batch: int = 1) -> None:
    """Add the events of one batch to a table."""
    rows = [msgspec.json.encode(row_of(event, batch, n)) for n, event in enumerate(events)]
    if rows:
        engine().raw_insert(view.table, COLUMN_NAMES, b"\n".join(rows), fmt="JSONCompactEachRow")


def drop(view: View) -> None:
    """Remove a table."""
    engine().command(f"DROP TABLE IF EXISTS {view.table}")
