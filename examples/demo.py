"""What `make demo` shows: a collector, a shop, its visitors and a bidding script, together for half a minute.

Each is a program of its own, as it would be in earnest. The demo starts them on free ports and in a temporary folder,
checks that what the visitors did is what the collector counted, and leaves no process and no file behind.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import re
import secrets
import shutil
import signal
import sys
import sysconfig
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import msgspec

from programs import Child, DemoError, soon, while_alive

HERE = Path(__file__).resolve().parent
WIDTH = 100


# -- the collector, as a client sees it -------------------------------------------------------------------------------


@dataclass(frozen=True)
class Collector:
    """The answers of the collector."""

    http: aiohttp.ClientSession
    url: str
    read_key: str

    async def ready(self) -> None:
        while True:
            try:
                async with self.http.get(f"{self.url}/readyz") as response:
                    if response.status == 200:
                        return
            except aiohttp.ClientConnectionError:
                pass
            await asyncio.sleep(0.02)

    async def get(self, path: str) -> Any:
        return msgspec.json.decode(await self._body(path))

    async def metric(self, name: str) -> float:
        """One value of /metrics."""
        match = re.search(rf"^{re.escape(name)} (\S+)$", (await self._body("/metrics")).decode(), re.MULTILINE)
        if match is None:
            raise DemoError(f"the collector's /metrics has no {name}")
        return float(match[1])

    async def _body(self, path: str) -> bytes:
        headers = {"Authorization": f"Bearer {self.read_key}"}
        async with self.http.get(self.url + path, headers=headers) as response:
            body = await response.read()
        if response.status != 200:
            raise DemoError(f"the collector answered {response.status} to GET {path}: {body.decode(errors='replace')}")
        return body


# -- the screen -------------------------------------------------------------------------------------------------------

_TTY = sys.stdout.isatty()
_COLOUR = _TTY and "NO_COLOR" not in os.environ and os.environ.get("TERM") != "dumb"


def paint(text: str, code: str) -> str:
    return f"\x1b[{code}m{text}\x1b[0m" if _COLOUR else text


def headline(text: str) -> None:
    print(f"\n{paint(text, '1')}", flush=True)


def say(text: str = "") -> None:
    print(f"  {text}" if text else "", flush=True)


def bar(share: float, width: int) -> str:
    """A bar with eighths of a character; at least a sliver for what is not nothing."""
    try:
        "█▏".encode(sys.stdout.encoding)
    except UnicodeEncodeError:
        return ("#" * round(share * width)).ljust(width)
    eighths = max(round(share * width * 8), 1 if share else 0)
    return ("█" * (eighths // 8) + " ▏▎▍▌▋▊▉"[eighths % 8].strip()).ljust(width)


class Progress:
    """A line that grows, where somebody watches."""

    def __init__(self) -> None:
        self.done, self.total = 0, 0
        self.half = asyncio.Event()

    def see(self, line: str) -> None:
        if line.startswith("browsed "):
            self.done, self.total = (int(part) for part in line.removeprefix("browsed ").split("/"))
            if self.done * 2 >= self.total:
                self.half.set()
            if _TTY:
                sys.stdout.write(f"\r  {bar(self.done / self.total, 50)} {self.done}/{self.total} visitors have left")
                sys.stdout.flush()

    def clear(self) -> None:
        if _TTY:
            sys.stdout.write("\r" + " " * (WIDTH - 1) + "\r")


def show_funnel(funnel: dict[str, Any]) -> None:
    headline(f"Funnel {funnel['name']}, actors, last 7 days")
    say(paint(f"{'':<20} {'':<36} {'count':>7} {'of all':>8} {'of step':>8} {'median':>9}", "2"))
    for step in funnel["steps"]:
        rate, step_rate, median = step["rate"], step["step_rate"], step["seconds"]["median"]
        figures = (
            f"{step['count']:>7,}",
            f"{'-' if rate is None else f'{rate:.1%}':>8}",
            f"{'-' if step_rate is None else f'{step_rate:.1%}':>8}",
            f"{'-' if median is None else f'{median:.1f} s':>9}",
        )
        say(f"{step['event']:<20} {paint(bar(rate or 0.0, 36), '36')} {' '.join(figures)}")


def show_summary(summary: dict[str, Any]) -> None:
    headline(f"Summary by campaign, last 7 days, {summary['currency']}")
    columns = {"views": "mv_product_view", "carts": "mv_add_to_cart", "forms": "mv_checkout_address"}
    head = " ".join(f"{name:>6}" for name in ("actors", *columns, "orders"))
    say(paint(f"{'campaign':<12} {head} {'final_value':>11} {'declared_value':>14}  bid_value", "2"))
    for row in [*summary["rows"], summary["total"]]:
        name = row["key"]["campaign"] or "(none)" if row["key"] else "total"
        counts = [row["actors"], *(row["events"][event]["count"] for event in (*columns.values(), "purchase"))]
        worth = f"not ready: {row['reason']}" if row["bid_value"] is None else f"{row['bid_value']:,.0f}"
        figures = " ".join(f"{count:>6,}" for count in counts)
        line = f"{name:<12} {figures} {row['final_value']:>11,} {row['declared_value']:>14,}  {worth}"
        say(line if row["key"] else paint(line, "1"))


def show_books(stats: dict[str, Any], counted: int, seconds: float, commits: float, commit_s: float) -> None:
    headline("The books")
    dropped = sum(stats["dropped"].values())
    say("SDK        tracked + adopted = delivered + queued + in_flight + spooled + dropped")
    left = " + ".join(f"{stats[name]:,}" for name in ("tracked", "adopted"))
    right = " + ".join(f"{stats[name]:,}" for name in ("delivered", "queued", "in_flight", "spooled"))
    say(f"           {left} = {right} + {dropped:,}")
    say("visitors   what they did is what the collector counted, campaign by campaign, and to the last yen")
    say(f"collector  {counted:,} events acknowledged durable, {counted / seconds:,.0f} a second: the visitors' pace.")
    say(f"           {commits:,.0f} transactions, {1000 * commit_s / commits:.1f} ms each on average, fsync included.")
    say("           `make bench` looks for the limit.")


# -- what must hold ---------------------------------------------------------------------------------------------------


def check_counts(tally: dict[str, Any], stats: dict[str, Any], summary: dict[str, Any]) -> int:
    """The number of events, if visitors, SDK and collector agree; else a DemoError."""
    for row in summary["rows"]:
        campaign = row["key"]["campaign"]
        counted = {name: figures["count"] for name, figures in row["events"].items() if figures["count"]}
        if counted != tally["events"].get(campaign):
            did = tally["events"].get(campaign)
            raise DemoError(f"campaign {campaign!r}: the visitors did {did}, the collector counted {counted}")
        if row["final_value"] != tally["revenue"].get(campaign, 0) or row["actors"] != tally["visitors"][campaign]:
            raise DemoError(f"campaign {campaign!r}: sales or actors differ from what the visitors did")
    total = sum(sum(events.values()) for events in tally["events"].values())
    if len(summary["rows"]) != len(tally["events"]):
        raise DemoError("the collector misses a campaign")
    if not total == stats["tracked"] == stats["delivered"]:
        raise DemoError(f"the visitors did {total} things, but the shop's SDK says {stats}")
    return total


# -- the play ---------------------------------------------------------------------------------------------------------


def clean_environment() -> dict[str, str]:
    """Ours without settings of kizashi or shop, which would change the play, and with no proxy to ourselves."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("KIZASHI_", "SHOP_"))}
    return kept | {"no_proxy": "127.0.0.1", "NO_PROXY": "127.0.0.1"}


def kizashi_command() -> str:
    beside = Path(sysconfig.get_path("scripts"), "kizashi")
    found = str(beside) if beside.exists() else shutil.which("kizashi")
    if found is None:
        raise DemoError("the command `kizashi` is not installed; run `make demo`, or pip install -e '.[collector]'")
    return found


async def play(args: argparse.Namespace, stack: AsyncExitStack) -> None:
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="kizashi-demo-")))
    environment = clean_environment()
    write_key, read_key = secrets.token_urlsafe(24), secrets.token_urlsafe(24)

    async def start(
        name: str, *command: str, env: Mapping[str, str] | None = None, on_line: Callable[[str], None] = lambda _: None
    ) -> Child:
        child = await Child.start(name, list(command), environment | dict(env or {}), on_line)
        stack.push_async_callback(child.stop)
        return child

    print(paint("kizashi: from a click to what the campaign is worth", "1"))
    say()
    plan = str(HERE / "plan.toml")
    serve = (kizashi_command(), "serve", "--data", str(folder / "data"), "--plan", plan, "--port", "0")
    collector = await start("collector", *serve, env={"KIZASHI_WRITE_KEY": write_key, "KIZASHI_READ_KEY": read_key})
    url = await soon(collector.line("listening on"), "the collector did not listen")
    http = await stack.enter_async_context(aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=30)))
    answers = Collector(http, url, read_key)
    await soon(while_alive(answers.ready(), collector), "the collector was not ready")
    say(f"collector  {url}  SQLite; acknowledges an event once it is on disk")
    shop = await start(
        *("shop", sys.executable, str(HERE / "shop.py"), "--port", "0"),
        env={"KIZASHI_ENDPOINT": url, "KIZASHI_KEY": write_key},
    )
    shop_url = await soon(while_alive(shop.line("listening on"), collector), "the shop did not listen")
    say(f"shop       {shop_url}  tracks with the SDK")
    say(f"visitors   {args.visitors} people, from three campaigns and from none, for some {args.visitors // 30 + 5} s")

    async def bids() -> None:
        bidder = await start(
            *("bidding script", sys.executable, str(HERE / "bidder.py"), "--once", "--state", str(folder / "bids")),
            env={"KIZASHI_ENDPOINT": url, "KIZASHI_READ_KEY": read_key},
        )
        await while_alive(bidder.success(), collector)
        progress.clear()
        for line in bidder.lines:
            say(line)

    progress = Progress()
    began = time.monotonic()
    crowd = await start(
        *("visitors", sys.executable, str(HERE / "visitors.py"), "--shop", shop_url),
        *("--visitors", str(args.visitors), "--seed", str(args.seed)),
        on_line=progress.see,
    )
    await while_alive(progress.half.wait(), collector, shop, crowd)
    progress.clear()
    headline("Half of the visitors have left, and the bidding script polls")
    await while_alive(bids(), collector, shop)
    await while_alive(crowd.success(), collector, shop)
    seconds = time.monotonic() - began
    tally = msgspec.json.decode(crowd.lines[-1], type=dict[str, Any])
    progress.clear()
    await shop.stop()
    await shop.success()
    stats = msgspec.json.decode(await shop.line("kizashi "), type=dict[str, Any])
    headline("All have left, and it polls twice")
    await bids()
    await bids()

    summary = await answers.get("/v1/summary?window=7d&by=campaign")
    counted = check_counts(tally, stats, summary)
    show_funnel(await answers.get("/v1/funnels/checkout?window=7d"))
    show_summary(summary)
    commits = await answers.metric("kizashi_commit_seconds_count")
    commit_s = await answers.metric("kizashi_commit_seconds_sum")
    show_books(stats, counted, seconds, commits, commit_s)
    await collector.stop()
    await collector.success()
    headline("Next")
    say("make serve          a collector that stays, on http://127.0.0.1:8700")
    say("README.md           three lines that track your own site; docs/ has the rest")
    say("examples/shop.py    a backend to copy from; bidder.py and google_ads_script.js are the other end")


async def run(args: argparse.Namespace) -> int:
    task = asyncio.current_task()
    loop = asyncio.get_running_loop()
    stopped: list[str] = []

    def stop(number: signal.Signals) -> None:
        # Once: a second signal must not interrupt the tidying up, which is bounded.
        if not stopped and task is not None:
            stopped.append(number.name)
            task.cancel()

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, stop, number)
    try:
        async with AsyncExitStack() as stack:
            await play(args, stack)
    except DemoError as error:
        print(f"\nkizashi demo: {error}", file=sys.stderr)
        return 1
    except (aiohttp.ClientError, TimeoutError) as error:
        print(f"\nkizashi demo: the collector broke off: {error!r}", file=sys.stderr)
        return 1
    except asyncio.CancelledError:
        print(f"\nkizashi demo: stopped by {', '.join(stopped)}", file=sys.stderr)
        return 1
    return 0


def main() -> int:
    parser = argparse.ArgumentParser(description="A collector, a shop, visitors and a bidding script, together.")
    parser.add_argument("--visitors", type=int, default=600, help="30 of them come each second")
    parser.add_argument("--seed", type=int, default=7, help="the same seed is the same visitors")
    args = parser.parse_args()
    if args.visitors < 1:
        parser.error("--visitors: at least one must come")
    for stream in (sys.stdout, sys.stderr):
        # A terminal without ¥ or é shows a question mark, and does not end the demo.
        getattr(stream, "reconfigure", lambda **_: None)(errors="replace")
    began = time.monotonic()
    code = asyncio.run(run(args))
    if code == 0:
        print(f"\nDone in {time.monotonic() - began:.0f} s; every process has ended, and nothing is left on disk.")
    return code


if __name__ == "__main__":
    sys.exit(main())
