"""`kizashi plan apply` against real collectors: from the review to the file, and from the file into force."""

from __future__ import annotations

import asyncio
import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from collector_process import CollectorProcess
from kizashi._commands import main
from kizashi_schemas.plan import load_plan
from live_collector import NOW, LiveCollector, event, live_collector

DAY = 86_400_000
PLAN = """\
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


async def kizashi(collector: LiveCollector, *arguments: object, key: str = "a-secret") -> int:
    return await asyncio.to_thread(main, [*map(str, arguments), "--endpoint", collector.url, "--key", key])


async def in_force(collector: LiveCollector) -> str | None:
    async with collector.ask("GET", "/v1/plan") as response:
        told: str | None = (await response.json())["id"]
        return told


def write(file: Path, text: str) -> None:
    file.write_text(text, encoding="utf-8")


def written(file: Path) -> str:
    return file.read_text(encoding="utf-8")


@pytest.fixture
def plan(tmp_path: Path) -> Path:
    file = tmp_path / "mine.toml"
    file.write_text(PLAN, encoding="utf-8")
    return file


async def test_what_the_review_suggests_is_applied_with_one_command_and_in_force_with_the_next(
    collector: LiveCollector, plan: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await kizashi(collector, "plan", "apply", plan, "--yes") == 0
    events = []
    for number in range(60):
        begin, actor = NOW - (20 + number) * DAY, f"v-{number}"
        events.append(event("mv_view", begin, actor))
        if number % 3 == 0:
            events.append(event("mv_cart", begin + 60_000, actor))
        if number % 6 == 0:
            events.append(event("purchase", begin + 120_000, actor))
    await collector.post(events)
    capsys.readouterr()
    assert await kizashi(collector, "values", "review", "--diff", plan, key="r-secret") == 0
    diff = tmp_path / "change.diff"
    diff.write_text(capsys.readouterr().out, encoding="utf-8")
    assert await asyncio.to_thread(main, ["plan", "apply", str(diff), str(plan)]) == 0
    first, *_ = capsys.readouterr().out.splitlines()
    assert first == "mv_cart is declared to be worth 500 instead of 300."
    assert "value = 500   # a guess\n" in written(plan)
    # It was not asked to do more than that.
    assert await in_force(collector) == load_plan(PLAN).id
    assert await kizashi(collector, "plan", "apply", plan, "--yes") == 0
    out = capsys.readouterr().out.splitlines()
    assert "  ~ events.mv_cart.value: 300 → 500" in out
    assert "mv_cart is declared to be worth 500 instead of 300." in out
    assert out[-1] == f"in force at {collector.url}: plan {await in_force(collector)}"
    assert await in_force(collector) == load_plan(PLAN.replace("300", "500")).id
    assert await kizashi(collector, "plan", "apply", plan, "--yes") == 0
    assert "already" in capsys.readouterr().out
    # Nothing is left of what was suggested.
    assert await kizashi(collector, "values", "review", "--diff", plan, key="r-secret") == 0
    assert capsys.readouterr().out == ""


async def test_what_changes_is_shown_before_it_does_and_a_dry_run_leaves_it_at_that(
    collector: LiveCollector, plan: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await kizashi(collector, "plan", "apply", plan, "--dry-run") == 0
    out = capsys.readouterr().out
    assert out.startswith(f"No plan is in force at {collector.url}. With this one:\n")
    assert "The event mv_cart is new: value 300." in out
    assert out.endswith(f"{collector.url}: nothing was changed\n")
    assert await in_force(collector) is None
    assert await kizashi(collector, "plan", "apply", plan, "--yes", "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["ok"], told["changed"], told["from"], told["to"]) == (True, True, None, load_plan(PLAN).id)
    write(plan, PLAN + 'horizon = "7d"\n')
    assert await kizashi(collector, "plan", "apply", plan, "--dry-run", "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["changed"], told["added"]) == (False, {"values.horizon": "7d"})
    assert "no row is ready to be bid on until a horizon (1w) has passed" in told["sentences"][-1]
    assert await in_force(collector) == load_plan(PLAN).id


def test_a_broken_plan_is_refused_before_anybody_is_asked(plan: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(plan, PLAN.replace("JPY", "YEN"))
    assert main(["plan", "apply", str(plan), "--yes", "--endpoint", "http://127.0.0.1:1"]) == 1
    error = capsys.readouterr().err
    assert error.startswith(f"{plan}: currency: ")
    assert "127.0.0.1" not in error


async def test_where_a_file_rules_it_says_what_to_do(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = tmp_path / "other.toml"
    other.write_text(PLAN.replace("300", "400"), encoding="utf-8")
    async with live_collector(tmp_path, plan=PLAN) as collector:
        assert await kizashi(collector, "plan", "apply", other, "--yes") == 1
        error = capsys.readouterr().err
        assert "plan_file_rules" in error
        assert "apply the change to that file and send SIGHUP, or start the collector without --plan" in error
        assert await in_force(collector) == load_plan(PLAN).id


@pytest.mark.parametrize(("key", "code"), [("r-secret", "wrong_scope"), ("x-secret", "no_key")])
async def test_a_key_that_may_not_is_told_of(
    collector: LiveCollector, plan: Path, capsys: pytest.CaptureFixture[str], key: str, code: str
) -> None:
    assert await kizashi(collector, "plan", "apply", plan, "--yes", key=key) == 1
    error = capsys.readouterr().err
    assert code in error
    assert "scope admin" in error
    assert key not in error
    assert await in_force(collector) is None


def test_who_is_not_a_collector_is_told_of(plan: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", "apply", str(plan), "--yes", "--endpoint", "http://127.0.0.1:1"]) == 1
    assert "cannot reach http://127.0.0.1:1" in capsys.readouterr().err


def run(collector: CollectorProcess, plan: Path, typed: str | None) -> tuple[int, str]:
    """The command as a process; with what is typed at its terminal, or at none. Returns status and what it showed."""
    command = [sys.executable, "-m", "kizashi", "plan", "apply", str(plan), "--endpoint", collector.url]
    environment = {**os.environ, "KIZASHI_KEY": "a-secret"}
    if typed is None:
        ended = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, env=environment, check=False, timeout=60
        )
        return ended.returncode, ended.stdout + ended.stderr
    ours, theirs = pty.openpty()
    try:
        os.write(ours, typed.encode())
        ended = subprocess.run(
            command, stdin=theirs, capture_output=True, text=True, env=environment, check=False, timeout=60
        )
        return ended.returncode, ended.stdout + ended.stderr
    finally:
        os.close(ours)
        os.close(theirs)


def test_it_asks_at_a_terminal_and_does_nothing_without_an_answer(plan: Path, tmp_path: Path) -> None:
    with CollectorProcess(tmp_path / "data") as collector:
        status, shown = run(collector, plan, None)
        assert status == 2
        assert "The event mv_cart is new: value 300." in shown
        assert "there is no terminal to ask at; give --yes" in shown
        for typed in ("n\n", "\n", "\x04"):
            status, shown = run(collector, plan, typed)
            assert (status, f"{collector.url}: nothing was changed\n" in shown) == (1, True), shown
        status, shown = run(collector, plan, "y\n")
        assert status == 0, shown
        assert f"Put it in force at {collector.url}? [y/N] " in shown
        assert f"in force at {collector.url}: plan {load_plan(PLAN).id}\n" in shown
        assert "Traceback" not in shown
