"""The shop under a server, with a collector of its own."""

from __future__ import annotations

import os
import signal
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from http.client import HTTPException
from pathlib import Path

from frameworks.server_process import Browser, ServerProcess, until
from sdk.scripted_collector import Collector, collecting

__all__ = ["GUNICORN", "UWSGI", "Shop", "serving"]

GUNICORN = ("gunicorn", "--config", "python:processes.gunicorn_settings", "--workers", "2", "processes.shop:app")
UWSGI = (
    "processes.uwsgi_server",
    "--http-socket",
    "127.0.0.1:0",
    "--processes",
    "2",
    "--module",
    "processes.shop:app",
    "--disable-logging",
    # Its other ways to stop let no worker run its exit handlers while a request is on its way out.
    "--hook-master-start",
    "unix_signal:15 gracefully_kill_them_all",
    # A worker that does not see the signal is ended after this, and not after a minute.
    "--worker-reload-mercy",
    "10",
)


class Shop:
    """A running server and what the collector has of it."""

    def __init__(self, server: ServerProcess, collector: Collector) -> None:
        self.server = server
        self.collector = collector

    def get(self, path: str) -> tuple[int, bool, int, int]:
        """Ask over a connection of its own: pid, whether the books balance, tracked and delivered."""
        with closing(Browser(self.server.url)) as browser:
            answer = browser.get(path)
        assert answer.status == 200
        pid, balanced, tracked, delivered = answer.body.split()
        return int(pid), balanced == "True", int(tracked), int(delivered)

    def track(self, name: str, count: int) -> set[int]:
        """Track some events, one request each; the pids of who did."""
        answers = [self.get(f"/track/{name}") for _ in range(count)]
        assert all(balanced for _, balanced, _, _ in answers)
        return {pid for pid, *_ in answers}

    def wait_for_workers(self, count: int) -> None:
        """Wait until so many workers of gunicorn listen to signals: before, it loses them."""
        until(lambda: self.server.output.count("a worker is ready") >= count, f"{count} workers")

    def end(self, number: int = signal.SIGTERM, *, seconds: float = 45) -> int:
        """Send the server a signal, and wait until it ended: gunicorn's own patience with a worker that has just begun,
        and missed the signal, is half a minute."""
        os.kill(self.server.process.pid, number)
        return self.server.process.wait(seconds)

    def end_gracefully(self) -> float:
        """As `end`, for uWSGI: a worker that is about to finish a request may see only with the next one that it is
        to stop, and on a busy machine its master sometimes tells only one of two workers. Returns the seconds that it
        took from when all workers had been told."""
        master = self.server.process.pid
        told_at = time.monotonic()
        again_at = told_at + 3

        def ended() -> bool:
            nonlocal told_at
            if time.monotonic() > again_at:
                told_at = max(told_at, again_at)
                with suppress(OSError):
                    for worker in Path(f"/proc/{master}/task/{master}/children").read_text().split():
                        os.kill(int(worker), signal.SIGHUP)
            with suppress(OSError, HTTPException), closing(Browser(self.server.url)) as browser:
                browser.get("/")
            return self.server.process.poll() is not None

        os.kill(master, signal.SIGTERM)
        until(ended, "the end of uWSGI")
        return time.monotonic() - told_at

    def arrived(self) -> Counter[str]:
        """How often each name was sent, whether the collector had it or not."""
        return Counter(event["name"] for request in self.collector.requests for event in request.events)

    def wait_for(self, count: int) -> None:
        """Wait until so many events are stored."""
        until(lambda: len(self.collector.stored) >= count, f"{count} events at the collector")


@contextmanager
def serving(*command: str, **environment: str) -> Iterator[Shop]:
    """Run a server, kill what is left of it in the end."""
    with (
        collecting() as collector,
        ServerProcess(*command, environment={"SINK": collector.url, **environment}) as server,
    ):
        yield Shop(server, collector)
