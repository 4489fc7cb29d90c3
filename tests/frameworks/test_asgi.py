"""The ASGI door, called as a server calls it."""

from __future__ import annotations

import asyncio
from collections.abc import MutableMapping
from typing import Any

import pytest

import kizashi
from frameworks.recording import LANDING, SETTINGS, recorded
from kizashi.asgi import KizashiMiddleware, Request

Message = MutableMapping[str, Any]


async def call(scope: dict[str, Any], **settings: Any) -> list[Message]:
    """Call an application that tracks one event and answers; return what it sent."""
    sent: list[Message] = []

    async def app(scope: MutableMapping[str, Any], _receive: Any, send: Any) -> None:
        kizashi.track("mv_inside", actor="v-2")
        await send({"type": "http.response.start" if scope["type"] == "http" else "websocket.accept", "status": 200})

    async def receive() -> Message:
        return {}

    async def send(message: Message) -> None:
        sent.append(message)

    await KizashiMiddleware(app, **(SETTINGS | settings))(scope, receive, send)
    kizashi.track("mv_outside", actor="v-2")
    return sent


def http(**parts: Any) -> dict[str, Any]:
    return {"type": "http", "method": "GET", "path": "/a", "query_string": LANDING.encode(), "headers": []} | parts


def cookies(sent: list[Message]) -> list[bytes]:
    return [value for message in sent for name, value in message.get("headers", ()) if name == b"set-cookie"]


async def test_the_context_ends_with_the_request() -> None:
    with recorded() as events:
        await call(http())
    inside, outside = events
    assert inside["source"]["campaign"] == "brand"
    assert not outside.get("source")


async def test_over_https_the_cookie_is_secure() -> None:
    with recorded():
        assert b"Secure" not in cookies(await call(http()))[0]
        assert cookies(await call(http(scheme="https")))[0].endswith(b"; Secure")


async def test_a_websocket_has_the_context_and_sets_no_cookie() -> None:
    landing = http(type="websocket", scheme="wss")
    with recorded() as events:
        assert cookies(await call(landing)) == []
    assert events[0]["source"]["campaign"] == "brand"


async def test_the_lifespan_passes_through() -> None:
    with recorded() as events:
        await call({"type": "lifespan"})
    assert not events[0].get("source")


async def test_a_scope_that_no_server_makes_costs_nobody_a_page(caplog: pytest.LogCaptureFixture) -> None:
    with recorded() as events:
        sent = await call(http(headers=[("text", "no bytes")], query_string=None))
    assert [message["type"] for message in sent] == ["http.response.start"]
    assert [event["name"] for event in events] == ["mv_inside", "mv_outside"]
    assert "a connection could not be read" in caplog.text


async def test_tasks_of_two_requests_keep_their_own() -> None:
    with recorded() as events:
        await asyncio.gather(*(call(http(query_string=f"utm_campaign=c{at}".encode())) for at in range(4)))
    inside = [event["source"]["campaign"] for event in events if event["name"] == "mv_inside"]
    assert sorted(inside) == ["c0", "c1", "c2", "c3"]


def test_the_request_that_callables_get_reads_headers_and_cookies() -> None:
    headers = [(b"Cookie", b"a=1"), (b"cookie", b'b="2 3"'), (b"x-a", b"1"), (b"X-A", b"2")]
    request = Request({"type": "http", "headers": headers})
    assert request.headers == {"cookie": 'a=1; b="2 3"', "x-a": "1, 2"}
    assert request.cookies == {"a": "1", "b": "2 3"}
    odd = Request({"type": "http", "headers": [(b"cookie", b'; choices={"ads": true}; \xff;=; agreed=yes')]})
    assert odd.cookies == {"choices": '{"ads": true}', "ÿ": "", "agreed": "yes"}
    assert Request({"type": "http"}).cookies == {}


def test_options_that_cannot_be_are_told_when_the_application_is_made() -> None:
    async def app(*_: Any) -> None:
        raise AssertionError

    with pytest.raises(kizashi.ConfigurationError, match="secret holds what is no text, or is too short"):
        KizashiMiddleware(app, secret="short", consent=lambda _request: True)
