"""Children of multiprocessing end by os._exit, past every exit handler."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from processes.programs import arrived, run
from sdk.scripted_collector import Collector, hang

METHODS = pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
PLACES = pytest.mark.parametrize("place", ["at import", "in main", "in the child"])

# `place` says where configure() stands; without it in the child, spawned children that import no configure have none.
WORK = """
import multiprocessing
method, place = sys.argv[2:4]
if place == "at import":
    configure()
def work(count):
    if place != "at import" and method != "fork" or place == "in the child":
        configure()
    for at in range(count):
        kizashi.track("mv_child", actor=at)
    stats = kizashi.stats()
    assert stats.tracked >= count and stats.balanced, stats
    return os.getpid()
"""


@METHODS
@PLACES
def test_what_a_child_tracks_leaves_before_it_ends(
    scripted: Collector, tmp_path: Path, method: str, place: str
) -> None:
    program = """
if __name__ == "__main__":
    context = multiprocessing.get_context(method)
    if place == "in main":
        configure()
        kizashi.track("mv_parent", actor="v-1")
    children = [context.Process(target=work, args=(700,)) for _ in range(2)]
    for child in children: child.start()
    for child in children:
        child.join(20)
        assert child.exitcode == 0, child.exitcode
"""
    run(WORK + program, scripted, tmp_path, method, place)
    assert arrived(scripted) == {"mv_child": 1400} | ({"mv_parent": 1} if place == "in main" else {})


@METHODS
def test_what_workers_of_a_pool_track_leaves_when_it_is_joined(
    scripted: Collector, tmp_path: Path, method: str
) -> None:
    program = """
from concurrent.futures import ProcessPoolExecutor
if __name__ == "__main__":
    context = multiprocessing.get_context(method)
    pool = context.Pool(2)
    assert len(pool.map(work, [10] * 6, chunksize=1)) == 6
    pool.close()
    pool.join()
    with ProcessPoolExecutor(2, mp_context=context) as executor:
        assert len(list(executor.map(work, [10] * 6))) == 6
"""
    run(WORK + program, scripted, tmp_path, method, "at import")
    assert arrived(scripted) == {"mv_child": 120}


def test_children_of_children_deliver_their_own(scripted: Collector, tmp_path: Path) -> None:
    program = """
configure()
import multiprocessing  # later than configure()
context = multiprocessing.get_context("fork")
def work(depth):
    kizashi.track("mv_child", actor=depth)
    if depth:
        child = context.Process(target=work, args=(depth - 1,))
        child.start()
        child.join()
        assert child.exitcode == 0
    kizashi.track("mv_child", actor=depth)
    assert kizashi.stats().tracked == 2  # the worker goes on between two looks: nothing else is fixed
child = context.Process(target=work, args=(3,))
child.start()
child.join()
assert child.exitcode == 0
assert kizashi.stats() == kizashi.Stats()
"""
    run(program, scripted, tmp_path)
    assert arrived(scripted) == {"mv_child": 8}


def test_a_child_that_fails_delivers_all_the_same(scripted: Collector, tmp_path: Path) -> None:
    program = """
import multiprocessing
configure()
def work():
    kizashi.track("mv_child", actor="v-1")
    raise SystemExit(3)
child = multiprocessing.get_context("fork").Process(target=work)
child.start()
child.join()
assert child.exitcode == 3
"""
    run(program, scripted, tmp_path)
    assert arrived(scripted) == {"mv_child": 1}


def test_a_pool_that_is_terminated_delivers_with_handle_sigterm(scripted: Collector, tmp_path: Path) -> None:
    program = """
import multiprocessing
configure()
kizashi.handle_sigterm()
def work(at):
    kizashi.track("mv_child", actor=at)
with multiprocessing.get_context("fork").Pool(2) as pool:
    pool.map(work, range(20), chunksize=1)
"""
    run(program, scripted, tmp_path)
    assert arrived(scripted) == {"mv_child": 20}


def test_the_end_of_a_child_is_bounded_against_a_hung_collector(scripted: Collector, tmp_path: Path) -> None:
    scripted.always = hang
    program = """
import multiprocessing
configure(exit_timeout=0.5)
def work():
    kizashi.track("mv_child", actor="v-1")
child = multiprocessing.get_context("fork").Process(target=work)
child.start()
child.join(10)
assert child.exitcode == 0
"""
    start = time.monotonic()
    result = run(program, scripted, tmp_path)
    assert time.monotonic() - start < 4
    assert "kizashi lost 1 events: 1 exit" in result.stderr


def test_whoever_has_not_loaded_multiprocessing_does_not_load_it(scripted: Collector, tmp_path: Path) -> None:
    program = """
configure()
kizashi.track("mv_a", actor="v-1")
assert kizashi.flush(10)
if os.fork() == 0:
    kizashi.track("mv_a", actor="v-1")
    kizashi.flush(10)
    os._exit(bool([name for name in sys.modules if name.startswith("multiprocessing")]))
assert os.wait()[1] == 0
"""
    run(program, scripted, tmp_path)
    assert arrived(scripted) == {"mv_a": 2}
