"""What ten million stored events change: rate, bytes an event, memory, and how long a start takes.

Run it with `make bench-ingest`. The events are imported over HTTP first, thirty days of them in order.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import signal
import sqlite3
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median

from bench.ingest import BATCH, BATCH_CONNECTIONS, requests
from bench.load import Traffic, request, run_load
from bench.servers import KEY, collector

MONTH = 30 * 86_400_000
FILL = 1_000
"""Events in a request of the import."""
MILLION = 1_000_000


def bodies(first: int, last: int, whole: int, now: int) -> Iterator[list[bytes]]:
    """Requests that import events `first` to `last` of `whole`, which are spread over a month."""
    traffic = Traffic(7_000_000 + first)
    for at in range(first, last, 100 * FILL):
        starts = range(at, min(at + 100 * FILL, last), FILL)
        yield [request(traffic.batch(FILL, now - MONTH + MONTH * n // whole, imported=True), KEY) for n in starts]


def _make(queue: multiprocessing.Queue[list[bytes] | None], first: int, last: int, whole: int, now: int) -> None:
    for made in bodies(first, last, whole, now):
        queue.put(made)
    queue.put(None)


def fill(port: int, first: int, last: int, whole: int) -> float:
    """Import these; return the seconds that the collector was at work."""
    queue: multiprocessing.Queue[list[bytes] | None] = multiprocessing.Queue(4)
    now = time.time_ns() // 1_000_000
    maker = multiprocessing.Process(target=_make, args=(queue, first, last, whole, now), daemon=True)
    maker.start()
    seconds = 0.0
    while (made := queue.get()) is not None:
        seconds += run_load(port, made, BATCH_CONNECTIONS)[0]
    maker.join()
    return seconds


def rate(port: int, seed: int, batches: int) -> float:
    """Events a second, the median of some rounds."""
    rounds = []
    for at in range(7):
        seconds, _ = run_load(port, requests(Traffic(seed + at), batches, BATCH), BATCH_CONNECTIONS)
        rounds.append(batches * BATCH / seconds)
    return median(rounds)


def sizes(folder: Path) -> dict[str, int]:
    """Bytes by table, as far as SQLite tells, and of the files beside."""
    found: dict[str, int] = {}
    connection = sqlite3.connect(folder / "log.db")
    page = connection.execute("PRAGMA page_size").fetchone()[0]
    try:
        for name, pages in connection.execute("SELECT name, count(*) FROM dbstat GROUP BY name"):
            found[name] = pages * page
    except sqlite3.OperationalError:  # not every SQLite is compiled with it
        found["log.db"] = (folder / "log.db").stat().st_size
    for part in ("numbers", "details"):
        (found[f"of these, {part}"],) = connection.execute(f"SELECT sum(length({part})) FROM chunks").fetchone()
    connection.close()
    for path in folder.rglob("*"):
        if path.is_file() and path.name != "log.db":
            place = "ids/" if path.parent.name == "ids" else path.name
            found[place] = found.get(place, 0) + path.stat().st_size
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=10 * MILLION)
    parser.add_argument("--batches", type=int, default=60)
    options = parser.parse_args()
    small, large = options.events // 10, options.events
    with tempfile.TemporaryDirectory(dir=os.environ.get("KIZASHI_BENCH_DIR")) as name:
        folder = Path(name) / "data"
        with collector(folder) as running:
            fill(running.port, 0, small, large)
            before = rate(running.port, 1_000, options.batches)
            print(f"{before:,.0f} events/s in batches of 500 with {small:,} events stored", flush=True)
            took = fill(running.port, small, large, large)
            print(f"{(large - small) / took:,.0f} events/s while the rest was imported", flush=True)
            after = rate(running.port, 2_000, options.batches)
            print(f"{after:,.0f} events/s with {large:,} stored: {after / before:.2f} of the rate before")
            print(f"{running.resident_mb():.0f} MB resident", flush=True)
        stored = large + 2 * 7 * options.batches * BATCH
        found = sizes(folder)
        for what, size in found.items():
            print(f"{what:<24} {size / stored:7.2f} bytes an event")
        whole = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
        print(f"{'all files':<24} {whole / stored:7.2f} bytes an event", flush=True)
        with collector(folder) as running:
            print(f"ready {running.ready_seconds:.1f} s after a start, {running.resident_mb():.0f} MB resident")
            todo = requests(Traffic(3_000), 400, BATCH)
            load = threading.Thread(target=_until_killed, args=(running.port, todo), daemon=True)
            load.start()
            time.sleep(1.0)
            running.process.send_signal(signal.SIGKILL)
            load.join()
        with collector(folder) as running:
            print(f"ready {running.ready_seconds:.1f} s after kill -9 under load", flush=True)


def _until_killed(port: int, todo: list[bytes]) -> None:
    try:
        run_load(port, todo, BATCH_CONNECTIONS)
    except (OSError, RuntimeError):
        return


if __name__ == "__main__":
    main()
