"""Where processes end and fork, with real ones."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from sdk.scripted_collector import Collector, hang

BEGIN = """
import atexit, os, signal, sys, threading, time
import kizashi
kizashi.configure(endpoint=sys.argv[1], flush_interval=3600.0, exit_timeout=1.0)
"""
# In short sleeps: a signal that comes just before a sleep begins is handled when it is over, in any Python program.
WAIT = """
while True:
    time.sleep(0.05)
"""
# A forked child ends through os._exit in these programs, as multiprocessing's children do: nothing is flushed for it.
AS_CHILD = """
pid = os.fork()
if pid == 0:
    try:
        child()
        os._exit(0)
    except BaseException as error:
        print(repr(error), file=sys.stderr)
        os._exit(1)
assert os.waitpid(pid, 0)[1] == 0
"""


def command(program: str, collector: Collector) -> list[str]:
    return [sys.executable, "-W", "error", "-c", BEGIN + program, collector.url]


def run(program: str, collector: Collector) -> subprocess.CompletedProcess[str]:
    result = subprocess.run(command(program, collector), capture_output=True, text=True, timeout=30, check=False)
    assert result.returncode == 0, result.stderr
    return result


@contextmanager
def running(program: str, collector: Collector) -> Iterator[subprocess.Popen[str]]:
    """A program that prints a line when it is ready."""
    with subprocess.Popen(command(program, collector), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as it:
        assert it.stdout is not None
        try:
            assert it.stdout.readline().strip() == "ready"
            yield it
        finally:
            it.kill()


def test_a_normal_exit_delivers_everything(scripted: Collector) -> None:
    run('for at in range(1005): kizashi.track("mv_a", actor=at)', scripted)
    assert len(scripted.events) == 1005


def test_an_exit_by_exception_delivers_everything(scripted: Collector) -> None:
    result = subprocess.run(
        command('kizashi.track("mv_a", actor="v-1")\nraise SystemExit(3)', scripted), timeout=30, check=False
    )
    assert result.returncode == 3
    assert scripted.names() == ["mv_a"]


def test_events_of_other_exit_handlers_are_delivered(scripted: Collector) -> None:
    run('atexit.register(lambda: kizashi.track("mv_late", actor="v-1"))', scripted)
    assert scripted.names() == ["mv_late"]


def test_where_no_thread_can_be_started_the_exit_delivers_itself(scripted: Collector) -> None:
    # As in interpreters from 3.12 on, once they are shutting down.
    run(
        """
def refuse(*_):
    raise RuntimeError("can't create new thread at interpreter shutdown")
threading.Thread.start = refuse
for at in range(700): kizashi.track("mv_a", actor=at)
""",
        scripted,
    )
    assert len(scripted.events) == 700


@pytest.mark.parametrize("threads", [True, False], ids=["by the worker", "in the exit itself"])
def test_exit_is_bounded_against_a_hung_server(scripted: Collector, threads: bool) -> None:
    scripted.always = hang
    refuse = "" if threads else "\ndef refuse(*_): raise RuntimeError\nthreading.Thread.start = refuse\n"
    start = time.monotonic()
    result = run(f'{refuse}\nfor at in range(600): kizashi.track("mv_a", actor=at)', scripted)
    assert time.monotonic() - start < 4
    assert "600 exit" in result.stderr


def test_a_child_begins_empty_and_the_parent_keeps_its_queue(scripted: Collector) -> None:
    run(
        """
kizashi.track("mv_parent_before", actor="v-1")
def child():
    assert kizashi.stats() == kizashi.Stats()
    kizashi.track("mv_child", actor="v-2")
    assert kizashi.flush(10)
    assert kizashi.stats() == kizashi.Stats(tracked=1, delivered=1)
"""
        + AS_CHILD
        + """
kizashi.track("mv_parent_after", actor="v-1")
assert kizashi.flush(10)
assert kizashi.stats() == kizashi.Stats(tracked=2, delivered=2)
""",
        scripted,
    )
    assert sorted(scripted.names()) == ["mv_child", "mv_parent_after", "mv_parent_before"]
    assert sum(len(request.events) for request in scripted.requests) == 3


def test_a_child_of_a_parent_that_only_configured_delivers(scripted: Collector) -> None:
    program = 'def child():\n    kizashi.track("mv_child", actor="v-1")\n    assert kizashi.flush(10)\n' + AS_CHILD
    run(program, scripted)
    assert scripted.names() == ["mv_child"]


def test_a_child_uses_no_connection_of_its_parent(scripted: Collector) -> None:
    run(
        """
kizashi.track("mv_first", actor="v-1")
assert kizashi.flush(10)
def child():
    kizashi.track("mv_child", actor="v-2")
    assert kizashi.flush(10)
"""
        + AS_CHILD
        + """
kizashi.track("mv_last", actor="v-1")
assert kizashi.flush(10)
""",
        scripted,
    )
    assert sorted(scripted.names()) == ["mv_child", "mv_first", "mv_last"]
    assert len({request.headers.get("host") for request in scripted.requests}) == 1


def test_forks_in_the_middle_of_everything_lock_nobody_out(scripted: Collector) -> None:
    run(
        """
stop = threading.Event()
def busy():
    while not stop.is_set():
        kizashi.track("mv_busy", actor="v-1")
        kizashi.flush(0.0)
        time.sleep(0.0005)
threads = [threading.Thread(target=busy) for _ in range(3)]
for thread in threads: thread.start()
def child():
    kizashi.track("mv_child", actor="v-2")
    assert kizashi.flush(10)
    assert kizashi.stats() == kizashi.Stats(tracked=1, delivered=1)
for _ in range(10):
"""
        + "\n".join("    " + line for line in AS_CHILD.splitlines())
        + """
stop.set()
for thread in threads: thread.join()
assert kizashi.flush(10)
assert kizashi.stats().balanced and kizashi.stats().dropped == {}
""",
        scripted,
    )
    assert scripted.names().count("mv_child") == 10
    assert len({event["id"] for event in scripted.events}) == len(scripted.events)


def test_a_child_that_exits_normally_delivers_its_own_and_nothing_else(scripted: Collector) -> None:
    run(
        """
kizashi.track("mv_parent", actor="v-1")
if os.fork() == 0:
    kizashi.track("mv_child", actor="v-2")
    sys.exit(0)
os.wait()
""",
        scripted,
    )
    assert sorted(event["name"] for request in scripted.requests for event in request.events) == [
        "mv_child",
        "mv_parent",
    ]


def test_sigterm_flushes_and_then_ends_the_process(scripted: Collector) -> None:
    program = 'kizashi.handle_sigterm()\nkizashi.track("mv_a", actor="v-1")\nprint("ready", flush=True)\n' + WAIT
    with running(program, scripted) as process:
        process.terminate()
        assert process.wait(10) == -signal.SIGTERM
    assert scripted.names() == ["mv_a"]


def test_sigterm_calls_the_handler_that_was_there(scripted: Collector) -> None:
    program = """
def former(number, frame):
    assert kizashi.stats().delivered == 1
    sys.exit(7)
signal.signal(signal.SIGTERM, former)
kizashi.handle_sigterm()
kizashi.handle_sigterm()
kizashi.track("mv_a", actor="v-1")
print("ready", flush=True)
"""
    with running(program + WAIT, scripted) as process:
        process.terminate()
        assert process.wait(10) == 7


def test_sigterm_stays_ignored_where_it_was(scripted: Collector) -> None:
    program = """
signal.signal(signal.SIGTERM, signal.SIG_IGN)
kizashi.handle_sigterm()
kizashi.track("mv_a", actor="v-1")
os.kill(os.getpid(), signal.SIGTERM)
assert kizashi.stats().delivered == 1
"""
    run(program, scripted)


def test_sigterm_is_bounded_against_a_hung_server(scripted: Collector) -> None:
    scripted.always = hang
    program = 'kizashi.handle_sigterm()\nkizashi.track("mv_a", actor="v-1")\nprint("ready", flush=True)\n' + WAIT
    with running(program, scripted) as process:
        start = time.monotonic()
        process.terminate()
        assert process.wait(10) == -signal.SIGTERM
        assert time.monotonic() - start < 3


def test_signals_in_the_middle_of_tracking_lock_nothing(scripted: Collector) -> None:
    program = """
seen = []
def look(number, frame):
    kizashi.track("mv_signal", actor="v-1")
    seen.append(kizashi.stats().balanced)
    kizashi.flush(0.01)
    signal.setitimer(signal.ITIMER_REAL, 0.001)  # not before: on a slow machine, handlers would interrupt handlers
signal.signal(signal.SIGALRM, look)
signal.setitimer(signal.ITIMER_REAL, 0.001)
calls = 0
while len(seen) < 100:
    kizashi.track("mv_a", actor="v-1")
    calls += 1
signal.setitimer(signal.ITIMER_REAL, 0)
assert all(seen)
stats = kizashi.stats()
assert stats.balanced and stats.tracked == calls + len(seen), (stats, calls, len(seen))
"""
    run(program, scripted)


def test_only_the_main_thread_may_install_the_handler(scripted: Collector) -> None:
    program = """
caught = []
def install():
    try:
        kizashi.handle_sigterm()
    except kizashi.UsageError:
        caught.append(True)
thread = threading.Thread(target=install)
thread.start()
thread.join()
assert caught
assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
"""
    run(program, scripted)


def test_sigterm_is_left_alone_unless_asked_for(scripted: Collector) -> None:
    run('kizashi.track("mv_a", actor=1)\nassert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL', scripted)


def test_the_worker_loads_no_module(scripted: Collector) -> None:
    # A process that forks while a thread imports leaves the child with a module that is locked for ever.
    program = """
before = set(sys.modules)
for at in range(50):
    kizashi.track("mv_a", actor=at, idempotency_key=at, properties={"text": "x" * 100})
kizashi.track("Bad")
assert kizashi.flush(10)
assert set(sys.modules) - before <= {"gc"}, set(sys.modules) - before
"""
    run(program, scripted)
