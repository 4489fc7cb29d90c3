"""gevent and eventlet put greenlets in place of threads: at any time, and one that waits must not stop the others."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from processes.programs import arrived, run
from sdk.scripted_collector import Collector, Handler, Reply, Request, accept, hang

LIBRARIES = pytest.mark.parametrize("library", ["gevent", "eventlet"])

BEGIN_GREEN = """
import sys, time, signal, warnings
library, moment, folder = sys.argv[2:5]
warnings.simplefilter("ignore")  # of theirs
if library == "gevent":
    import gevent, gevent.monkey
    patch, spawn, sleep = gevent.monkey.patch_all, gevent.spawn, gevent.sleep
    join = lambda greenlet: greenlet.get()
else:
    import eventlet
    patch, spawn, sleep = eventlet.monkey_patch, eventlet.spawn, eventlet.sleep
    join = lambda greenlet: greenlet.wait()
if moment == "before import": patch()
import kizashi
if moment == "before configure": patch()
kizashi.configure(endpoint=sys.argv[1], flush_interval=0.05, exit_timeout=1.0, spool=folder or None)
if moment == "before track": patch()
gaps = []
def tick():
    while True:
        start = time.monotonic()
        sleep(0.005)
        gaps.append(time.monotonic() - start)
spawn(tick)
"""


def after(seconds: float) -> Reply:
    """Accept, but not at once."""

    def reply(handler: Handler, request: Request) -> None:
        handler.server.collector.release.wait(seconds)
        accept(handler, request)

    return reply


def run_green(
    program: str, collector: Collector, folder: Path, library: str, moment: str = "before import", *, spooled: bool
) -> str:
    spool = str(folder / "spool") if spooled else ""
    return run(program, collector, folder, library, moment, spool, begin=BEGIN_GREEN).stderr


@LIBRARIES
@pytest.mark.parametrize(
    ("moment", "spooled"),
    [("before import", True), ("before configure", False), ("before track", False), ("before track", True)],
)
def test_greenlets_go_on_while_one_of_them_waits(
    scripted: Collector, tmp_path: Path, library: str, moment: str, spooled: bool
) -> None:
    scripted.script.append(after(0.7))
    program = """
def work():
    for at in range(50):
        kizashi.track("mv_a", actor=at)
        sleep(0)
join(spawn(work))
sleep(0.2)
flushed = spawn(kizashi.flush, 20)
workers = [spawn(work) for _ in range(5)]
for worker in workers: join(worker)
assert join(flushed)
assert kizashi.flush(20)
assert kizashi.stats() == kizashi.Stats(tracked=300, delivered=300), kizashi.stats()
assert len(gaps) > 60 and max(gaps) < 0.3, (len(gaps), max(gaps))
kizashi.track("mv_late", actor="v-1")
"""
    run_green(program, scripted, tmp_path, library, moment, spooled=spooled)
    assert arrived(scripted) == {"mv_a": 300, "mv_late": 1}


@LIBRARIES
@pytest.mark.parametrize("moment", ["before import", "before track"])
def test_the_end_is_bounded_against_a_hung_collector(
    scripted: Collector, tmp_path: Path, library: str, moment: str
) -> None:
    scripted.always = hang
    start = time.monotonic()
    words = run_green(
        'kizashi.track("mv_a", actor="v-1")\nsleep(0.2)', scripted, tmp_path, library, moment, spooled=False
    )
    assert time.monotonic() - start < 5
    assert "kizashi lost 1 events: 1 exit" in words


@LIBRARIES
def test_sigterm_flushes_even_when_the_hub_itself_is_interrupted(
    scripted: Collector, tmp_path: Path, library: str
) -> None:
    program = """
import os, subprocess
def former(number, frame):
    stats = kizashi.stats()
    os._exit(0 if stats.delivered == 1 and stats.balanced else 9)
signal.signal(signal.SIGTERM, former)
kizashi.handle_sigterm()
kizashi.track("mv_a", actor="v-1")
native = subprocess.Popen(["sh", "-c", f"sleep 0.3; kill -TERM {os.getpid()}"])
sleep(10)
os._exit(8)
"""
    program = program.replace("sleep(0.005)", "sleep(3600)")
    scripted.script.append(after(1.0))
    run_green(program, scripted, tmp_path, library, spooled=False)
    assert arrived(scripted) == {"mv_a": 1}


@LIBRARIES
def test_a_fork_leaves_each_its_own(scripted: Collector, tmp_path: Path, library: str) -> None:
    program = """
import os
kizashi.track("mv_parent", actor="v-1")
sleep(0)
pid = os.fork()
if pid == 0:
    assert kizashi.stats() == kizashi.Stats()
    kizashi.track("mv_child", actor="v-2")
    assert kizashi.flush(10)
    os._exit(0)
assert os.waitpid(pid, 0)[1] == 0
assert kizashi.flush(10)
"""
    run_green(program, scripted, tmp_path, library, spooled=False)
    assert arrived(scripted) == {"mv_parent": 1, "mv_child": 1}
