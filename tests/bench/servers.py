"""What the ingest benchmark runs: the collector, and the limits beside it."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec

__all__ = ["KEY", "READ_KEY", "Running", "collector", "echo", "sqlite_appends"]

HERE = Path(__file__).parent
PLAN = HERE.parents[1] / "examples" / "plan.toml"
KEY, READ_KEY = "bench", "bench-read"


class Running:
    """A server in a process of its own: where it listens, and how long it took to be ready."""

    def __init__(self, process: subprocess.Popen[str], port: int, ready_seconds: float) -> None:
        self.process, self.port, self.ready_seconds = process, port, ready_seconds

    def resident_mb(self) -> float:
        """Memory that it and the processes that it made hold; files that they map are the system's to take back.

        What several of them share is divided among them.
        """
        return sum(map(_own_kilobytes, _with_children(self.process.pid))) / 1e3


def _with_children(process: int) -> Iterator[int]:
    yield process
    for child in Path(f"/proc/{process}/task/{process}/children").read_text(encoding="ascii").split():
        yield from _with_children(int(child))


def _own_kilobytes(process: int) -> int:
    lines = Path(f"/proc/{process}/smaps_rollup").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss_Anon"))


@contextlib.contextmanager
def _server(command: list[str], environment: dict[str, str]) -> Iterator[Running]:
    began = time.perf_counter()
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env={**os.environ, **environment}
    )
    assert process.stdout is not None
    try:
        for line in process.stdout:
            if line.startswith("listening on"):
                yield Running(process, int(line.rpartition(":")[2]), time.perf_counter() - began)
                return
        raise RuntimeError(f"{command} did not start")
    finally:
        process.terminate()
        process.wait()
        process.stdout.close()


def collector(folder: Path, plan: Path = PLAN) -> contextlib.AbstractContextManager[Running]:
    """The collector on this data folder, with this plan, the example's unless told, and keys."""
    command = [sys.executable, "-m", "kizashi", "serve", "--port", "0", "--data", str(folder), "--plan", str(plan)]
    return _server(command, {"KIZASHI_WRITE_KEY": KEY, "KIZASHI_READ_KEY": READ_KEY})


def echo() -> contextlib.AbstractContextManager[Running]:
    """A bare aiohttp handler that reads the body and answers."""
    return _server([sys.executable, str(HERE / "echo.py")], {})


def sqlite_appends(folder: Path, bodies: list[bytes]) -> float:
    """Seconds to append the same rows, one fsynced transaction a batch, no index, no HTTP."""
    batches = []
    for body in bodies:
        rows = []
        for event in msgspec.json.decode(body)["events"]:
            source, properties = msgspec.json.encode(event.pop("source")), msgspec.json.encode(event.pop("properties"))
            rows.append((*event.values(), source.decode(), properties.decode()))
        batches.append(rows)
    path = folder / f"raw-{time.time_ns()}.db"
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("CREATE TABLE raw (id, name, time, value, currency, order_id, actor, session, source, props)")
    began = time.perf_counter()
    for rows in batches:
        connection.execute("BEGIN")
        connection.executemany("INSERT INTO raw VALUES (?,?,?,?,?,?,?,?,?,?)", rows)
        connection.execute("COMMIT")
    seconds = time.perf_counter() - began
    connection.close()
    path.unlink()
    return seconds
