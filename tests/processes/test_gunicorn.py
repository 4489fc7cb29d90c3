"""gunicorn: forks before or after the site is loaded, ends and replaces its workers."""

from __future__ import annotations

import os
import signal
import time

import pytest

from processes.serving import GUNICORN, serving
from sdk.scripted_collector import accept, hang

PRELOAD = pytest.mark.parametrize("preload", [(), ("--preload",)], ids=["loaded by workers", "preloaded"])
THREADS = ("gthread", "--threads", "4")
WORKERS = pytest.mark.parametrize("workers", [("sync",), ("gevent",)], ids=lambda value: value[0])


@PRELOAD
@pytest.mark.parametrize("workers", [("sync",), THREADS, ("gevent",)], ids=lambda value: value[0])
def test_a_graceful_stop_delivers_what_every_worker_holds(workers: tuple[str, ...], preload: tuple[str, ...]) -> None:
    with serving(*GUNICORN, *preload, "--worker-class", *workers) as shop:
        shop.wait_for_workers(2)
        shop.track("mv_a", 30)
        shop.end()
        assert shop.arrived() == {"mv_a": 30}, shop.server.output


@WORKERS
def test_what_the_master_tracked_is_its_own(workers: tuple[str, ...]) -> None:
    with serving(*GUNICORN, "--preload", "--worker-class", *workers, TRACK_EARLY="yes") as shop:
        shop.wait_for_workers(2)
        shop.track("mv_a", 20)
        shop.end()
        assert shop.arrived() == {"mv_a": 20, "mv_early": 1}, shop.server.output


@WORKERS
def test_workers_that_are_replaced_deliver_first(workers: tuple[str, ...]) -> None:
    with serving(*GUNICORN, "--max-requests", "7", "--worker-class", *workers) as shop:
        shop.track("mv_a", 40)
        shop.wait_for_workers(3)
        shop.end()
        assert shop.arrived() == {"mv_a": 40}, shop.server.output


@PRELOAD
@WORKERS
def test_requests_are_served_while_the_collector_hangs(workers: tuple[str, ...], preload: tuple[str, ...]) -> None:
    with serving(*GUNICORN, *preload, "--worker-class", *workers, FLUSH_INTERVAL="0.01", EXIT_TIMEOUT="1") as shop:
        shop.wait_for_workers(2)
        shop.collector.always = hang
        shop.track("mv_a", 5)
        assert shop.collector.hanging.wait(10)
        start = time.monotonic()
        shop.track("mv_a", 50)
        assert time.monotonic() - start < 5
        shop.collector.always = accept
        shop.collector.release.set()
        shop.wait_for(55)
        shop.end()
        assert set(shop.arrived()) == {"mv_a"}
        assert len(shop.collector.stored) == 55, shop.server.output


@WORKERS
def test_a_stop_is_bounded_against_a_hung_collector(workers: tuple[str, ...]) -> None:
    with serving(*GUNICORN, "--worker-class", *workers, EXIT_TIMEOUT="1") as shop:
        shop.wait_for_workers(2)
        shop.collector.always = hang
        shop.track("mv_a", 5)
        start = time.monotonic()
        shop.end()
        assert time.monotonic() - start < 5


@WORKERS
def test_sigterm_to_a_worker_flushes_and_then_stops_it_as_gunicorn_would(workers: tuple[str, ...]) -> None:
    with serving(*GUNICORN, "--workers", "1", "--worker-class", *workers, HANDLE_SIGTERM="yes") as shop:
        shop.wait_for_workers(1)
        (pid,) = shop.track("mv_a", 5)
        os.kill(pid, signal.SIGTERM)
        shop.wait_for(5)
        shop.wait_for_workers(2)
        assert shop.get("/")[0] != pid
        shop.end()
        assert shop.arrived() == {"mv_a": 5}, shop.server.output
        assert "Traceback" not in shop.server.output
