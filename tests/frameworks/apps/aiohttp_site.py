"""A site of aiohttp."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from aiohttp import web

import kizashi
from frameworks.apps.meeting import SECRET, meet
from kizashi.aiohttp import setup


async def home(_request: web.Request) -> web.Response:
    return web.Response(text="home")


async def event(request: web.Request) -> web.Response:
    kizashi.track(request.query["name"])
    return web.Response(text="tracked")


async def meeting(request: web.Request) -> web.Response:
    await asyncio.to_thread(meet, request.query["at"])
    kizashi.track(request.query["name"], properties={"expected": request.headers["X-Actor"]})
    return web.Response(text="met")


async def stream(request: web.Request) -> web.StreamResponse:
    if "bound" in request.query:

        async def parts() -> AsyncIterator[bytes]:
            yield b"begun "
            kizashi.track(request.query["name"])
            yield b"done"

        return web.Response(body=parts())
    response = web.StreamResponse()
    await response.prepare(request)
    await response.write(b"begun ")
    kizashi.track(request.query["name"])
    await response.write(b"done")
    return response


async def fail(_request: web.Request) -> web.Response:
    raise RuntimeError("the site's own")


async def moved(_request: web.Request) -> web.Response:
    raise web.HTTPFound("/")


async def main() -> None:
    app = web.Application()
    setup(
        app,
        secret=SECRET,
        consent=lambda request: request.cookies["agreed"] == "yes",
        actor=lambda request: request.headers.get("X-Actor"),
        ignore_referrers=["pay.example"],
    )
    for path, handler in (
        ("/", home),
        ("/event", event),
        ("/meet", meeting),
        ("/stream", stream),
        ("/fail", fail),
        ("/moved", moved),
    ):
        app.router.add_get(path, handler)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    print(f"listening on http://127.0.0.1:{runner.addresses[0][1]}")
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
