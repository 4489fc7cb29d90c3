"""`make demo`, with fewer visitors; and what it leaves when somebody or something stops it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PROC = Path("/proc")

needs_proc = pytest.mark.skipif(not (PROC / "self" / "stat").exists(), reason="finds processes in /proc")


def session_of(pid: int) -> dict[int, str]:
    """The living processes of the session that `pid` leads, with their command lines."""
    living = {}
    for folder in PROC.iterdir():
        if not folder.name.isdigit():
            continue
        try:
            # After the name, which may hold anything: state, parent, group, session.
            state, _, _, session = (folder / "stat").read_text().rpartition(")")[2].split()[:4]
            command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(session) == pid and state != "Z":
            living[int(folder.name)] = command
    return living


@contextmanager
def demo(folder: Path, *options: str) -> Iterator[subprocess.Popen[str]]:
    """The demo as the leader of a session, so that whatever it leaves can be found."""
    with subprocess.Popen(
        [sys.executable, "examples/demo.py", *options],
        cwd=ROOT,
        env={**os.environ, "TMPDIR": str(folder), "KIZASHI_PORT": "1", "KIZASHI_MAX_EVENTS": "not a number"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            yield process
        finally:
            process.terminate()


@needs_proc
def test_it_shows_funnel_summary_and_books_and_leaves_nothing(tmp_path: Path) -> None:
    with demo(tmp_path, "--visitors", "40") as process:
        text, _ = process.communicate(timeout=60)
        left = session_of(process.pid)

    assert process.returncode == 0, text
    assert left == {}
    assert list(tmp_path.iterdir()) == []
    assert all(len(line) <= 100 for line in text.splitlines())
    assert "\x1b" not in text, "no colours where nobody sees them"
    words = {line.split()[0]: line.split() for line in text.splitlines() if line.split()}
    assert words["mv_visit"][-4:-2] == ["40", "100.0%"]
    assert words["total"][1] == "40"
    assert words["brand"][-3:] == ["not", "ready:", "thin"]
    assert "304: no number changed, every bid stays" in text
    assert "what they did is what the collector counted" in text
    assert "acknowledged durable" in text


@needs_proc
@pytest.mark.parametrize("end", ["Ctrl-C", "the shop dies", "the collector dies"])
def test_it_tidies_up_when_it_is_broken_off(tmp_path: Path, end: str) -> None:
    with demo(tmp_path, "--visitors", "600") as process:
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith("  visitors"):
                break
        if end == "Ctrl-C":
            process.send_signal(signal.SIGINT)
        else:
            program = "shop.py" if end == "the shop dies" else "kizashi serve"
            # The collector's own companions, which it made later, go by its name too.
            victim = min(pid for pid, command in session_of(process.pid).items() if program in command)
            os.kill(victim, signal.SIGKILL)
        text = process.stdout.read()
        code = process.wait(30)
        deadline = time.monotonic() + 10
        while (left := session_of(process.pid)) and time.monotonic() < deadline:
            time.sleep(0.02)  # the companions of one that was killed notice it by themselves

    assert code == 1
    assert left == {}
    assert list(tmp_path.iterdir()) == []
    says = {
        "Ctrl-C": "kizashi demo: stopped by SIGINT",
        "the shop dies": "kizashi demo: shop: was killed by signal 9",
        "the collector dies": "kizashi demo: collector: was killed by signal 9",
    }
    assert says[end] in text
    assert "Traceback" not in text
