"""`kizashi demo --serve`: what it opens is lively, what is to be found can be found, and nothing is left of it."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random

import pytest

from kizashi_collector.cli import add_funnel, add_summary
from kizashi_collector.cli.demo._history import DAYS, history
from kizashi_collector.cli.demo._market import FORM_DAYS, NEWS_DAYS
from terminal import called, in_a_pipe

NOW = 1_790_000_000_000
DAY = 86_400_000
PROC = Path("/proc")

needs_proc = pytest.mark.skipif(not (PROC / "self" / "stat").exists(), reason="finds processes in /proc")


@contextmanager
def demo(folder: Path, *options: str) -> Iterator[subprocess.Popen[str]]:
    """The demo as the leader of a session, so that whatever it leaves can be found."""
    clean = {name: text for name, text in os.environ.items() if not name.startswith("KIZASHI_")}
    with subprocess.Popen(
        [sys.executable, "-m", "kizashi", "demo", "--serve", "--port", "0", *options],
        env={**clean, "TMPDIR": str(folder), "PYTHONIOENCODING": "utf-8"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
        start_new_session=True,
    ) as process:
        try:
            yield process
        finally:
            process.terminate()


def read_until(process: subprocess.Popen[str], words: str) -> str:
    assert process.stdout is not None
    text = ""
    for line in process.stdout:
        text += line
        if words in line:
            return text
    raise AssertionError(f"it ended before it said {words!r}: {text}")


def living_in(session: int) -> list[str]:
    """The command lines of the living processes of a session."""
    found = []
    for folder in PROC.glob("[0-9]*"):
        try:
            state, _, _, of = (folder / "stat").read_text().rpartition(")")[2].split()[:4]
            command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(of) == session and state != "Z":
            found.append(command)
    return found


@needs_proc
def test_it_stays_open_on_lively_data_until_it_is_stopped_and_leaves_nothing(tmp_path: Path) -> None:
    with demo(tmp_path, "--per-day", "150") as process:
        text = read_until(process, "Ctrl-C ends it")
        endpoint, key = re.findall(r"KIZASHI_ENDPOINT=(\S+) KIZASHI_KEY=(\S+)", text)[0]
        asked = ("--endpoint", endpoint, "--key", key)

        summary = json.loads(called(add_summary, "summary", "--window", "28d", "--json", *asked).out)
        rows = {row["key"]["campaign"]: row for row in summary["rows"]}
        assert rows["brand"]["ready"], rows["brand"]["reason"]
        assert rows["brand"]["expected_value"] > 5 * rows["display_audience"]["expected_value"]
        assert rows["brand"]["actors"] < 2 * rows["display_audience"]["actors"]

        funnel = json.loads(
            called(add_funnel, "funnel", "checkout", "--by", "device", "--window", "72h", "--json", *asked).out
        )
        through = {group["key"]["device"]: group["steps"][4]["step_rate"] for group in funnel["groups"]}
        assert through["mobile"] < 0.75 < 0.85 < through["desktop"], "the form is broken for phones alone"

        # Visitors come and go: what the shop's SDK has sent arrives.
        deadline = time.monotonic() + 20
        while not (now := json.loads(called(add_summary, "summary", "--window", "1m", "--json", *asked).out))["total"][
            "actors"
        ]:
            assert time.monotonic() < deadline, now
        # Every command that it names works as it is named.
        for command in re.findall(r"^  kizashi (.*)$", text, re.MULTILINE):
            told = in_a_pipe(*command.split(), KIZASHI_ENDPOINT=endpoint, KIZASHI_KEY=key)
            assert (told.status, told.err) == (0, ""), command

        process.send_signal(signal.SIGINT)
        assert process.stdout is not None
        rest = process.stdout.read()
        assert process.wait(30) == 0, rest
        assert living_in(process.pid) == []
    assert "nothing is left on disk" in rest
    assert "Traceback" not in rest
    assert list(tmp_path.iterdir()) == []


@needs_proc
def test_it_can_be_stopped_while_it_imports(tmp_path: Path) -> None:
    with demo(tmp_path, "--per-day", "150") as process:
        read_until(process, "Importing")
        process.send_signal(signal.SIGTERM)
        assert process.stdout is not None
        rest = process.stdout.read()
        assert process.wait(30) == 0, rest
        assert living_in(process.pid) == []
    assert "Traceback" not in rest
    assert list(tmp_path.iterdir()) == []


def test_the_past_is_the_same_for_the_same_seed_and_ends_now() -> None:
    one, other = history(NOW, 20, 7), history(NOW, 20, 7)
    assert one == other
    assert history(NOW, 20, 8) != one
    times = [event["time"] for event in one]
    assert times == sorted(times)
    assert NOW - (DAYS + 1) * DAY < times[0] < times[-1] <= NOW
    assert len({event["id"] for event in one}) == len(one)


def test_what_is_to_be_found_is_in_the_past() -> None:
    events = history(NOW, 150, Random(3).randrange(100))
    news = [event["time"] for event in events if event["name"] == "mv_newsletter_signup"]
    assert len(news) > 100
    assert max(news) < NOW - (NEWS_DAYS - 0.5) * DAY, "nobody's subscription is heard of any more"
    refused = [event for event in events if event["name"] == "mv_form_error" and event["source"]["device"] == "mobile"]
    since = NOW - FORM_DAYS * DAY
    lately = sum(event["time"] > since for event in refused) / FORM_DAYS
    before = sum(event["time"] <= since for event in refused) / (DAYS - FORM_DAYS)
    assert lately > 3 * before, "phones are refused"
    assert any(event["name"] == "mv_chat_opened" for event in events)
