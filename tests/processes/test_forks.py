"""Forks in the middle of everything: each process has its own queue, locks, connection and files."""

from __future__ import annotations

from pathlib import Path

import pytest

from processes.programs import arrived, run
from sdk.scripted_collector import Collector, accept, hang

SPOOLS = pytest.mark.parametrize("spooled", [False, True], ids=["in memory", "spooled"])

BEGIN_FORKING = """
import faulthandler
def in_child(work):
    pid = os.fork()
    if pid: return pid
    code = 1
    try:
        faulthandler.register(signal.SIGALRM, chain=True)
        signal.alarm(15)  # a lock that was inherited
        work()
        code = 0
    except BaseException as error:
        print(repr(error), file=sys.stderr, flush=True)
    finally:
        os._exit(code)
def wait(pid):
    status = os.waitpid(pid, 0)[1]
    assert status == 0, status
spool = sys.argv[2] or None
"""


def forking(program: str, collector: Collector, folder: Path, *, spooled: bool) -> Path:
    spool = folder / "spool"
    run(BEGIN_FORKING + program, collector, folder, str(spool) if spooled else "")
    return spool


@SPOOLS
def test_forks_while_every_thread_is_busy_lock_nobody_out(scripted: Collector, tmp_path: Path, spooled: bool) -> None:
    program = """
configure(spool=spool, flush_interval=0.001, batch_size=20)
stop = threading.Event()
counts = [0] * 3
def track(at):
    while not stop.is_set():
        kizashi.track("mv_busy", actor=at)
        counts[at] += 1
        time.sleep(0.0002)
def flush():
    while not stop.is_set(): kizashi.flush(0.001)
def look():
    while not stop.is_set(): assert kizashi.stats().balanced
threads = [threading.Thread(target=track, args=(at,)) for at in range(3)]
threads += [threading.Thread(target=flush), threading.Thread(target=look)]
for thread in threads: thread.start()
def child():
    assert kizashi.stats() == kizashi.Stats(), kizashi.stats()
    kizashi.track("mv_child", actor="v-2")
    assert kizashi.flush(10)
    assert kizashi.stats() == kizashi.Stats(tracked=1, delivered=1), kizashi.stats()
try:
    for _ in range(30): wait(in_child(child))
finally:
    stop.set()
    for thread in threads: thread.join()
assert kizashi.flush(20)
assert kizashi.stats() == kizashi.Stats(tracked=sum(counts), delivered=sum(counts)), (kizashi.stats(), counts)
print(sum(counts))
"""
    forking(program, scripted, tmp_path, spooled=spooled)
    counts = arrived(scripted)
    assert counts["mv_child"] == 30
    # Each was sent once, by one process.
    assert sum(counts.values()) == len(scripted.stored)


@SPOOLS
def test_what_the_parent_holds_is_the_parents(scripted: Collector, tmp_path: Path, spooled: bool) -> None:
    scripted.script.append(hang)
    program = """
configure(spool=spool, timeout=1.0, batch_size=10)
for at in range(25): kizashi.track("mv_parent", actor=at)
before = kizashi.flush(0.2)  # a batch is in flight
assert not before
def child():
    assert kizashi.stats() == kizashi.Stats(), kizashi.stats()
    for at in range(25): kizashi.track("mv_child", actor=at)
    assert kizashi.flush(10)
    def grandchild():
        assert kizashi.stats() == kizashi.Stats(), kizashi.stats()
        kizashi.track("mv_grandchild", actor="v-1")
        assert kizashi.close(10)
    wait(in_child(grandchild))
    assert kizashi.stats().delivered == 25
    assert kizashi.close(10)
pid = in_child(child)
wait(pid)
assert kizashi.stats().delivered == 0
assert kizashi.flush(20)
assert kizashi.stats() == kizashi.Stats(tracked=25, delivered=25), kizashi.stats()
"""
    spool = forking(program, scripted, tmp_path, spooled=spooled)
    hung = len(scripted.requests[0].events)
    assert arrived(scripted) == {"mv_parent": 25 + hung, "mv_child": 25, "mv_grandchild": 1}
    assert len(scripted.stored) == 51
    assert [path.name for path in spool.glob("*")] == []


def test_a_child_that_ends_leaves_its_parents_lane_locked(scripted: Collector, tmp_path: Path) -> None:
    scripted.always = hang
    program = """
from pathlib import Path
configure(spool=spool, exit_timeout=0.1)
for at in range(30): kizashi.track("mv_parent", actor=at)
kizashi.flush(0.2)
files = sorted(os.listdir(spool))
assert len(files) == 2, files
def child():
    kizashi.track("mv_child", actor="v-2")
    kizashi.close(0.1)
wait(in_child(child))
assert set(files) < set(os.listdir(spool))
# Whoever comes adopts the child's lane, and not the parent's.
def other():
    client = kizashi.Client(endpoint="http://127.0.0.1:9", spool=spool)
    deadline = time.monotonic() + 10
    while not client.stats().adopted and time.monotonic() < deadline: time.sleep(0.01)
    assert client.stats().adopted == 1, client.stats()
    client.close(0)
wait(in_child(other))
assert kizashi.stats().balanced and kizashi.stats().tracked == 30
"""
    forking(program, scripted, tmp_path, spooled=True)
    scripted.release.set()
    scripted.requests.clear()
    scripted.always = accept
    forking("configure(spool=spool)\nassert kizashi.flush(20)", scripted, tmp_path, spooled=True)
    assert arrived(scripted) == {"mv_parent": 30, "mv_child": 1}


def test_a_transport_that_fails_at_a_fork_sends_nothing_twice(scripted: Collector, tmp_path: Path) -> None:
    program = """
class Broken:
    sent = 0
    def send(self, body, *, seconds):
        raise kizashi.TransportError("not today")
    def abort(self): raise OSError("abort")
    def close(self): pass
    def after_fork(self): raise OSError("after fork")
client = kizashi.Client(transport=Broken())
client.track("mv_a", actor="v-1")
def child():
    assert client.stats() == kizashi.Stats()
    client.close(0)
wait(in_child(child))
assert not client.close(0)
assert client.stats().dropped == {"exit": 1}
"""
    forking(program, scripted, tmp_path, spooled=False)
