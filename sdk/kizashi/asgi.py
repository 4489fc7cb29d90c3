"""ASGI middleware, for FastAPI, Starlette and whatever else speaks ASGI.

app.add_middleware(KizashiMiddleware, secret=SECRET, consent=lambda request: request.cookies.get("agreed") == "yes")
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Unpack

from kizashi._visit import Seen, Settings, Trouble, Visits, Welcome, read_options

__all__ = ["KizashiMiddleware", "Request"]

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]


class Request:
    """What the site's callables are asked with: an HTTP request or the handshake of a websocket, its body aside.

    `scope` is ASGI's own, so that `starlette.requests.HTTPConnection(request.scope)` works where more is needed.
    """

    def __init__(self, scope: Scope) -> None:
        self.scope = scope

    @property
    def headers(self) -> dict[str, str]:
        """The headers by their names in lower case; of repeated ones the values joined as HTTP says."""
        headers: dict[str, str] = {}
        for raw_name, raw in self.scope.get("headers", ()):
            name, value = raw_name.decode("latin-1").lower(), raw.decode("latin-1")
            joint = "; " if name == "cookie" else ", "
            headers[name] = f"{headers[name]}{joint}{value}" if name in headers else value
        return headers

    @property
    def cookies(self) -> dict[str, str]:
        """The cookies, as browsers wrote them; of repeated ones the last."""
        # Not http.cookies: it reads no further than the first cookie that is not as the RFC has it, and some are not.
        pairs = (part.partition("=") for part in self.headers.get("cookie", "").split(";"))
        return {name.strip(): value.strip().strip('"') for name, _, value in pairs if name.strip()}


class KizashiMiddleware:
    """Says who acts, and where they came from, to every `kizashi.track` in a request; see Settings for the options.

    Pure ASGI: bodies pass through as they are, streamed or not, and background tasks see the same context. Websockets
    have the context for as long as they are open, but set no cookie. Raises ConfigurationError.
    """

    def __init__(self, app: App, **settings: Unpack[Settings]) -> None:
        self._app = app
        self._trouble = Trouble()
        self._visits = Visits(read_options(settings), trouble=self._trouble)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a connection."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        welcome = self._welcome(scope)
        cookie = welcome.set_cookie
        if cookie is not None and scope["type"] == "http":
            send = _setting(cookie.encode("latin-1"), send)
        with welcome.here:
            await self._app(scope, receive, send)

    def _welcome(self, scope: Scope) -> Welcome:
        request = Request(scope)
        try:
            headers = request.headers
            seen = Seen(
                # A handshake is a GET, but no page's.
                method=scope.get("method", ""),
                host=headers.get("host", ""),
                path=scope.get("path", ""),
                query=scope.get("query_string", b"").decode("latin-1"),
                referrer=headers.get("referer", ""),
                fetch_mode=headers.get("sec-fetch-mode", ""),
                cookies=headers.get("cookie", ""),
                secure=scope.get("scheme") in ("https", "wss"),
            )
        except Exception as error:  # noqa: BLE001 - a server's odd scope must not cost the visitor the page
            self._trouble.tell("scope", "a connection could not be read", error)
            seen = Seen(method="")
        return self._visits.welcome(request, seen)


def _setting(cookie: bytes, send: Send) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message.get("headers", ()), (b"set-cookie", cookie)]}
        await send(message)

    return sending
