"""The engines beside which questions nobody declared are measured: chdb and DuckDB, each where it is installed.

Both hold what they are asked about in the form that suits them best: numbers of the smallest types, in tables that are
merged and in memory, where the collector stores texts of every event.
"""

from __future__ import annotations

import contextlib
import importlib
import itertools
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["THREADS", "Chdb", "Duckdb", "Figures", "Ways", "chdb", "duckdb"]

THREADS = 2
_TYPES = "time UInt64, actor UInt32, value UInt32, name UInt8, campaign UInt8, device UInt8"
_ORDERS = {"by actor": "(actor, time)", "by time": "time"}
_WANTED = "count(*), count(DISTINCT actor), sum(value) FROM events WHERE time > ? AND time <= ?"
_SUMMARIES = {
    "grouping sets": (f"SELECT device, name, {_WANTED} GROUP BY GROUPING SETS ((device, name), (device))",),
    "two queries": (
        f"SELECT device, name, {_WANTED} GROUP BY device, name",
        f"SELECT device, NULL, {_WANTED} GROUP BY device",
    ),
}
Ways = dict[str, float]
"""Seconds, by the way in which the engine was asked; all ways answer the same."""
Figures = dict[tuple[int, int | None], tuple[int, int, int]]
"""Count, distinct actors and sum of values, by device and name; under None those of all names."""


class Chdb:
    """ClickHouse in process, with the events in two MergeTree tables: ordered by actor and time, and by time alone."""

    def __init__(self, session: Any, folder: Path, rows: NDArray[np.void]) -> None:
        self._session = session
        path = folder / "rows.bin"
        rows.tofile(path)  # packed rows of fixed width are ClickHouse's RowBinary
        self._session.query("CREATE DATABASE IF NOT EXISTS bench ENGINE = Atomic")
        for table, order in _ORDERS.items():
            name = _table(table)
            self._session.query(f"CREATE TABLE {name} ({_TYPES}) ENGINE = MergeTree ORDER BY {order}")
            self._session.query(f"INSERT INTO {name} SELECT * FROM file('{path}', 'RowBinary', '{_TYPES}')")
            self._session.query(f"OPTIMIZE TABLE {name} FINAL")
        path.unlink()

    def funnel(self, steps: list[int], window_ms: int) -> tuple[Ways, list[int]]:
        """Seconds of an ordered funnel, and how many actors reached each step.

        Ways are the two tables, each with and without leaving out the events that are no step.
        """
        found: Ways = {}
        counts: list[int] = []
        conditions = ", ".join(f"name = {step}" for step in steps)
        reached = ", ".join(f"countIf(level >= {at + 1})" for at in range(len(steps)))
        for table, where in itertools.product(_ORDERS, ("", f"WHERE name IN ({', '.join(map(str, steps))})")):
            sql = (
                f"SELECT {reached} FROM (SELECT windowFunnel({window_ms})(time, {conditions}) AS level "
                f"FROM {_table(table)} {where} GROUP BY actor) SETTINGS max_threads = {THREADS}"
            )
            began = time.perf_counter()
            answer = str(self._session.query(sql, "JSONCompact"))
            found[f"{table}{', steps alone' if where else ''}"] = time.perf_counter() - began
            each = [int(count) for count in json.loads(answer)["data"][0]]
            if counts and each != counts:
                raise AssertionError(f"chdb disagrees with itself: {counts} and {each}")
            counts = each
        return found, counts


class Duckdb:
    """DuckDB in memory."""

    def __init__(self, module: Any, rows: NDArray[np.void]) -> None:
        self._connection = module.connect(config={"threads": THREADS})
        columns = {name: np.ascontiguousarray(rows[name]) for name in rows.dtype.names or ()}
        self._connection.register("columns", columns)
        self._connection.execute("CREATE TABLE events AS SELECT * FROM columns")
        self._connection.unregister("columns")

    def summary(self, start: int, end: int) -> tuple[Ways, Figures]:
        """Seconds of a summary by device over (start, end], and what it says."""
        found: Ways = {}
        answers: list[Figures] = []
        for way, queries in _SUMMARIES.items():
            began = time.perf_counter()
            rows = [row for sql in queries for row in self._connection.execute(sql, [start, end]).fetchall()]
            found[way] = time.perf_counter() - began
            answers.append({(device, name): (count, actors, int(value)) for device, name, count, actors, value in rows})
        if answers[0] != answers[1]:
            raise AssertionError("DuckDB disagrees with itself")
        return found, answers[0]


@contextlib.contextmanager
def chdb(folder: Path, rows: NDArray[np.void]) -> Iterator[Chdb | None]:
    """chdb with these events, its files in `folder`; None where it is not installed."""
    try:
        module = importlib.import_module("chdb.session")
    except ModuleNotFoundError:
        yield None
        return
    folder.mkdir()
    session = module.Session(str(folder / "chdb"))
    try:
        yield Chdb(session, folder, rows)
    finally:
        session.close()


def duckdb(rows: NDArray[np.void]) -> Duckdb | None:
    """DuckDB with these events; None where it is not installed."""
    try:
        return Duckdb(importlib.import_module("duckdb"), rows)
    except ModuleNotFoundError:
        return None


def _table(order: str) -> str:
    return "bench.events_" + order.replace(" ", "_")
