"""One collector and one process per server, for all tests of it: what they assert on are names of their own."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from frameworks.server_process import Browser, ServerProcess, until
from sdk.scripted_collector import Collector, collecting

__all__ = ["COMMANDS", "Site", "meeting_place", "running"]

GUNICORN = ("gunicorn", "--bind", "127.0.0.1:0", "--workers", "2", "--no-control-socket")
THREADS = ("--worker-class", "gthread", "--threads", "8")
UVICORN = ("uvicorn", "--port", "0", "--lifespan", "off")
COMMANDS: dict[str, tuple[str, ...]] = {
    "django under gunicorn": (*GUNICORN, *THREADS, "frameworks.apps.django_site:app"),
    "django under uvicorn": (*UVICORN, "frameworks.apps.django_site:app"),
    "flask under gunicorn": (*GUNICORN, *THREADS, "frameworks.apps.flask_site:app"),
    "flask under gevent": (*GUNICORN, "--worker-class", "gevent", "frameworks.apps.flask_site:app"),
    "fastapi under uvicorn": (*UVICORN, "frameworks.apps.fastapi_site:app"),
    "fastapi under two uvicorns": (*UVICORN, "--workers", "2", "frameworks.apps.fastapi_site:app"),
    "aiohttp": ("frameworks.apps.aiohttp_site",),
}
_serial = itertools.count()


class Site:
    """A running site, and what the collector has of it."""

    def __init__(self, name: str, server: ServerProcess, collector: Collector) -> None:
        self.name = name
        self.server = server
        self.collector = collector
        self._browsers: list[Browser] = []

    def browser(self, actor: str = "v-1", *, agrees: bool = True) -> Browser:
        """A visitor who was never here."""
        browser = Browser(self.server.url, actor, agrees=agrees)
        self._browsers.append(browser)
        return browser

    def close(self) -> None:
        """Close the browsers."""
        for browser in self._browsers:
            browser.close()

    def fresh(self) -> str:
        """The name of an event that no other test has."""
        return f"mv_{next(_serial)}"

    def events(self, name: str, count: int = 1) -> list[dict[str, Any]]:
        """The events of a name, once there are as many."""

        def there() -> list[dict[str, Any]]:
            return [event for event in self.collector.events if event["name"] == name]

        until(lambda: len(there()) >= count, f"{name} never came; the server said {self.server.output}")
        assert len(there()) == count
        return there()

    def event(self, name: str) -> dict[str, Any]:
        """The one event of a name."""
        (event,) = self.events(name)
        return event


@contextmanager
def running(name: str) -> Iterator[Site]:
    """Run one of COMMANDS."""
    with collecting() as collector:
        environment = {"KIZASHI_ENDPOINT": collector.url, "KIZASHI_KEY": "w-secret"}
        with ServerProcess(*COMMANDS[name], environment=environment) as server:
            site = Site(name, server, collector)
            try:
                yield site
            finally:
                site.close()


@contextmanager
def meeting_place(parties: int) -> Iterator[str]:
    """An address that answers when a number of requests have come there."""
    barrier = threading.Barrier(parties)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            barrier.wait(20)
            self.send_response(204)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name in the standard library
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
