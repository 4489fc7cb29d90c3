"""What a tracked event costs, for kizashi and five other SDKs in the same run: `make bench-sdk`.

Every measured program is a fresh process that drains to a sink in another one, which counts what arrives: a program
whose events did not all arrive is no result. Rounds go through all programs in turn; medians over the rounds are
printed, and ratios to the cheapest SDK that carries the same.
"""

from __future__ import annotations

import argparse
import inspect
import json
import os
import platform
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path
from statistics import median

import kizashi
from bench.sdk_calls import CALLS
from bench.sdk_programs import BATCH, CHUNK, WARM_UP
from conformance.adapters import NAMES
from conformance.sink_process import SinkProcess

TESTS = Path(__file__).parents[1]
SECONDS = 60.0
Measured = dict[str, list[dict[str, float]]]

IMPORTS = {
    "kizashi": "import kizashi",
    "snowplow-tracker": "import snowplow_tracker",
    "segment-analytics-python": "import segment.analytics",
    "posthog": "import posthog",
    "amplitude-analytics": "import amplitude",
    "opentelemetry-sdk": "from opentelemetry.sdk._logs.export import BatchLogRecordProcessor\n"
    "from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter",
}
IMPORT = """
import sys, time
bare = set(sys.modules)
began = time.perf_counter()
{statement}
imported = time.perf_counter()
loaded = set(sys.modules) - bare
from conformance.adapters import ADAPTERS, Options
ADAPTERS[{name!r}]("http://127.0.0.1:9", Options())
made = time.perf_counter()
later = set(sys.modules) - bare - loaded
import json, os
took = {{"import": (imported - began) * 1e3, "client": (made - began) * 1e3}}
print(json.dumps({{**took, "modules": len(loaded)}}))
print(*sorted(loaded))
print(*sorted(later), flush=True)
os._exit(0)
"""


def program(*words: str) -> subprocess.Popen[str]:
    """A Python program, which sees the suite and nothing of the SDKs' settings."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("KIZASHI_", "OTEL_"))}
    return subprocess.Popen(
        [sys.executable, *words],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env={**clean, "PYTHONPATH": os.pathsep.join([str(TESTS), clean.get("PYTHONPATH", "")])},
    )


def drained(what: str, variant: str, amount: int) -> dict[str, float]:
    """Run a program against a sink of its own; what it measured. Raises RuntimeError where events are missing."""
    words = ("-m", "bench.sdk_programs", what, variant)
    with SinkProcess("qty") as sink, program(*words, sink.url, str(amount)) as running:
        assert running.stdin is not None
        assert running.stdout is not None
        try:
            for line in running.stdout:
                told = json.loads(line)
                if isinstance(told, dict):
                    return told
                if CALLS[variant][0] is not None:
                    came = sink.wait(told, SECONDS)
                    if came["distinct"] != told or came["duplicates"] or came["resent"]:
                        raise RuntimeError(f"{variant}: of {told} events {came} came")
                running.stdin.write("\n")
                running.stdin.flush()
            raise RuntimeError(f"{variant}: {what} ended without a result")
        finally:
            running.kill()


def imported(name: str) -> dict[str, float]:
    """Milliseconds to import an SDK in a bare interpreter, and until a client is made; and how many modules it took."""
    told: dict[str, float] = json.loads(import_of(name)[0])
    return told


def import_of(name: str) -> list[str]:
    """What the program says: the figures, the modules that the import loads, and those that a client adds."""
    with program("-c", IMPORT.format(statement=IMPORTS[name], name=name)) as running:
        out, _ = running.communicate(timeout=SECONDS)
    return out.splitlines()


def rounds(count: int, names: tuple[str, ...], measure: Callable[[str], dict[str, float]]) -> Measured:
    """Measure everything once a round."""
    results: Measured = {name: [] for name in names}
    for _ in range(count):
        for name in names:
            results[name].append(measure(name))
    return results


def middle(results: list[dict[str, float]], key: str) -> float:
    return median(result[key] for result in results)


def table(head: tuple[str, ...], lines: Iterator[tuple[str, ...]]) -> None:
    print()
    for cells in (head, ("---",) * len(head), *lines):
        print("| " + " | ".join(cells) + " |", flush=True)
    print()


def peers(results: Measured) -> list[str]:
    return [name for name in results if not name.startswith(("kizashi", "the loop"))]


def report_cost(results: Measured) -> None:
    """CPU in the caller and in all, with ratios within each round, against the cheapest peer by the medians."""
    cheapest = {key: min(peers(results), key=lambda name: middle(results[name], key)) for key in ("caller", "total")}

    def ratio(name: str, key: str) -> str:
        pairs = zip(results[name], results[cheapest[key]], strict=True)
        return f"{median(mine[key] / theirs[key] for mine, theirs in pairs):.3f}"

    def lines() -> Iterator[tuple[str, ...]]:
        for name, measured in results.items():
            caller, total = middle(measured, "caller"), middle(measured, "total")
            if name.startswith("the loop"):
                yield name, f"{caller:.2f}", "", "", ""
            else:
                yield name, f"{caller:.2f}", ratio(name, "caller"), f"{total:.2f}", ratio(name, "total")

    table(("", "caller, µs CPU a call", "ratio", "all, µs CPU an event", "ratio"), lines())
    print(f"Cheapest peer: {cheapest['caller']} in the caller, {cheapest['total']} in all.")
    print("Limits: 0.25 in the caller, 0.2 in all; the aim is 0.15.")


def report_pace(results: Measured) -> None:
    empty = results["the loop alone"]

    def lines() -> Iterator[tuple[str, ...]]:
        for name, measured in results.items():
            over = median(mine["p99"] - loop["p99"] for mine, loop in zip(measured, empty, strict=True))
            yield name, *(f"{middle(measured, key):.1f}" for key in ("p50", "p99", "p99.9")), f"{over:.1f}"

    table(("one call, µs", "p50", "p99", "p99.9", "p99 over the empty loop"), lines())
    print("Limit: 10 µs over the empty loop at p99. Any few µs of work meet interrupts and cold caches: see the sums.")


def report_imports(results: Measured) -> None:
    """Import alone, which has the limit, and with a client made, since an SDK may put off what it needs anyway."""

    def lines() -> Iterator[tuple[str, ...]]:
        for name, measured in results.items():
            cells = []
            for key in ("import", "client"):
                pairs = zip(measured, results["amplitude-analytics"], strict=True)
                ratio = median(mine[key] / theirs[key] for mine, theirs in pairs)
                cells += [f"{middle(measured, key):.1f}", f"{ratio:.2f}"]
            yield name, *cells, f"{middle(measured, 'modules'):.0f}"

    table(("import, ms", "alone", "to amplitude", "and a client", "to amplitude", "modules imported"), lines())
    print("Limit: 0.7 of amplitude-analytics for the import alone.\n")
    _, imported_modules, added = import_of("kizashi")
    print(f"`import kizashi` loads: {listed(imported_modules)}.\n\nA client adds: {listed(added)}.")


def listed(modules: str) -> str:
    """Modules in words; of strangers' packages only the name."""
    return ", ".join(name for name in modules.split() if "." not in name or name.startswith("kizashi."))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--chunks", type=int, default=6, help=f"chunks of {CHUNK} calls a round")
    parser.add_argument("--calls", type=int, default=20_000, help="calls a round whose times are taken one by one")
    parser.add_argument("--imports", type=int, default=15, help="rounds of imports")
    parser.add_argument("--only", choices=("cost", "pace", "import"), action="append")
    options = parser.parse_args()
    only = options.only or ("cost", "pace", "import")
    print(f"Python {platform.python_version()}, {os.cpu_count()} cores; {options.rounds} rounds, medians.")
    print(", ".join(f"{name} {version(name)}" for name in NAMES))
    compressed = inspect.signature(kizashi.Client).parameters["gzip"].default
    print(f"Batches of {BATCH} for all. Defaults for compression: gzip={compressed} for kizashi, none for the peers.")
    if "cost" in only:
        print(f"CPU over {options.chunks} x {CHUNK} calls after {WARM_UP} x {CHUNK} to warm up:")
        report_cost(rounds(options.rounds, tuple(CALLS), lambda name: drained("cost", name, options.chunks)))
    if "pace" in only:
        report_pace(rounds(options.rounds, tuple(CALLS), lambda name: drained("pace", name, options.calls)))
    if "import" in only:
        report_imports(rounds(options.imports, NAMES, imported))


if __name__ == "__main__":
    main()
