"""What the store in ClickHouse costs, with its engine in process: `make bench-clickhouse`.

First the same bodies go to a collector over SQLite and to one over ClickHouse, in turns. Then, for each number of
events, ClickHouse itself makes a month of them, and a collector on them is asked over HTTP: what it counts anew, and
what the plan declares, from what it holds. All is printed as one table in markdown.

The engine in process knows neither a network nor a machine of its own: client, collector and engine share the
processors of one.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from bench.clickhouse_filled import filled, weighed
from bench.clickhouse_table import Asked, Learned, Load, Stored, table
from bench.ingest import BATCH, requests
from bench.load import Traffic, run_load
from bench.polls import Client, Question, ask_in_turn
from bench.query import BARE, DECLARED, FUNNEL, PLAN, SUMMARY, UNDECLARED
from bench.servers import KEY, READ_KEY, Running

FRESH = {
    "summary": f"{SUMMARY}&fresh=1",
    "funnel": f"{FUNNEL}&fresh=1",
    "funnel by campaign": f"{FUNNEL}&by=campaign&fresh=1",
    "funnel of 28 days": f"{FUNNEL.replace('7d', '28d')}&fresh=1",
    "undeclared summary": UNDECLARED.path,
}
_LEARNED = re.compile(rb"^kizashi_learned_until_timestamp_seconds [0-9]", re.MULTILINE)
_LEARNING = re.compile(rb"^kizashi_learning_seconds (\S+)$", re.MULTILINE)
_LEARNED_WITHIN_S, _QUIET_WITHIN_S, _STOPPED_WITHIN_S = 700.0, 30.0, 30.0
_TICKS = os.sysconf("SC_CLK_TCK")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, action="append", help="so many stored; may be given several times")
    parser.add_argument("--actors", type=int, help="of so many actors; by default a tenth of the events")
    parser.add_argument("--folder", type=Path, help="keep the filled stores here, and use them again within an hour")
    parser.add_argument("--times", type=int, default=7, help="how often each answer is counted anew")
    parser.add_argument("--polls", type=int, default=400, help="how often each declared answer is asked for")
    parser.add_argument("--seconds", type=float, default=300.0, help="no phase of questions goes on for longer")
    parser.add_argument("--query-timeout", default="90s", help="how long a question may take; the client waits for 2m")
    parser.add_argument("--rounds", type=int, default=5, help="of ingest; 0 leaves it out")
    parser.add_argument("--batches", type=int, default=400, help="requests of 500 events a round")
    parser.add_argument("--connections", type=int, action="append", help="that send at a time; by default 8, then 32")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that whatever was started is ended
    loads: dict[int, list[dict[str, Load]]] = {}
    found: dict[int, Stored] = {}
    with _folder(options.folder) as folder, others_told():
        try:
            if options.rounds:
                loads = ingest(options.rounds, options.batches, options.connections or [8, 32])
            for events in options.events or [10_000_000, 100_000_000]:
                found[events] = measure(folder, events, options.actors or max(events // 10, 1), options)
        finally:  # what was found is told, whatever happens then
            print(f"\n{table(loads, found)}")


def _folder(given: Path | None) -> contextlib.AbstractContextManager[Path]:
    if given is not None:
        return contextlib.nullcontext(given)
    return _temporary(os.environ.get("KIZASHI_BENCH_DIR"))


@contextlib.contextmanager
def _temporary(place: str | None) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(dir=place, ignore_cleanup_errors=True) as name:
        yield Path(name)


# -- processes --------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def serving(folder: Path, plan: str, store: str = "sqlite", query_timeout: str = "30s") -> Iterator[Running]:
    """A collector over a store, with this plan. What it warns of is printed when it has stopped."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "plan.toml").write_text(plan, encoding="utf-8")
    command = [sys.executable, "-m", "kizashi", "serve", "--port", "0", "--plan", str(folder / "plan.toml")]
    command += ["--data", str(folder / "data"), "--store", store, "--query-timeout", query_timeout]
    # Both stores may let batches wait: what they take is measured, not when they refuse.
    command += ["--max-wait", "60s", "--slow-request", "1h", "--log-level", "warning", "--log-format", "text"]
    command += ["--max-connections", "1000"]
    keys = {"KIZASHI_WRITE_KEY": KEY, "KIZASHI_READ_KEY": READ_KEY}
    with tempfile.TemporaryFile("w+") as said:
        began = time.perf_counter()
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=said, text=True, env={**os.environ, **keys})
        assert process.stdout is not None
        try:
            lines = (line for line in process.stdout if line.startswith("listening on"))
            if (line := next(lines, None)) is None:
                raise RuntimeError(f"the collector over {store} did not start")
            yield Running(process, int(line.rpartition(":")[2]), time.perf_counter() - began)
        finally:
            process.terminate()
            try:
                process.wait(_STOPPED_WITHIN_S)
            except subprocess.TimeoutExpired:
                print(f"the collector over {store} had to be killed", flush=True)
            finally:
                process.kill()
                process.wait()
                process.stdout.close()
                said.seek(0)
                for line in said.readlines()[-20:]:
                    print(f"  the collector said: {line.rstrip()}", flush=True)


def cpu_seconds(process: int) -> float:
    """The processors' seconds that a process and those that it made have used."""
    folder = Path(f"/proc/{process}")
    fields = (folder / "stat").read_text(encoding="ascii").rpartition(")")[2].split()
    children = (folder / "task" / str(process) / "children").read_text(encoding="ascii").split()
    return (int(fields[11]) + int(fields[12])) / _TICKS + sum(cpu_seconds(int(child)) for child in children)


@contextlib.contextmanager
def others_told() -> Iterator[None]:
    """Say at the end how much of the machine was used by what was not started here."""

    def used() -> tuple[float, float]:
        fields = Path("/proc/stat").read_text(encoding="ascii").split("\n", 1)[0].split()
        user, nice, system, _idle, _waiting, interrupts, soft, steal = map(int, fields[1:9])
        return (user + nice + system + interrupts + soft + steal) / _TICKS, sum(os.times()[:4])

    began, (all_before, own_before) = time.monotonic(), used()
    yield
    all_after, own_after = used()
    others = (all_after - all_before - own_after + own_before) / (time.monotonic() - began)
    print(f"\nother work on this machine used {others:.2f} of its {os.cpu_count()} processors meanwhile")


def wait_until_quiet(process: int) -> None:
    """Wait until there is nothing left to be done in the background, or half a minute."""
    until, used = time.monotonic() + _QUIET_WITHIN_S, cpu_seconds(process)
    while time.monotonic() < until:
        time.sleep(0.5)
        before, used = used, cpu_seconds(process)
        if used - before <= 0.03:
            return


# -- ingest -----------------------------------------------------------------------------------------------------------


def ingest(rounds: int, batches: int, connections: Sequence[int]) -> dict[int, list[dict[str, Load]]]:
    """By the number of connections, the rounds, each with both stores. Raises AssertionError if events are missing."""
    found: dict[int, list[dict[str, Load]]] = {number: [] for number in connections}
    with (
        _folder(None) as folder,
        serving(folder / "sqlite", PLAN) as sqlite,
        serving(folder / "clickhouse", PLAN, f"chdb://{folder / 'store'}") as clickhouse,
    ):
        stores = [("SQLite", sqlite), ("ClickHouse", clickhouse)]
        for at in range(rounds + 1):
            for place, number in enumerate(connections):
                bodies = requests(Traffic(1 + at * len(connections) + place), batches, BATCH)
                one = {name: _load(running, bodies, number) for name, running in stores}
                stores.reverse()
                if at:  # the first round is for what happens once
                    found[number].append(one)
                    told = (f"{name} {load.rate:,.0f}/s {load.cpu:.1f} µs" for name, load in sorted(one.items()))
                    print(f"ingest, {number} connections, round {at}: {', '.join(told)}", flush=True)
        sent = (rounds + 1) * len(connections) * batches * BATCH
        counts = {name: _counted(running) for name, running in stores}
        if set(counts.values()) != {sent}:
            raise AssertionError(f"{sent} events were acknowledged, and counted are {counts}")
    return found


def _load(running: Running, bodies: Sequence[bytes], connections: int) -> Load:
    """One round on one store. Its work is over when nothing goes on in the background either."""
    process, events = running.process.pid, len(bodies) * BATCH
    wait_until_quiet(process)
    used, own = cpu_seconds(process), time.process_time()
    seconds, _ = run_load(running.port, bodies, connections)
    own, meanwhile = time.process_time() - own, cpu_seconds(process) - used
    wait_until_quiet(process)
    return Load(
        rate=events / seconds,
        cpu=(cpu_seconds(process) - used) / events * 1e6,
        cores=meanwhile / seconds,
        client_cores=own / seconds,
    )


def _counted(running: Running) -> int:
    with contextlib.closing(Client(running.port)) as client:
        rows = msgspec.json.decode(client.ask(Question("/v1/summary?window=7d&fresh=1")).body)["rows"]
    return sum(int(one["count"]) for row in rows for one in row["events"].values())


# -- answers ----------------------------------------------------------------------------------------------------------


def measure(folder: Path, events: int, actors: int, options: argparse.Namespace) -> Stored:
    """Everything, with so many events stored."""
    full = filled(folder / f"{events}", events, actors)
    print(
        f"{events:,} events filled in {full.seconds:,.0f} s, merged {full.merging:,.0f} s later, {full.parts} parts",
        flush=True,
    )
    found = Stored(filled=full)
    with _temporary(str(folder)) as own:
        with (
            serving(own, PLAN, full.store, options.query_timeout) as running,
            contextlib.closing(Client(running.port)) as client,
        ):
            _ask(client, running, SUMMARY + "&fresh=1", found.unlearned)
            found.learned = wait_until_learned(client, running)
            print(f"{events:,} events: first {found.unlearned.seconds}, learned {found.learned}", flush=True)
        with (
            serving(own, PLAN, full.store, options.query_timeout) as running,
            contextlib.closing(Client(running.port)) as client,
        ):
            found.ready = running.ready_seconds
            _ask(client, running, SUMMARY + "&fresh=1", found.first)
            counted_anew(found, client, running, options)
            polled(found, client, running, options)
            found.megabytes = running.resident_mb()
    found.tables = weighed(full)
    return found


def _ask(client: Client, running: Running, path: str, asked: Asked) -> None:
    used = cpu_seconds(running.process.pid)
    answer = client.ask(Question(path))
    asked.add(answer, cpu_seconds(running.process.pid) - used)


def wait_until_learned(client: Client, running: Running) -> Learned | None:
    """Wait until the collector has learned what steps are worth; None where it does not come to that."""
    began, used = time.monotonic(), cpu_seconds(running.process.pid)
    while time.monotonic() - began < _LEARNED_WITHIN_S:
        metrics = client.ask(Question("/metrics")).body
        if _LEARNED.search(metrics) and (took := _LEARNING.search(metrics)):
            waited, cpu = time.monotonic() - began, cpu_seconds(running.process.pid) - used
            return Learned(waited=waited, cpu=cpu, learning=float(took[1]))
        time.sleep(0.25)
    return None


def counted_anew(found: Stored, client: Client, running: Running, options: argparse.Namespace) -> None:
    """Ask in turn for what is counted when it is asked."""
    found.fresh = {name: Asked() for name in FRESH}
    until = time.monotonic() + options.seconds
    for at in range(options.times):
        for name, path in FRESH.items():
            _ask(client, running, path, found.fresh[name])
        if at and time.monotonic() > until:
            break


def polled(found: Stored, client: Client, running: Running, options: argparse.Namespace) -> None:
    """Ask in turn for what the plan declares, and for an answer that holds nothing."""
    asked = {**DECLARED, "bare": BARE}
    questions = [Question(path) for path in asked.values()]
    ask_in_turn(client, questions, 1, 0.0)  # the first time each is counted
    used, began = cpu_seconds(running.process.pid), time.monotonic()
    timings = ask_in_turn(client, questions, options.polls, options.seconds)
    found.polled_cores = (cpu_seconds(running.process.pid) - used) / (time.monotonic() - began)
    found.polls = dict(zip(asked, timings, strict=True))


if __name__ == "__main__":
    main()
