"""Middleware for aiohttp's server.

setup(app, secret=SECRET, consent=lambda request: request.cookies.get("agreed") == "yes")
"""

from __future__ import annotations

from contextvars import ContextVar
from typing import Unpack

from aiohttp import web
from aiohttp.typedefs import Handler

from kizashi._visit import Seen, Settings, Trouble, Visits, read_options

__all__ = ["setup"]


def setup(app: web.Application, **settings: Unpack[Settings]) -> None:
    """Say who acts, and where they came from, to every `kizashi.track` in a request; see Settings for the options.

    Adds a middleware behind those that are there, so that what it asks may rely on the session they load, and a signal,
    so that cookies get out with streamed responses, too. Raises ConfigurationError.
    """
    trouble = Trouble()
    visits = Visits(read_options(settings), trouble=trouble)
    # Of one request: aiohttp gives each a task of its own, with its own context, and writes what a returned response
    # streams in that same task, after the middleware is over.
    cookie: ContextVar[str | None] = ContextVar("kizashi.cookie", default=None)

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            seen = _see(request)
        except Exception as error:  # noqa: BLE001 - a request that cannot be read is the handler's to answer
            trouble.tell("request", "a request could not be read", error)
            seen = Seen(method="")
        welcome = visits.welcome(request, seen)
        cookie.set(welcome.set_cookie)
        # Entered and not left: it ends with the task.
        welcome.here.__enter__()
        return await handler(request)

    async def add_cookie(_request: web.Request, response: web.StreamResponse) -> None:
        # Sent when headers are about to be: what is returned, streamed, raised, and the server's own 500.
        given = cookie.get()
        if given is not None:
            cookie.set(None)
            response.headers.add("Set-Cookie", given)

    app.middlewares.append(middleware)
    app.on_response_prepare.append(add_cookie)


def _see(request: web.Request) -> Seen:
    headers = request.headers
    return Seen(
        method=request.method,
        host=request.host,
        path=request.path,
        query=request.rel_url.raw_query_string,
        referrer=headers.get("Referer", ""),
        fetch_mode=headers.get("Sec-Fetch-Mode", ""),
        cookies="; ".join(headers.getall("Cookie", ())),
        secure=request.secure,
    )
