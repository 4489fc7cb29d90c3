"""How fast events become durable, beside a bare aiohttp echo handler and raw SQLite appends in the same run.

Rounds alternate between all kinds of load, and medians of rates and of ratios within a round are printed. The load
comes from a process of its own over real HTTP; what it sends is made beforehand. `python -m bench.stored` asks the same
of a log that holds millions of events already.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from statistics import median

from bench.load import Traffic, p99_at, request, run_load
from bench.questions import asked_meanwhile
from bench.servers import KEY, READ_KEY, collector, echo, sqlite_appends

SINGLE_CONNECTIONS = 64
BATCH_CONNECTIONS = 8
BATCH = 500
WEEK = 7 * 86_400_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--singles", type=int, default=6_000, help="requests of one event a round")
    parser.add_argument("--batches", type=int, default=80, help="requests of 500 events a round")
    options = parser.parse_args()
    found: dict[str, list[float]] = defaultdict(list)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with echo() as limit, collector(folder / "data") as kizashi:
            for at in range(options.rounds):
                measure(found, at, options, folder, limit.port, kizashi.port)
            rate = median(found["batches"]) / BATCH
            todo = requests(Traffic(10**6), int(rate * 2), BATCH)
            found["p99 sync"].append(sync_p99(folder, rate / 2) * 1000)
            found["p99 half"].append(p99_at(kizashi.port, todo, 2 * BATCH_CONNECTIONS, rate / 2) * 1000)
            with asked_meanwhile(kizashi.port, READ_KEY) as answers:
                run_load(kizashi.port, requests(Traffic(10**6 + 1), int(rate * 3), BATCH), BATCH_CONNECTIONS)
            found["answers"] = [seconds * 1000 for seconds in answers]
        rows = (folder / "data" / "log.db").stat().st_size
    report(found)
    print(f"the log's file has {rows / 1e6:.0f} MB")


def requests(traffic: Traffic, count: int, size: int) -> list[bytes]:
    """Requests whose events happen about now."""
    now = time.time_ns() // 1_000_000
    return [request(traffic.batch(size, now), KEY) for _ in range(count)]


def measure(
    found: dict[str, list[float]], at: int, options: argparse.Namespace, folder: Path, limit: int, kizashi: int
) -> None:
    """One round of every kind of load."""
    traffic = Traffic(at)
    kinds = {"batches": traffic, "uuid4": Traffic(at + 1000, random_ids=True)}
    kinds["shuffled"] = Traffic(at + 2000, shuffled=WEEK)
    for name, port in (("echo singles", limit), ("singles", kizashi)):
        seconds, each = run_load(port, requests(traffic, options.singles, 1), SINGLE_CONNECTIONS)
        found[name].append(options.singles / seconds)
    found["p99 singles"].append(sorted(each)[int(len(each) * 0.99)] * 1000)
    events = options.batches * BATCH
    seconds, _ = run_load(limit, requests(traffic, options.batches, BATCH), BATCH_CONNECTIONS)
    found["echo batches"].append(events / seconds)
    for name, kind in kinds.items():
        seconds, each = run_load(kizashi, requests(kind, options.batches, BATCH), BATCH_CONNECTIONS)
        found[name].append(events / seconds)
        found[f"p99 {name}"].append(sorted(each)[int(len(each) * 0.99)] * 1000)
    now = time.time_ns() // 1_000_000
    bodies = [traffic.batch(BATCH, now) for _ in range(options.batches)]
    found["sqlite"].append(events / sqlite_appends(folder, bodies))


def sync_p99(folder: Path, rate: float) -> float:
    """The 99th percentile of the seconds of a bare fdatasync of as many bytes as a batch's, at this rate."""
    seconds = []
    with (folder / "sync").open("wb", buffering=0) as file:
        for _ in range(int(rate * 5)):
            began = time.perf_counter()
            file.write(os.urandom(60_000))
            os.fdatasync(file.fileno())
            seconds.append(time.perf_counter() - began)
            time.sleep(max(0.0, 1 / rate - seconds[-1]))
    (folder / "sync").unlink()
    return sorted(seconds)[int(len(seconds) * 0.99)]


def report(found: dict[str, list[float]]) -> None:
    def ratio(mine: str, other: str) -> str:
        return f"{median(a / b for a, b in zip(found[mine], found[other], strict=True)):.3f}"

    def line(what: str, rate: str, compared: str) -> None:
        print(f"| {what:<44} | {rate:>10} | {compared:<24} |")

    line("", "events/s", "ratio to the limit")
    line("---", "---", "---")
    line("echo handler, 64 connections × 1 event", f"{median(found['echo singles']):,.0f}", "")
    line(
        "kizashi, 64 connections × 1 event",
        f"{median(found['singles']):,.0f}",
        f"{ratio('singles', 'echo singles')} of echo",
    )
    line("echo handler, batches of 500", f"{median(found['echo batches']):,.0f}", "")
    line("raw SQLite executemany, 500 a commit", f"{median(found['sqlite']):,.0f}", "")
    line("kizashi, batches of 500", f"{median(found['batches']):,.0f}", f"{ratio('batches', 'sqlite')} of raw SQLite")
    line("… with random UUIDv4 ids", f"{median(found['uuid4']):,.0f}", f"{ratio('uuid4', 'batches')} of the above")
    line("… wholly out of order", f"{median(found['shuffled']):,.0f}", f"{ratio('shuffled', 'batches')} of the above")
    print()
    print(
        f"p99 of a request: {median(found['p99 singles']):.1f} ms singles and {median(found['p99 batches']):.1f} ms "
        f"batches at full load, {found['p99 half'][0]:.1f} ms batches at half the rate; "
        f"a bare fdatasync of 60 kB at that rate: {found['p99 sync'][0]:.1f} ms"
    )
    answers = sorted(found["answers"])
    print(
        f"answers asked during the load: {len(answers)}, median {median(answers):.1f} ms, "
        f"p99 {answers[int(len(answers) * 0.99)]:.1f} ms, longest {answers[-1]:.1f} ms"
    )


if __name__ == "__main__":
    main()
