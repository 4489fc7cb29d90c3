"""A browser as far as these tests need one: what it says about where a request comes from, and its cookie."""

from __future__ import annotations

from typing import Any

from kizashi_collector.http import SESSION_COOKIE
from live_collector import KEYS, LiveCollector

__all__ = ["OWN", "form", "log_in", "opened"]

OWN = {"Sec-Fetch-Site": "same-origin"}


def form(collector: LiveCollector, path: str, headers: dict[str, str] | None = None, **fields: str) -> Any:
    """Send a form as a page of the dashboard does; an async context manager."""
    sent = OWN if headers is None else headers
    return collector.ask("POST", path, scope=None, allow_redirects=False, headers=sent, data=fields)


async def log_in(collector: LiveCollector, secret: str = KEYS["read"]) -> str:
    """The session's token."""
    async with form(collector, "/login", key=secret) as response:
        assert (response.status, response.headers["Location"]) == (303, "/")
        return str(response.cookies[SESSION_COOKIE].value)


def opened(collector: LiveCollector, path: str, token: str | None = None, method: str = "GET", **headers: str) -> Any:
    """Ask as a page of the dashboard does, with the session's cookie; an async context manager."""
    cookie = {} if token is None else {"Cookie": f"{SESSION_COOKIE}={token}"}
    return collector.ask(method, path, scope=None, allow_redirects=False, headers={**OWN, **cookie, **headers})
