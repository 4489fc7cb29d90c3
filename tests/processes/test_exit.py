"""The end of an interpreter: whatever still tracks then, and whatever can no longer be started."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from processes.programs import arrived, run
from sdk.scripted_collector import Collector, accept, hang

# From 3.12 on, an interpreter that is shutting down starts no thread.
NO_THREADS = """
def refuse(*_):
    raise RuntimeError("can't create new thread at interpreter shutdown")
threading.Thread.start = refuse
"""


@pytest.mark.parametrize("threads", [True, False], ids=["with threads", "without"])
def test_exit_handlers_may_track_and_flush(scripted: Collector, tmp_path: Path, threads: bool) -> None:
    program = """
@atexit.register
def early():  # runs after kizashi's own
    kizashi.track("mv_too_late", actor="v-1")
    stats = kizashi.stats()
    assert stats.balanced and stats.dropped == {"closed": 1} and stats.delivered == 3, stats
    print("seen")
configure()
@atexit.register
def late():
    kizashi.track("mv_b", actor="v-1")
    assert kizashi.flush(10)
    kizashi.track("mv_c", actor="v-1")
"""
    program += ("" if threads else NO_THREADS) + 'kizashi.track("mv_a", actor="v-1")'
    result = run(program, scripted, tmp_path)
    assert result.stdout == "seen\n"
    assert arrived(scripted) == {"mv_a": 1, "mv_b": 1, "mv_c": 1}
    assert result.stderr.splitlines() == ["kizashi lost 1 events: 1 closed"]


def test_a_first_event_in_an_exit_handler_is_delivered(scripted: Collector, tmp_path: Path) -> None:
    run('configure()\natexit.register(kizashi.track, "mv_a", actor="v-1")', scripted, tmp_path)
    assert arrived(scripted) == {"mv_a": 1}


def test_what_is_tracked_while_modules_fall_apart_harms_nobody(scripted: Collector, tmp_path: Path) -> None:
    program = """
configure()
class Cart:
    def __del__(self, track=kizashi.track):
        track("mv_del", actor="v-1")
kept = Cart()
Cart.itself = kept
cycle = [Cart()]
cycle.append(cycle)
gc.disable()
kizashi.track("mv_a", actor="v-1")
"""
    result = run(program, scripted, tmp_path)
    assert arrived(scripted) == {"mv_a": 1}
    assert "Traceback" not in result.stderr
    assert "Exception ignored" not in result.stderr


def test_threads_that_outlive_main_deliver(scripted: Collector, tmp_path: Path) -> None:
    program = """
configure()
def work():
    threading.main_thread().join()
    for at in range(20):
        kizashi.track("mv_a", actor=at)
        time.sleep(0.005)
threading.Thread(target=work).start()
def endless():
    while True:
        kizashi.track("mv_b", actor="v-1")
        time.sleep(0.001)
threading.Thread(target=endless, daemon=True).start()
kizashi.track("mv_a", actor="v-1")
"""
    result = run(program, scripted, tmp_path)
    assert arrived(scripted)["mv_a"] == 21
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize("threads", [True, False], ids=["with threads", "without"])
def test_closing_in_no_time_leaves_everything_on_disk(scripted: Collector, tmp_path: Path, threads: bool) -> None:
    scripted.always = hang
    spool = str(tmp_path / "spool")
    program = (
        ("" if threads else NO_THREADS)
        + """
client = configure(spool=sys.argv[2])
for at in range(1500): kizashi.track("mv_a", actor=at)
start = time.monotonic()
assert not kizashi.close(0)
assert time.monotonic() - start < 1
stats = kizashi.stats()
assert stats.balanced and stats.spooled == 1500 and not stats.dropped, stats
"""
    )
    run(program, scripted, tmp_path, spool)
    scripted.release.set()
    scripted.requests.clear()
    scripted.always = accept
    run(
        "configure(spool=sys.argv[2])\nassert kizashi.flush(20)\nassert kizashi.stats().adopted == 1500",
        scripted,
        tmp_path,
        spool,
    )
    assert len(scripted.stored) == 1500


def test_an_exit_that_no_thread_helps_leaves_the_rest_on_disk(scripted: Collector, tmp_path: Path) -> None:
    scripted.always = hang
    spool = str(tmp_path / "spool")
    program = (
        NO_THREADS
        + """
configure(spool=sys.argv[2], exit_timeout=0.3)
for at in range(700): kizashi.track("mv_a", actor=at)
"""
    )
    start = time.monotonic()
    result = run(program, scripted, tmp_path, spool)
    assert time.monotonic() - start < 5
    assert "lost" not in result.stderr
    scripted.release.set()
    scripted.always = accept
    run("configure(spool=sys.argv[2])\nassert kizashi.flush(20)", scripted, tmp_path, spool)
    assert len(scripted.stored) == 700


def test_a_name_server_that_hangs_does_not_hold_the_end_up(scripted: Collector, tmp_path: Path) -> None:
    program = """
import socket
socket.getaddrinfo = lambda *_, **__: time.sleep(60)  # the system's cannot be interrupted either
configure(exit_timeout=0.5)
kizashi.track("mv_a", actor="v-1")
start = time.monotonic()
assert not kizashi.flush(0.3)
assert time.monotonic() - start < 1
"""
    start = time.monotonic()
    result = run(program, scripted, tmp_path)
    assert time.monotonic() - start < 5
    assert "1 exit" in result.stderr


def test_sub_interpreters_break_nothing(scripted: Collector, tmp_path: Path) -> None:
    # They are not supported: msgspec refuses to load in them from 3.12 on. Whatever they get, the main one is well.
    program = '''
try:
    import _interpreters as interpreters
except ImportError:
    import _xxsubinterpreters as interpreters
configure()
kizashi.track("mv_main", actor="v-1")
other = interpreters.create()
interpreters.run_string(other, f"""
import sys
sys.path[:] = {sys.path!r}
try:
    import kizashi
    kizashi.configure(endpoint={sys.argv[1]!r})
    kizashi.track("mv_sub", actor="v-1")
    kizashi.close(5)
except ImportError:
    pass
""")
interpreters.destroy(other)
kizashi.track("mv_main", actor="v-1")
'''
    run(program, scripted, tmp_path)
    assert arrived(scripted)["mv_main"] == 2
