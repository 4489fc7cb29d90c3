"""What a process weighs while the collector is down: 5,000 events a second for a minute, without and with a spool.

Both run at once, each in a process of its own, against a port that nobody listens on; memory is read once a second.
`make bench-sdk` runs it last; `--quick` takes a tenth of the time.
"""

from __future__ import annotations

import argparse
import inspect
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

RATE = 5_000
TICKS = 100
PAGE = os.sysconf("SC_PAGE_SIZE")
PROGRAM = """
import json, sys, time
import kizashi
options = json.loads(sys.argv[1])
seconds, rate, ticks = json.loads(sys.argv[2])
kizashi.configure(key="key", **options)
print("ready", flush=True)
sys.stdin.readline()
began = time.monotonic()
number = 0
for tick in range(seconds * ticks):
    # Events fall due at a steady rate; a tick that comes late catches up.
    time.sleep(max(0.0, began + tick / ticks - time.monotonic()))
    for _ in range(rate // ticks):
        number += 1
        kizashi.track(
            "mv_add_to_cart", actor=f"v-{number // 10}", session=f"s-{number // 10}", value=1200, currency="JPY",
            source={"campaign": "brand", "device": "mobile", "gclid": f"EAIaIQobChMI{number:08x}"},
            properties={"sku": f"A-{number % 1000}", "qty": number, "category": "shoes", "price": 19.5},
        )
stats = kizashi.stats()
print(json.dumps([stats.balanced, str(stats), time.monotonic() - began]), flush=True)
sys.stdin.readline()
"""


class Site:
    """A process that tracks into the void."""

    def __init__(self, seconds: int, **options: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, json.dumps(options), json.dumps([seconds, RATE, TICKS])],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self.sizes: list[float] = []
        assert self.process.stdout is not None
        if self.process.stdout.readline() != "ready\n":
            raise RuntimeError("the site did not start")
        self.look()

    def go(self) -> None:
        """Begin to track, or to end."""
        assert self.process.stdin is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def look(self) -> None:
        """Note the resident set, in MB."""
        pages = Path(f"/proc/{self.process.pid}/statm").read_text(encoding="ascii").split()[1]
        self.sizes.append(int(pages) * PAGE / 1e6)

    def told(self) -> tuple[bool, str, float]:
        """Whether the books balanced at the end, the books, and the seconds that it took."""
        assert self.process.stdout is not None
        balanced, stats, seconds = json.loads(self.process.stdout.readline())
        return balanced, stats, seconds

    def end(self) -> None:
        """End it at once."""
        self.process.kill()
        self.process.communicate()


def has_spool() -> bool:
    import kizashi

    return "spool" in inspect.signature(kizashi.Client).parameters


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="6 seconds in place of 60")
    seconds = 6 if parser.parse_args().quick else 60
    with socket.socket() as taken, tempfile.TemporaryDirectory() as folder:
        # Bound and not listening: connections are refused, and nobody else gets the port.
        taken.bind(("127.0.0.1", 0))
        endpoint = f"http://127.0.0.1:{taken.getsockname()[1]}"
        sites = {"without a spool": Site(seconds, endpoint=endpoint)}
        if has_spool():
            sites["with a spool"] = Site(seconds, endpoint=endpoint, spool=folder)
        try:
            for site in sites.values():
                site.go()
            for _ in range(seconds):
                time.sleep(1)
                for site in sites.values():
                    site.look()
            report(sites, seconds)
        finally:
            for site in sites.values():
                site.end()


def report(sites: dict[str, Site], seconds: int) -> None:
    print(f"Collector down, {RATE:,} events/s for {seconds} s; resident set in MB, read each second\n")
    print("| | start | peak | end | tracked for | balanced |\n| --- | --- | --- | --- | --- | --- |")
    books = []
    for name, site in sites.items():
        balanced, stats, took = site.told()
        site.look()
        start, peak, end = site.sizes[0], max(site.sizes), site.sizes[-1]
        print(f"| kizashi, {name} | {start:.1f} | {peak:.1f} | {end:.1f} | {took:.1f} s | {balanced} |")
        books.append(f"{name}: {stats}")
    print("\n" + "\n".join(books))


if __name__ == "__main__":
    main()
