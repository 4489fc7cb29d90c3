"""What answers cost with ten million events stored and more arriving, beside a tenth of that: `make bench-query`.

For each size a data folder is filled by the store itself, and a collector started on it. Questions that the plan does
not declare come first, in turns with chdb and DuckDB on the same events, and their answers must be equal. Then events
arrive at a steady rate from a process of their own, while what the plan declares is asked on one open connection. Both
sizes draw from the same million actors: only how much is stored differs.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import tempfile
import threading
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import msgspec

from bench.filled import filled
from bench.month import DEVICES, MONTH_MS, NAMES, Month
from bench.peers import Chdb, Duckdb, Figures, Ways, chdb, duckdb
from bench.polls import Client, Question, Timings, ask_in_turn, ask_unchanged
from bench.query_table import Found, table
from bench.servers import Running, collector
from bench.steady import arriving

DAY_MS = 86_400_000
STEPS = ("mv_product_view", "mv_add_to_cart", "mv_form_step1", "purchase")
CONVERSION_DAYS = 7
SUMMARY = "/v1/summary?window=7d&by=campaign"
FUNNEL = "/v1/funnels/checkout?window=7d"
DECLARED = {"summary": SUMMARY, "funnel": FUNNEL, "funnel by campaign": f"{FUNNEL}&by=campaign"}
BARE = "/healthz"
"""An answer that holds nothing, asked in turn with the others: what they cost beyond it is theirs."""
UNDECLARED = Question("/v1/summary?window=7d&by=device")
EXPLORED = Question(
    "/v1/funnels",
    msgspec.json.encode(
        {"steps": STEPS, "conversion_window": f"{CONVERSION_DAYS}d", "window": f"{MONTH_MS // DAY_MS + 1}d"}
    ),
)
PLAN = f"""
currency = "JPY"
timezone = "Asia/Tokyo"
windows = ["1h", "24h", "7d", "28d"]
summaries = [["campaign"], ["campaign", "device"]]

[events.mv_product_view]
value = 20
counting = "once"

[events.mv_search]

[events.mv_newsletter_signup]
action = "primary"
value = 150
counting = "once"

[events.mv_add_to_cart]
value = 300
counting = "once"

[events.mv_form_step1]
value = 800
counting = "once"

[events.purchase]
final = true
action = "primary"
value = "event"
counting = "every"

[funnels.checkout]
steps = {msgspec.json.encode(STEPS).decode()}
conversion_window = "{CONVERSION_DAYS}d"
"""
_CURRENT_SECONDS = 120.0
_TICKS = os.sysconf("SC_CLK_TCK")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=10_000_000)
    parser.add_argument("--small", type=int, default=1_000_000, help="events of the folder to compare with")
    parser.add_argument("--rate", type=int, default=5_000, help="events that arrive each second")
    parser.add_argument("--times", type=int, default=400, help="how often each question is asked")
    parser.add_argument("--rounds", type=int, default=5, help="how often each undeclared question is asked")
    parser.add_argument("--seconds", type=float, default=180.0, help="no phase goes on for longer than this")
    parser.add_argument("--keep", type=Path, help="keep the filled folders here, and use them again within an hour")
    options = parser.parse_args()
    found = {}
    for events in (options.small, options.events):
        with tempfile.TemporaryDirectory(dir=os.environ.get("KIZASHI_BENCH_DIR")) as name:
            found[events] = measure(Path(name), events, options)
    print()
    print(table(found[options.small], found[options.events], options.small, options.events, options.rate))


def measure(folder: Path, events: int, options: argparse.Namespace) -> Found:
    """Everything, with so many events stored."""
    found = Found()
    full = filled(folder / "data", events, keep=options.keep)
    if full.seconds:
        print(
            f"{events:,} events filled in {full.seconds:.0f} s, {full.seconds / events * 1e6:.1f} µs each", flush=True
        )
    with (
        serving(folder) as running,
        memory_watched(running, found),
        contextlib.closing(Client(running.port)) as client,
    ):
        current = wait_until_current(client)
        print(
            f"ready {running.ready_seconds:.1f} s after the start, answers current {current:.1f} s later, "
            f"{running.resident_mb():.0f} MB",
            flush=True,
        )
        found.timings["304"] = ask_unchanged(client, SUMMARY, options.times, options.seconds)
        beside_peers(found, client, folder, full.month, options)
        under_load(found, client, running, options)
    return found


@contextlib.contextmanager
def serving(folder: Path) -> Iterator[Running]:
    """The collector on the data in a folder, with this benchmark's plan."""
    plan = folder / "plan.toml"
    plan.write_text(PLAN, encoding="utf-8")
    with collector(folder / "data", plan) as running:
        yield running


@contextlib.contextmanager
def memory_watched(running: Running, found: Found) -> Iterator[None]:
    """Note the most memory that the collector holds at any time, looking twice a second."""
    over = threading.Event()

    def watch() -> None:
        while not over.wait(0.5):
            found.megabytes = max(found.megabytes, running.resident_mb())

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def wait_until_current(client: Client) -> float:
    """Wait until the collector keeps its answers current; return the seconds that it took."""
    began = time.monotonic()
    while b"\nkizashi_current 1.0" not in client.ask(Question("/metrics")).body:
        if time.monotonic() - began > _CURRENT_SECONDS:
            raise RuntimeError(f"after {_CURRENT_SECONDS} s answers are not kept current")
        time.sleep(0.1)
    return time.monotonic() - began


def beside_peers(found: Found, client: Client, folder: Path, month: Month, options: argparse.Namespace) -> None:
    """Ask what no plan declares, in turns with the engines. Raises AssertionError where they count differently."""
    rows = month.rows()
    steps = [NAMES.index(step) for step in STEPS]
    ours = {"undeclared funnel": Timings(), "undeclared summary": Timings()}
    found.timings |= ours
    table_engine = duckdb(rows)
    with chdb(folder / "engine", rows) as funnel_engine:
        del rows
        until = time.monotonic() + options.seconds
        for _ in range(options.rounds):
            funnel = client.ask(EXPLORED)
            ours["undeclared funnel"].add(funnel)
            if funnel_engine is not None:
                counted = [step["count"] for step in msgspec.json.decode(funnel.body).get("steps", [])]
                found.peer("undeclared funnel", funnel.seconds, funnel.status, _funnel(funnel_engine, steps, counted))
            summary = client.ask(UNDECLARED)
            ours["undeclared summary"].add(summary)
            if table_engine is not None:
                found.peer("undeclared summary", summary.seconds, summary.status, _summary(table_engine, summary.body))
            if time.monotonic() > until:
                break


def _funnel(engine: Chdb, steps: list[int], counted: list[int]) -> Ways:
    ways, counts = engine.funnel(steps, CONVERSION_DAYS * DAY_MS)
    if counted and counted != counts:
        raise AssertionError(f"the funnel counts {counted}, chdb {counts}")
    return ways


def _summary(engine: Duckdb, body: bytes) -> Ways:
    answer = msgspec.json.decode(body)
    if "rows" not in answer:  # no answer, but the engine is timed all the same
        now = time.time_ns() // 1_000_000
        return engine.summary(now - 7 * DAY_MS, now)[0]
    ways, figures = engine.summary(_milliseconds(answer["from"]), _milliseconds(answer["to"]))
    if (counted := _figures(answer["rows"])) != figures:
        raise AssertionError(f"the summary says {counted}, DuckDB {figures}")
    return ways


def _figures(rows: list[dict[str, dict[str, dict[str, int]]]]) -> Figures:
    """A summary's rows in the engine's form, which knows of no names that nobody saw."""
    figures: Figures = {}
    for row in rows:
        device = DEVICES.index(str(row["key"]["device"]))
        seen = {NAMES.index(name): one for name, one in row["events"].items() if one["count"]}
        for name, one in seen.items():
            figures[device, name] = (one["count"], one["actors"], int(one["value"]))
        counts, values = (sum(int(one[what]) for one in seen.values()) for what in ("count", "value"))
        figures[device, None] = (counts, int(str(row["actors"])), values)
    return figures


def _milliseconds(text: str) -> int:
    return round(datetime.fromisoformat(text).timestamp() * 1000)


def under_load(found: Found, client: Client, running: Running, options: argparse.Namespace) -> None:
    """Ask what the plan declares while events arrive."""
    asked = {**DECLARED, "bare": BARE}
    questions = [Question(path) for path in asked.values()]
    with arriving(running.port, options.rate, seed=7) as arrivals:
        ask_in_turn(client, questions, 10, 10.0)  # the load starts meanwhile
        taken, spent, began = arrivals.taken.value, _cpu_seconds(running), time.monotonic()
        timings = ask_in_turn(client, questions, options.times, options.seconds)
        passed = time.monotonic() - began
        found.rate = (arrivals.taken.value - taken) / passed
        found.cores = (_cpu_seconds(running) - spent) / passed
        found.refused = arrivals.refused.value
        found.taken = arrivals.taken.value
    found.timings |= dict(zip(asked, timings, strict=True))


def _cpu_seconds(running: Running) -> float:
    """The processor's seconds that the collector has used, all its threads together."""
    fields = Path(f"/proc/{running.process.pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


if __name__ == "__main__":
    main()
