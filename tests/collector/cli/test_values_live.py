"""`kizashi values review` against a real collector."""

from __future__ import annotations

import argparse
import asyncio
import json
from pathlib import Path

import pytest

from kizashi_collector.cli import add_values
from live_collector import NOW, LiveCollector, event, live_collector

DAY = 86_400_000
PLAN = """
currency = "JPY"
[events.mv_view]
[events.mv_cart]
value = 300   # a guess
[events.purchase]
final = true
value = 1000
[values]
ladder = ["mv_view", "mv_cart"]
min_effective_conversions = 5
"""


async def kizashi(collector: LiveCollector, *arguments: str) -> int:
    parser = argparse.ArgumentParser(prog="kizashi")
    add_values(parser.add_subparsers())
    args = parser.parse_args(["values", "review", *arguments, "--endpoint", collector.url, "--key", "r-secret"])
    status: int = await asyncio.to_thread(args.run, args)
    return status


async def test_a_review_of_what_was_sent_becomes_a_table_and_a_diff(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(PLAN, encoding="utf-8")
    async with live_collector(tmp_path, plan=PLAN) as collector:
        events = []
        for number in range(60):
            begin, actor = NOW - (20 + number) * DAY, f"v-{number}"
            events.append(event("mv_view", begin, actor))
            if number % 3 == 0:
                events.append(event("mv_cart", begin + 60_000, actor))
            if number % 6 == 0:
                events.append(event("purchase", begin + 120_000, actor))
        await collector.post(events)
        assert await kizashi(collector) == 0
        head, _, _, cart, sentence, *_ = capsys.readouterr().out.splitlines()
        assert head.split()[:2] == ["event", "verdict"]
        assert cart.split()[:4] == ["mv_cart", "keep", "300", "500"]
        assert "the 300 JPY that the plan declares are too little" in sentence
        assert await kizashi(collector, "--json") == 0
        answer = json.loads(capsys.readouterr().out)
        assert [(step["event"], step["converted"]) for step in answer["steps"]] == [("mv_view", 10), ("mv_cart", 10)]
        assert answer["steps"][1]["learned"]["value"] == 500
        assert await kizashi(collector, "--diff", str(file)) == 0
        told = capsys.readouterr()
        assert "-value = 300   # a guess\n+value = 500   # a guess\n" in told.out
        assert told.err == ""
        assert await kizashi(collector, "--as-of", "tomorrow") == 1
        assert "bad_query" in capsys.readouterr().err
        assert await kizashi(collector, "--as-of", str(NOW - 100 * DAY), "--json") == 0
        assert json.loads(capsys.readouterr().out)["journeys"] == 0


async def test_without_a_plan_it_says_so(collector: LiveCollector, capsys: pytest.CaptureFixture[str]) -> None:
    assert await kizashi(collector) == 0
    assert capsys.readouterr().out == "No plan is in force, so that there is nothing to review.\n"
