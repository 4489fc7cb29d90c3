"""`kizashi demo`: a collector, a shop, its visitors and a bidding script, together for half a minute.

Each is a program of its own, as it would be in earnest. The demo starts them on free ports and in a temporary folder,
checks that what the visitors did is what the collector counted, and leaves no process and no file behind.
"""

from __future__ import annotations

import sys
import time
from contextlib import AsyncExitStack
from typing import Any

import msgspec

from kizashi_collector.cli._terminal import Screen
from kizashi_collector.cli.demo._called import called
from kizashi_collector.cli.demo._pages import Progress, headline, say, show_books, show_funnel, show_summary
from kizashi_collector.cli.demo._programs import DemoError, program, while_alive
from kizashi_collector.cli.demo._stage import Stage

__all__ = ["play"]


async def play(visitors: int, seed: int, stack: AsyncExitStack) -> None:
    """Play it once. Raises DemoError where something does not happen, or numbers do not agree."""
    print(Screen.of(sys.stdout).paint("kizashi: from a click to what the campaign is worth", "bold"))
    say()
    stage = Stage(stack)
    collector, answers = await stage.collector(program("plan.toml"))
    say(f"collector  {answers.url}  SQLite; acknowledges an event once it is on disk")
    shop, shop_url = await stage.shop(collector, answers)
    say(f"shop       {shop_url}  tracks with the SDK")
    say(f"visitors   {visitors} people, from three campaigns and from none, for some {visitors // 30 + 5} s")

    async def bids() -> None:
        bidder = await stage.start(
            *(
                "bidding script",
                sys.executable,
                str(program("bidder.py")),
                "--once",
                "--state",
                str(stage.folder / "bids"),
            ),
            env={"KIZASHI_ENDPOINT": answers.url, "KIZASHI_READ_KEY": answers.read_key},
        )
        await while_alive(bidder.success(), collector)
        progress.clear()
        for line in bidder.lines:
            say(line)

    progress = Progress()
    began = time.monotonic()
    crowd = await stage.start(
        *("visitors", sys.executable, str(program("visitors.py")), "--shop", shop_url),
        *("--visitors", str(visitors), "--seed", str(seed)),
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
    counted = _check_counts(tally, stats, summary)
    show_funnel(await answers.get("/v1/funnels/checkout?window=7d"))
    show_summary(summary)
    commits = await answers.metric("kizashi_commit_seconds_count")
    commit_s = await answers.metric("kizashi_commit_seconds_sum")
    show_books(stats, counted, seconds, commits, commit_s)
    await collector.stop()
    await collector.success()
    headline("Next")
    again = f"{called()} demo --serve"
    width = len(again)
    say(f"{again}   such a shop with forty days behind it, kept open to look around in")
    say(f"{'make serve':<{width}}   a collector that stays, on http://127.0.0.1:8700, for your own events")
    say(f"{'README.md':<{width}}   three lines that track your own site; docs/ has the rest")
    say(f"{'examples/shop.py':<{width}}   a backend to copy from; bidder.py and google_ads_script.js: the other end")


def _check_counts(tally: dict[str, Any], stats: dict[str, Any], summary: dict[str, Any]) -> int:
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
