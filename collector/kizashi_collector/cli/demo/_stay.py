"""`kizashi demo --serve`: a collector that stays open on a shop with a past, and with visitors who go on coming."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import socket
import sys
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from random import Random
from typing import Any

from kizashi_collector.cli._terminal import Screen
from kizashi_collector.cli.demo._answers import Collector
from kizashi_collector.cli.demo._browsers import browse
from kizashi_collector.cli.demo._called import called
from kizashi_collector.cli.demo._history import DAYS, chat_opened, history
from kizashi_collector.cli.demo._pages import headline, say
from kizashi_collector.cli.demo._programs import program, while_alive
from kizashi_collector.cli.demo._stage import Stage
from kizashi_collector.cli.importing import Progress

__all__ = ["stay"]

_USUAL_PORT = 8700
_BATCH = 2_500
# As busy at first as somebody who watches likes it, and then so that a day of it is no jump after the past.
_BUSY_S, _BUSY_VISITORS = 1.0, 600
_WIDGET_S = 7.0
_PATIENCE_S = 20.0
_PLAN = """
# -- what the demo adds: what the shop means to come to, and an event that was planned and never built

[targets.7d]
expected_value = 7_500_000
finals = 1_150

[targets.28d]
expected_value = 30_000_000
finals = 4_500

[events.mv_gift_wrap]
owner = "growth team"
value = 400
review_by = 2026-01-31
description = "Somebody asked for gift wrapping"
"""
_CARELESS: Sequence[dict[str, Any]] = (
    {"name": "Chat Opened"},
    {"name": "mv_chat_order", "value": "1,980", "currency": "JPY"},
    {"name": "mv_chat_order", "value": 1980, "currency": "YEN"},
    {"name": "mv_chat_opened", "actor": ""},
)


async def stay(port: int | None, per_day: int, seed: int, stack: AsyncExitStack) -> None:
    """Open it, and keep it open until it is cancelled. Raises DemoError where something does not happen, or ends."""
    stage = Stage(stack)
    plan = stage.folder / "plan.toml"
    plan.write_text(program("plan.toml").read_text(encoding="utf-8") + _PLAN, encoding="utf-8")
    importer, past = await stage.collector(plan)
    await while_alive(_import(past, per_day, seed), importer)
    # Events this old change journeys that were found before, which is mended by and by; a collector that starts finds
    # all of them at once.
    await importer.stop()
    await importer.success()
    child, collector = await stage.collector(plan, port=_free_port() if port is None else port)
    shop, shop_url = await stage.shop(child, collector)
    # What is imported says nothing of how late events are: with a live one, answers are complete from here on.
    await collector.post([_chat(_dice(seed, 3))])
    await while_alive(_learned(collector), child, shop)
    _show(collector, shop_url, plan)
    await while_alive(_go_on(collector, shop_url, per_day, seed), child, shop)


def _free_port() -> int:
    """The usual port, or any where that is taken."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", _USUAL_PORT))
        except OSError:
            return 0
    return _USUAL_PORT


async def _import(collector: Collector, per_day: int, seed: int) -> None:
    print(f"Importing {DAYS} days of a tea shop ...", file=sys.stderr, flush=True)
    events = await asyncio.to_thread(history, time.time_ns() // 1_000_000, per_day, seed)
    progress = Progress("history", len(events), sys.stderr)
    try:
        for at in range(0, len(events), _BATCH):
            await collector.post(events[at : at + _BATCH], imported=True)
            progress.update(at, at)
    finally:
        progress.close()


async def _go_on(collector: Collector, shop: str, per_day: int, seed: int) -> None:
    visitors, widget = _dice(seed, 1), _dice(seed, 2)
    async with asyncio.TaskGroup() as group:
        group.create_task(browse(shop, visitors, (_BUSY_S, _BUSY_VISITORS, 86_400 / per_day)))
        group.create_task(_widget(collector, widget))


async def _widget(collector: Collector, dice: Random) -> None:
    """A chat widget that somebody built in without a look at the plan, and sends what it likes."""
    for number in itertools.count():
        event = _chat(dice)
        if number % 2:
            event |= dice.choice(_CARELESS)
        await collector.post([event])
        await asyncio.sleep(_WIDGET_S * dice.uniform(0.5, 1.5))


async def _learned(collector: Collector) -> None:
    """Return when what steps are worth has been learned from the past; not later than somebody would wait for it."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_PATIENCE_S):
            while not (await collector.get("/v1/summary?window=28d"))["total"]["ready"]:  # noqa: ASYNC110
                await asyncio.sleep(0.1)


def _chat(dice: Random) -> dict[str, Any]:
    now = time.time_ns() // 1_000_000
    return chat_opened(now, f"v-{dice.getrandbits(64):016x}", f"{now:012x}-{dice.getrandbits(48):012x}")


def _dice(seed: int, number: int) -> Random:
    return Random(f"{seed} {number}")  # noqa: S311  # dice of a game


def _show(collector: Collector, shop: str, plan: Path) -> None:
    screen = Screen.of(sys.stdout)
    print(screen.paint("kizashi is open, on a tea shop with forty days behind it; visitors go on coming", "bold"))
    say()
    say(f"collector  {screen.paint(collector.url, 'bar')}")
    say(f"read key   {collector.read_key}")
    say(f"shop       {shop}  buy some tea yourself, and see it arrive")
    say(f"plan       {plan}")
    headline("To be found")
    say("campaigns that bring buyers, and campaigns that bring nobody who buys")
    say("a form that, for three days, has refused what many phones write in it")
    say("an event that was tracked until two days ago; one that is planned, and never came; one that nobody planned")
    headline("In another terminal")
    say(f"export KIZASHI_ENDPOINT={collector.url} KIZASHI_KEY={collector.read_key}")
    for command in (
        "summary",
        "funnel checkout --by device --window 72h",
        "values review",
        "rejected list",
    ):
        say(f"{called()} {command}")
    print("\nCtrl-C ends it, and leaves nothing.", flush=True)
