"""How fast events become durable, beside a bare aiohttp echo handler and raw SQLite appends in the same run.

Run it with `make bench`. Rounds alternate between the three, and medians are printed.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median

import msgspec

from bench.load import batch, requests, run_load

HERE = Path(__file__).parent
PLAN = HERE.parents[1] / "examples" / "plan.toml"
KEY = "bench"
SINGLE_CONNECTIONS = 64
BATCH_CONNECTIONS = 8
BATCH = 500


@contextlib.contextmanager
def server(command: list[str], environment: dict[str, str]) -> Iterator[int]:
    """Run a server until the block ends; yields the port that it says it listens on."""
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ, **environment})
    assert process.stdout is not None
    try:
        for line in process.stdout:
            if line.startswith("listening on"):
                yield int(line.rpartition(":")[2])
                return
        raise RuntimeError(f"{command} did not start")
    finally:
        process.terminate()
        process.wait()
        process.stdout.close()


def sqlite_appends(folder: Path, events: int) -> float:
    """Seconds to append rows of the same width, one fsynced transaction per 500, no index, no HTTP."""
    rows = []
    for event in msgspec.json.decode(batch(events, 1_790_000_000_000))["events"]:
        source, properties = msgspec.json.encode(event["source"]), msgspec.json.encode(event["properties"])
        rows.append((*list(event.values())[:7], source.decode(), properties.decode()))
    connection = sqlite3.connect(folder / f"raw-{time.time_ns()}.db", isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("CREATE TABLE raw (id, name, time, actor, value, currency, session, source, properties)")
    began = time.perf_counter()
    for start in range(0, len(rows), BATCH):
        connection.execute("BEGIN")
        connection.executemany("INSERT INTO raw VALUES (?,?,?,?,?,?,?,?,?)", rows[start : start + BATCH])
        connection.execute("COMMIT")
    seconds = time.perf_counter() - began
    connection.close()
    return seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--singles", type=int, default=6_000, help="requests of one event a round")
    parser.add_argument("--batches", type=int, default=60, help="requests of 500 events a round")
    options = parser.parse_args()
    now = time.time_ns() // 1_000_000 - 2_000
    singles: dict[str, list[float]] = {"echo": [], "kizashi": []}
    batches: dict[str, list[float]] = {"echo": [], "kizashi": [], "sqlite": []}
    p99: dict[str, list[float]] = {"single": [], "batch": []}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        serve = [sys.executable, "-m", "kizashi", "serve", "--port", "0", "--data", str(folder / "data")]
        serve += ["--plan", str(PLAN)]
        with (
            server([sys.executable, str(HERE / "echo.py")], {}) as echo,
            server(serve, {"KIZASHI_WRITE_KEY": KEY}) as kizashi,
        ):
            for _ in range(options.rounds):
                for target, port in (("echo", echo), ("kizashi", kizashi)):
                    seconds, each = run_load(port, requests(options.singles, 1, now, KEY), SINGLE_CONNECTIONS)
                    singles[target].append(options.singles / seconds)
                    if target == "kizashi":
                        p99["single"].append(percentile(each))
                    seconds, each = run_load(port, requests(options.batches, BATCH, now, KEY), BATCH_CONNECTIONS)
                    batches[target].append(options.batches * BATCH / seconds)
                    if target == "kizashi":
                        p99["batch"].append(percentile(each))
                batches["sqlite"].append(options.batches * BATCH / sqlite_appends(folder, options.batches * BATCH))
        size = sum(path.stat().st_size for path in (folder / "data").iterdir())
        stored = options.rounds * (options.singles + options.batches * BATCH)
    report(singles, batches, p99, size / stored)


def percentile(seconds: list[float]) -> float:
    return sorted(seconds)[int(len(seconds) * 0.99)] * 1000


def report(
    singles: dict[str, list[float]], batches: dict[str, list[float]], p99: dict[str, list[float]], size: float
) -> None:
    def ratio(mine: list[float], other: list[float]) -> str:
        return f"{median(a / b for a, b in zip(mine, other, strict=True)):.3f}"

    def line(*cells: str) -> None:
        print("| {:<38} | {:>14} | {:>22} |".format(*cells))

    line("", "events/s", "ratio to the limit")
    line("---", "---", "---")
    line("echo handler, 64 connections x 1 event", f"{median(singles['echo']):,.0f}", "")
    singles_ratio = f"{ratio(singles['kizashi'], singles['echo'])} of echo"
    line("kizashi, 64 connections x 1 event", f"{median(singles['kizashi']):,.0f}", singles_ratio)
    line("echo handler, batches of 500", f"{median(batches['echo']):,.0f}", "")
    line("raw SQLite executemany, 500 a commit", f"{median(batches['sqlite']):,.0f}", "")
    batch_ratio = f"{ratio(batches['kizashi'], batches['sqlite'])} of raw SQLite"
    line("kizashi, batches of 500", f"{median(batches['kizashi']):,.0f}", batch_ratio)
    print(f"p99 of a request: {median(p99['single']):.1f} ms single, {median(p99['batch']):.1f} ms batch")
    print(f"{size:.0f} bytes on disk per event, WAL included")


if __name__ == "__main__":
    main()
