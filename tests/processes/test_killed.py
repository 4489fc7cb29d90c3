"""kill -9, with a spool: nothing that was tracked a tenth of a second before is lost."""

from __future__ import annotations

import select
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from processes.programs import BEGIN, run
from sdk.scripted_collector import Collector, accept, hang

PROGRAM = (
    BEGIN
    + """
configure(spool=sys.argv[2], flush_interval=0.01)
number = 0
while True:
    for _ in range(20):
        kizashi.track("mv_a", actor=number)
        number += 1
    print(number, time.monotonic(), flush=True)
    time.sleep(0.002)
"""
)


@pytest.mark.parametrize("hung", [False, True], ids=["collector answers", "collector hangs"])
def test_kill_9_loses_nothing_older_than_100_ms(scripted: Collector, tmp_path: Path, hung: bool) -> None:
    spool = str(tmp_path / "spool")
    for round_ in range(10):
        scripted.always = hang if hung else accept
        scripted.release.clear()
        scripted.stored.clear()
        with subprocess.Popen(
            [sys.executable, "-c", PROGRAM, scripted.url, spool], stdout=subprocess.PIPE, text=True
        ) as process:
            assert process.stdout is not None
            lines = [process.stdout.readline()]
            until = time.monotonic() + 0.15 + 0.01 * round_
            while time.monotonic() < until:
                if select.select([process.stdout], [], [], 0.01)[0]:
                    lines.append(process.stdout.readline())
            killed = time.monotonic()
            process.send_signal(signal.SIGKILL)
        promised = max(int(number) for number, at in map(str.split, lines) if killed - float(at) > 0.1)
        scripted.release.set()
        scripted.always = accept
        run("configure(spool=sys.argv[2])\nassert kizashi.flush(20)", scripted, tmp_path, spool)
        actors = [int(event["actor"]) for event in scripted.events]
        assert len(set(actors)) == len(actors)
        missing = set(range(promised)) - set(actors)
        assert not missing, (round_, promised, sorted(missing)[:5])
    assert list((tmp_path / "spool").glob("*")) == []
