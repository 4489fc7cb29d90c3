"""A site of its own for each test: options, a clock that is set, and requests by their parts."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from kizashi import Client, context
from kizashi._transport import Answer
from kizashi._visit import Seen, Trouble, Visits, read_options

__all__ = ["CLICK", "NOW", "SECRET", "Accepting", "Site", "cookie_of"]

NOW = 1_790_000_000
"""2026-09-21T14:13:20Z."""

SECRET = "a secret for the tests"
CLICK = "EAIaIQobChMI-example_click"


def cookie_of(header: str | None) -> str:
    """What a browser would send back after a Set-Cookie header, as `name=value`."""
    assert header is not None
    return header.partition(";")[0]


class Accepting:
    """A transport that takes every batch."""

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []

    def send(self, body: bytes, *, seconds: float) -> Answer:
        events = json.loads(body)["events"]
        self.events += events
        told = {"accepted": len(events), "duplicates": 0, "rejected": 0, "verdicts": []}
        return Answer(200, json.dumps(told).encode())

    def abort(self) -> None:
        pass

    def close(self) -> None:
        pass

    def after_fork(self) -> None:
        pass


class Site:
    """One site with one visitor's browser: it keeps the cookie that it is given, as browsers do."""

    def __init__(self, **settings: Any) -> None:
        self.now = float(NOW)
        self.cookies = ""
        self.header: str | None = None
        usual: dict[str, Any] = {"secret": SECRET, "consent": lambda _request: True}
        self.visits = Visits(
            read_options(usual | settings), now=lambda: self.now, trouble=Trouble(monotonic=lambda: self.now)
        )

    def visit(self, query: str = "", *, request: object = None, **parts: Any) -> dict[str, Any]:
        """Visit a page, and return the one event that is tracked there."""
        seen = Seen(**({"host": "shop.example", "query": query, "cookies": self.cookies} | parts))
        welcome = self.visits.welcome(request, seen)
        self.header = welcome.set_cookie
        if self.header is not None:
            self.cookies = "" if "Max-Age=0;" in self.header else cookie_of(self.header)
        transport = Accepting()
        client = Client(transport=transport, strict=True, flush_interval=0.0)
        with client, context(actor="v-1"), welcome.here:
            client.track("mv_view")
            assert client.flush(10)
        (event,) = transport.events
        return event

    def source(self, query: str = "", **parts: Any) -> Mapping[str, str]:
        """Visit a page, and return the source of an event there."""
        source: Mapping[str, str] = self.visit(query, **parts).get("source") or {}
        return source
