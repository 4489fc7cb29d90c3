"""gunicorn with four workers under load, while the server that takes the events dies and comes back five times."""

from __future__ import annotations

import http.client
import itertools
import json
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

from collector_process import CollectorProcess
from conformance.trial import Outcome, Trial, clean_environment

__all__ = ["Server", "behind_gunicorn", "behind_gunicorn_with_the_collector", "serve_through_restarts"]

WORKERS = 4
RESTARTS = 5
REQUESTS_BETWEEN = 150
SECONDS_BETWEEN = 0.4
"""How long the server is up, and how long down: until so many requests were answered, and so long at least."""
THINKING = 0.004
"""Seconds between a visitor's pages: the site is busy, and its neighbours still find a core."""
SECONDS = 60.0
_KEYS = {"KIZASHI_WRITE_KEY": "key", "KIZASHI_READ_KEY": "read"}


class Server(Protocol):
    """What takes the events."""

    @property
    def url(self) -> str:
        """Where it listens, now and after each restart."""

    def die(self) -> None:
        """End without a word."""

    def come_back(self) -> None:
        """Listen again, with everything that was acknowledged."""


class _Sink:
    def __init__(self, trial: Trial) -> None:
        self._sink = trial.sink
        self.url = trial.sink.url

    def die(self) -> None:
        self._sink.behave("refuse")

    def come_back(self) -> None:
        self._sink.behave("serve")


class _Collector:
    """The real one, SIGKILLed and started again on its data and port."""

    def __init__(self, data: Path) -> None:
        self._data = data
        self._process = CollectorProcess(data, environment=_KEYS)
        self.url = self._process.url

    def die(self) -> None:
        self._process.__exit__(None, None, None)

    def come_back(self) -> None:
        port = urlsplit(self.url).port
        assert port is not None
        self._process = CollectorProcess(self._data, environment=_KEYS, port=port)

    def events_and_actors(self) -> tuple[int, int]:
        """How many events it has, and of how many actors: each event has one of its own."""
        summary = Request(f"{self.url}/v1/summary?window=1h", headers={"Authorization": "Bearer read"})
        with urlopen(summary, timeout=SECONDS) as answer:
            row = json.load(answer)["rows"][0]
        return row["events"]["mv_event"]["count"], row["actors"]


def behind_gunicorn(trial: Trial, *options: str) -> Outcome:
    """The case against the sink, whose restarts are a port that refuses for a while; with options of gunicorn."""
    answered, took, books = serve_through_restarts(trial.sdk, _Sink(trial), trial.folder, *options)
    return trial.exactly_once(answered, took)._replace(books=tuple(books))


def behind_gunicorn_with_the_collector(trial: Trial) -> Outcome:
    """The case against the collector itself, for kizashi."""
    collector = _Collector(trial.folder / "data")
    try:
        answered, took, books = serve_through_restarts(trial.sdk, collector, trial.folder)
        events, actors = collector.events_and_actors()
    finally:
        collector.die()
    good = events == actors == answered
    return Outcome(good, actors, answered, events - actors, 0, took, ("the real collector",), tuple(books))


def serve_through_restarts(
    sdk: str, server: Server, folder: Path, *options: str
) -> tuple[int, float, list[dict[str, Any]]]:
    """How many requests were answered 200, the seconds that gunicorn took to end, and the workers' last books."""
    with (
        socket.create_server(("127.0.0.1", 0), backlog=128) as listener,
        site(sdk, server.url, folder, listener, *options) as it,
    ):
        load = Load(listener.getsockname()[1])
        load.go_on()
        for _ in range(RESTARTS):
            server.die()
            load.go_on()
            server.come_back()
            load.go_on()
        load.stop()
        began = time.monotonic()
        it.send_signal(signal.SIGTERM)
        it.wait(SECONDS)
        took = time.monotonic() - began
    if load.failed:
        raise RuntimeError(f"{load.failed} requests were not answered 200")
    return load.answered, took, [json.loads(path.read_bytes()) for path in folder.glob("*.json")]


@contextmanager
def site(
    sdk: str, endpoint: str, folder: Path, listener: socket.socket, *options: str
) -> Iterator[subprocess.Popen[bytes]]:
    """gunicorn with the site, on a socket that listens already."""
    told = {"CONFORMANCE_SDK": sdk, "CONFORMANCE_ENDPOINT": endpoint, "CONFORMANCE_BOOKS": str(folder)}
    standard = ["--workers", str(WORKERS), "--bind", f"fd://{listener.fileno()}", "--log-level", "critical"]
    with subprocess.Popen(
        [sys.executable, "-m", "gunicorn", *standard, *options, "conformance.prefork_site:application"],
        env={**clean_environment(), **told},
        pass_fds=[listener.fileno()],
        stderr=subprocess.DEVNULL,
    ) as process:
        try:
            yield process
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGQUIT)


class Load:
    """Visitors, each of whom asks for one page after the other until told to stop."""

    def __init__(self, port: int, visitors: int = 4) -> None:
        self.answered = self.failed = 0
        self._port = port
        self._numbers = itertools.count()
        self._lock = threading.Condition()
        self._over = False
        self._threads = [threading.Thread(target=self._visit) for _ in range(visitors)]
        for thread in self._threads:
            thread.start()

    def go_on(self) -> None:
        """Go on for a while."""
        time.sleep(SECONDS_BETWEEN)
        answered = self.answered + REQUESTS_BETWEEN
        with self._lock:
            if not self._lock.wait_for(lambda: self.answered >= answered or self.failed, SECONDS):
                raise RuntimeError("the site does not answer")

    def stop(self) -> None:
        """Let everybody finish."""
        self._over = True
        for thread in self._threads:
            thread.join()

    def _visit(self) -> None:
        while not self._over:
            time.sleep(THINKING)
            good = False
            try:
                good = self._ask(next(self._numbers))
            finally:
                with self._lock:
                    self.answered += good
                    self.failed += not good
                    self._lock.notify_all()

    def _ask(self, number: int) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=SECONDS)
        try:
            connection.request("GET", f"/?{number}")
            answer = connection.getresponse()
            answer.read()
            return answer.status == 200
        finally:
            connection.close()
