"""A site for uvicorn, which ends by the signal that stopped it: LIFESPAN says whether the site flushes before."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import kizashi

kizashi.configure(endpoint=os.environ["SINK"], flush_interval=3600)
if "HANDLE_SIGTERM" in os.environ:
    kizashi.handle_sigterm()

Message = MutableMapping[str, Any]


async def app(
    scope: Message, receive: Callable[[], Awaitable[Message]], send: Callable[[Message], Awaitable[None]]
) -> None:
    """/track/<name> tracks; the end of the lifespan flushes."""
    if scope["type"] == "lifespan":
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        if "LIFESPAN" in os.environ:
            await kizashi.aflush()
        await send({"type": "lifespan.shutdown.complete"})
        return
    if scope["path"].startswith("/track/"):
        kizashi.track(scope["path"].removeprefix("/track/"), actor=os.getpid())
    stats = kizashi.stats()
    body = f"{os.getpid()} {stats.balanced} {stats.tracked} {stats.delivered}".encode()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(body))]})
    await send({"type": "http.response.body", "body": body})
