"""How soon the dashboard's pages are useful with ten million events stored, and what they weigh: `make bench-pages`.

A data folder is filled by the store itself, a collector started on it, and each page opened in Chromium by somebody who
is logged in: with nothing in the browser's cache, and once more in a new tab of the same profile. Then 800 campaigns
more are sent, and all is measured again. Browser, collector and what drives them share the processors of one machine.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import platform
import signal
import sqlite3
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from statistics import median

import msgspec

from bench.clickhouse import cpu_seconds, wait_until_learned, wait_until_quiet
from bench.filled import filled
from bench.load import request, run_load
from bench.month import Block
from bench.page_views import VIEWS, Call, View, view, watched
from bench.polls import Client, Question
from bench.query import DAY_MS, SUMMARY, serving, wait_until_current
from bench.servers import KEY, READ_KEY, Running
from browser.chromium import CHROMIUM, chromium, log_in, new_context

USEFUL_MS, TRANSFERRED = 1_000, 300_000
CACHES = ("cold", "warm")
_MORE = 4
"""For each campaign of the month so many more, so that there are a thousand."""
_EVENTS_OF_MORE = 20_000
_BATCH = 500
_MEDIANS = {
    "document": "document",
    "modules": "modules",
    "answers": "answers",
    "drawing": "drawing",
    "all there": "whole",
    "long tasks": "long_tasks",
    "CPU of the page": "page_cpu",
    "of the collector": "collector_cpu",
}
_LEGEND = """Times are milliseconds; moments are counted from the navigation on. A page is useful once this is painted,
as a MutationObserver notices: {figures}.

Until then it waits for the document; for its modules, until it asks its first question; for answers, until the last one
before it is useful; what is left is drawing, with what the page waits for by a clock. A question's time in
the collector is from the first byte of the request to that of the answer, its queue included."""

Views = Mapping[str, Mapping[str, Sequence[View]]]
"""By page and by the browser's cache, the views in order."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=10_000_000)
    parser.add_argument("--rounds", type=int, default=5, help="how often each page is viewed, beside a first time")
    parser.add_argument("--keep", type=Path, help="keep the filled folder here, and use it again within an hour")
    options = parser.parse_args()
    if CHROMIUM is None:
        parser.error("there is no chromium to open the pages with")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that whatever was started is ended
    before = os.getloadavg()[0]
    with tempfile.TemporaryDirectory(dir=os.environ.get("KIZASHI_BENCH_DIR")) as name:
        full = filled(Path(name) / "data", options.events, keep=options.keep)
        with serving(Path(name)) as running:
            with contextlib.closing(Client(running.port)) as client:
                current, learned = wait_until_current(client), wait_until_learned(client, running)
            print(
                f"{options.events:,} events: ready {running.ready_seconds:.1f} s after the start, answers current "
                f"{current:.1f} s later, {'nothing' if learned is None else 'values'} learned, "
                f"{running.resident_mb():.0f} MB",
                flush=True,
            )
            measure(running, options)
            send_more(running, full.month.end)
            measure(running, options)
    print(_LEGEND.format(figures="; ".join(f"{name}: {page.figure}" for name, page in VIEWS.items())))
    print(f"\n{machine()}; load average {before:.1f} before, {os.getloadavg()[0]:.1f} at the end")


def measure(running: Running, options: argparse.Namespace) -> None:
    """View all pages with what is stored now, and print what was found."""
    with contextlib.closing(Client(running.port)) as client:
        rows = len(msgspec.json.decode(client.ask(Question(SUMMARY)).body)["rows"])
    views = asyncio.run(viewed(running, options.rounds))
    print(f"\n{options.events:,} events, {rows:,} campaigns in 7 days, median of {options.rounds} rounds\n")
    print(table(views))
    print(f"\nWhat is asked, browser's cache cold:\n\n{asked(views)}\n", flush=True)


def send_more(running: Running, end: int) -> None:
    """Send events of the last seven days that are of 800 other campaigns, 100 of each."""
    todo = []
    for nth in range(1, _MORE + 1):
        block = Block((DAY_MS, nth), _EVENTS_OF_MORE, end - 7 * DAY_MS + 3_600_000, end)
        for _, body in block.bodies(_BATCH):
            events = msgspec.json.decode(body)["events"]
            for event in events:
                event["source"]["campaign"] += f"-{nth}"
                event["order"] = event["order"] and f"{event['order']}-{nth}"
            todo.append(request(msgspec.json.encode({"import": True, "events": events}), KEY))
    run_load(running.port, todo, 4)


async def viewed(running: Running, rounds: int) -> Views:
    """View all pages so many times and once before, one at a time, the collector being at rest each time."""
    found: dict[str, dict[str, list[View]]] = {name: {cache: [] for cache in CACHES} for name in VIEWS}
    process = running.process.pid
    url = f"http://127.0.0.1:{running.port}"
    async with chromium() as browser:
        session = await log_in(browser, url, READ_KEY)
        for nth in range(rounds + 1):
            for name, page in VIEWS.items():
                context = await new_context(browser, url, session=session)
                try:
                    await watched(context, page)
                    for cache in CACHES:
                        await asyncio.to_thread(wait_until_quiet, process)
                        used = cpu_seconds(process)
                        one = await view(context, url, page)
                        spent = (cpu_seconds(process) - used) * 1000
                        found[name][cache].append(msgspec.structs.replace(one, collector_cpu=spent))
                        times = f"useful {one.useful:,.0f} ms, all there {one.whole:,.0f} ms"
                        print(f"round {nth}, {name}, {cache}: {times}", flush=True)
                finally:
                    await context.close()
    return found


def table(views: Views) -> str:
    """All views in markdown, milliseconds, and under it which targets were missed."""
    head = ["page", "cache", f"bytes, < {TRANSFERRED:,}", "requests", "first paint"]
    head += [f"useful, ≤ {USEFUL_MS:,}", "worst", *_MEDIANS, "useful the first time", "verdict"]
    rows: list[Sequence[str]] = [head, ["---"] * len(head)]
    missed, wrong = [], set()
    for name, of in views.items():
        for cache, (first, *rest) in of.items():
            transferred = max(one.transferred for one in rest)
            useful = median(one.useful for one in rest)
            failed = [
                what for what, met in (("useful", useful <= USEFUL_MS), ("bytes", transferred < TRANSFERRED)) if not met
            ]
            missed += [f"{name}, {cache}: {what}" for what in failed]
            wrong |= {f"{name}: {what}" for one in (first, *rest) for what in one.wrong}
            cells = [name, cache, f"{transferred:,}", f"{max(one.requests for one in rest)}"]
            cells += [_median(rest, "first_paint"), f"**{useful:,.0f}**", f"{max(one.useful for one in rest):,.0f}"]
            cells += [_median(rest, what) for what in _MEDIANS.values()]
            rows.append([*cells, f"{first.useful:,.0f}", "missed" if failed else "met"])
    lines = [*_rows(rows), "", f"missed: {'; '.join(missed)}" if missed else "no target was missed"]
    if wrong:
        lines.append(f"\nthe browser complained: {'; '.join(sorted(wrong))}")
    return "\n".join(lines)


def asked(views: Views) -> str:
    """Each page's questions in markdown, in the order in which they are asked."""
    head = ("page", "question", "asked at", "collector", "answered at", "bytes", "collector the first time")
    rows: list[Sequence[str]] = [head, ("---",) * len(head)]
    for name, of in views.items():
        first, *rest = of["cold"]
        useful = median(one.useful for one in rest)
        at_first = _numbered(first)
        numbered = [_numbered(one) for one in rest]
        seen = {
            key: [calls[key] for calls in numbered if key in calls] for key in {key for one in numbered for key in one}
        }
        for key, same in sorted(seen.items(), key=lambda one: median(call.asked for call in one[1])):
            when = median(one.asked for one in same)
            question = f"`{key[0]}`{f', {key[1]}.' if key[1] > 1 else ''}"
            failed = sorted({call.status for call in same} - {200})
            cells = [name, f"{question}: {', '.join(map(str, failed))}" if failed else question]
            cells.append(f"{when:,.0f}{' (after it is useful)' if when > useful else ''}")
            cells.append(f"{median(one.waited for one in same):,.1f}")
            cells += [f"{median(getattr(one, what) for one in same):,.0f}" for what in ("ended", "bytes")]
            rows.append([*cells, f"{at_first[key].waited:,.1f}" if key in at_first else ""])
    return "\n".join(_rows(rows))


def machine() -> str:
    """What all this ran on."""
    cpu = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text(encoding="ascii").splitlines()
            if line.startswith("model name")
        ),
        platform.machine(),
    )
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return (
        f"{os.cpu_count()} × {cpu}, {memory:.0f} GiB, Python {platform.python_version()}, "
        f"SQLite {sqlite3.sqlite_version}, {time.strftime('%Y-%m-%d %H:%M', time.gmtime())} UTC"
    )


def _numbered(one: View) -> dict[tuple[str, int], Call]:
    """A view's questions; the same one asked again has the next number."""
    found: dict[tuple[str, int], Call] = {}
    for call in one.calls:
        nth = 1 + sum(question == call.question for question, _ in found)
        found[call.question, nth] = call
    return found


def _median(views: Sequence[View], what: str) -> str:
    return f"{median(getattr(one, what) for one in views):,.0f}"


def _rows(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    return (f"| {' | '.join(cells)} |" for cells in rows)


if __name__ == "__main__":
    main()
