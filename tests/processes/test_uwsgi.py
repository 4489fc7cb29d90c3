"""uWSGI forks in C, without a word to Python, and its master never comes back to it."""

from __future__ import annotations

import pytest

from frameworks.server_process import until
from processes.serving import UWSGI, serving
from sdk.scripted_collector import hang

HOSTS = pytest.mark.parametrize(
    "host",
    [("--master",), ("--master", "--enable-threads", "--py-call-osafterfork")],
    ids=["plain", "with Python's own hooks"],
)


@HOSTS
def test_workers_deliver_what_they_tracked_at_their_end(host: tuple[str, ...]) -> None:
    with serving(*UWSGI, *host) as shop:
        assert len(shop.track("mv_a", 30)) <= 2
        shop.end_gracefully()
        assert shop.arrived() == {"mv_a": 30}, shop.server.output


@HOSTS
def test_workers_send_nothing_of_what_was_tracked_before_the_fork(host: tuple[str, ...]) -> None:
    with serving(*UWSGI, *host, TRACK_EARLY="yes", FLUSH_INTERVAL="0.01") as shop:
        shop.track("mv_a", 20)
        shop.wait_for(20)
        shop.end_gracefully()
        assert shop.arrived() == {"mv_a": 20}, shop.server.output
        assert shop.server.output.count("1 events were tracked before uWSGI forked") == 1


def test_what_is_flushed_before_the_fork_is_delivered() -> None:
    with serving(*UWSGI, "--master", "--enable-threads", TRACK_EARLY="yes", FLUSH_EARLY="yes") as shop:
        shop.track("mv_a", 20)
        shop.end_gracefully()
        assert shop.arrived() == {"mv_a": 20, "mv_early": 1}, shop.server.output
        assert "before uWSGI forked" not in shop.server.output


def test_without_a_master_the_first_worker_keeps_what_it_tracked_before() -> None:
    with serving(*UWSGI, TRACK_EARLY="yes", FLUSH_INTERVAL="0.01") as shop:
        shop.track("mv_a", 20)
        # It starts its thread when it tracks the next time.
        until(lambda: shop.get("/track/mv_b")[1] and "mv_early" in shop.arrived(), "the event from before")
        until(lambda: shop.arrived()["mv_a"] == 20, "all that came later")
        assert shop.arrived()["mv_early"] == 1, shop.server.output


def test_workers_that_load_the_site_themselves_deliver_what_they_track_then() -> None:
    with serving(*UWSGI, "--master", "--lazy-apps", TRACK_EARLY="yes") as shop:
        until(lambda: shop.server.output.count("WSGI app 0") == 2, "both workers")
        shop.track("mv_a", 20)
        shop.end_gracefully()
        assert shop.arrived() == {"mv_a": 20, "mv_early": 2}, shop.server.output


def test_workers_that_are_replaced_deliver_first() -> None:
    with serving(*UWSGI, "--master", "--max-requests", "15", "--min-worker-lifetime", "0", TRACK_EARLY="yes") as shop:
        pids = shop.track("mv_a", 40)
        assert len(pids) > 2
        shop.end_gracefully()
        assert shop.arrived() == {"mv_a": 40}, shop.server.output


def test_hooks_of_the_site_are_called_as_well() -> None:
    with serving(*UWSGI, "--master", SITE_HOOK="yes") as shop:
        shop.track("mv_a", 5)
        shop.end_gracefully()
        assert shop.server.output.count("hook of the site") == 2
        assert shop.server.output.count("decorated by the site") == 2
        assert shop.arrived() == {"mv_a": 5}


def test_an_end_is_bounded_against_a_hung_collector() -> None:
    with serving(*UWSGI, "--master", EXIT_TIMEOUT="1") as shop:
        shop.collector.always = hang
        shop.track("mv_a", 5)
        assert shop.end_gracefully() < 6
