"""A site of FastAPI."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from fastapi import BackgroundTasks, FastAPI, Request, WebSocket
from fastapi.responses import StreamingResponse

import kizashi
from frameworks.apps.meeting import SECRET, meet
from kizashi.asgi import KizashiMiddleware

app = FastAPI()
app.add_middleware(
    KizashiMiddleware,
    secret=SECRET,
    consent=lambda request: request.cookies["agreed"] == "yes",
    actor=lambda request: request.headers.get("x-actor"),
    ignore_referrers=["pay.example"],
)


@app.get("/")
async def home() -> str:
    return "home"


@app.get("/event")
def event(name: str, background: BackgroundTasks, late: str | None = None) -> str:
    # A plain function: Starlette calls it in a thread of its pool.
    kizashi.track(name)
    if late is not None:
        background.add_task(kizashi.track, late)
    return "tracked"


@app.get("/meet")
async def meeting(name: str, at: str, request: Request) -> str:
    await asyncio.to_thread(meet, at)
    kizashi.track(name, properties={"expected": request.headers["x-actor"]})
    return "met"


@app.get("/stream")
async def stream(name: str) -> StreamingResponse:
    async def parts() -> AsyncIterator[str]:
        yield "begun "
        await asyncio.sleep(0)
        kizashi.track(name)
        yield "done"

    return StreamingResponse(parts())


@app.get("/fail")
async def fail() -> str:
    raise RuntimeError("the site's own")


@app.websocket("/socket")
async def socket(websocket: WebSocket) -> None:
    await websocket.accept()
    kizashi.track(await websocket.receive_text())
    await websocket.close()
