"""A real collector on a real port, in this process, with a clock that the test sets."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
from aiohttp import ClientResponse, ClientSession, web

from kizashi_collector.dashboard import add_dashboard
from kizashi_collector.http import Limits, Metrics, Services, make_runner
from kizashi_collector.ingest import Clock, Ingest, PlanBook
from kizashi_collector.store import KeyRing, Scope
from kizashi_schemas import BatchAnswer, FunnelAnswer, SummaryAnswer
from stores import CHOSEN, StoreKind, open_answers, open_log

__all__ = ["HOUR", "KEYS", "MINUTE", "NOW", "LiveCollector", "event", "live_collector", "settle", "until"]

NOW = 1_790_000_000_000
"""2026-09-21T14:13:20Z: the collector's time unless a test sets another."""

MINUTE = 60_000
HOUR = 60 * MINUTE
KEYS: dict[Scope, str] = {"write": "w-secret", "read": "r-secret", "admin": "a-secret"}
_serial = iter(range(10**9))


def event(name: str = "mv_view", time: int = NOW, actor: str = "v-1", **fields: Any) -> dict[str, Any]:
    """A well-formed event with an id of its own."""
    return {"id": f"e-{next(_serial)}", "name": name, "time": time, "actor": actor} | fields


class LiveCollector:
    """Talks to a collector as its clients do. `wall` and `steady` are its clocks, in milliseconds."""

    def __init__(self) -> None:
        self.wall = NOW
        self.steady = 0
        self.url = ""
        self.services: Services
        self.session: ClientSession

    @property
    def address(self) -> tuple[str, int]:
        """Host and port, for clients that are no HTTP library."""
        host, _, port = self.url.removeprefix("http://").partition(":")
        return host, int(port)

    def advance(self, milliseconds: int) -> None:
        """Let time pass on both clocks."""
        self.wall += milliseconds
        self.steady += milliseconds

    def ask(self, method: str, path: str, *, scope: Scope | None = "read", **options: Any) -> Any:
        """A request with the key of a scope, as an async context manager."""
        headers = dict(options.pop("headers", {}))
        if scope is not None:
            headers.setdefault("Authorization", f"Bearer {KEYS[scope]}")
        return self.session.request(method, self.url + path, headers=headers, **options)

    async def post(self, events: Iterable[Mapping[str, Any]], **envelope: Any) -> BatchAnswer:
        """Send a batch as JSON and return its verdicts."""
        body = msgspec.json.encode({"events": list(events), **envelope})
        async with self.ask(
            "POST", "/v1/events", scope="write", data=body, headers={"Content-Type": "application/json"}
        ) as response:
            assert response.status == 200, await response.text()
            return msgspec.json.decode(await response.read(), type=BatchAnswer)

    async def summary(self, **query: str) -> SummaryAnswer:
        """GET /v1/summary as JSON."""
        async with self.ask("GET", "/v1/summary", params=query) as response:
            assert response.status == 200, await response.text()
            return msgspec.json.decode(await response.read(), type=SummaryAnswer)

    async def learned(self, **query: str) -> SummaryAnswer:
        """The summary once it is worth something: values are learned beside everything else."""
        async with asyncio.timeout(20):
            while True:
                answer = await self.summary(**query)
                if answer.total.reason != "recomputing":
                    return answer
                await asyncio.sleep(0)

    async def funnel(self, asked: Mapping[str, Any]) -> FunnelAnswer:
        """POST /v1/funnels."""
        async with self.ask("POST", "/v1/funnels", json=dict(asked)) as response:
            assert response.status == 200, await response.text()
            return msgspec.json.decode(await response.read(), type=FunnelAnswer)

    async def problem(self, method: str, path: str, **options: Any) -> tuple[int, str]:
        """Ask for something that is answered with a problem; return its status and code."""
        async with self.ask(method, path, **options) as response:
            return await problem_of(response)


async def problem_of(response: ClientResponse) -> tuple[int, str]:
    """The status and code of a problem."""
    assert response.content_type == "application/problem+json", await response.text()
    problem = msgspec.json.decode(await response.read())
    assert problem["status"] == response.status
    return response.status, problem["code"]


@asynccontextmanager
async def live_collector(
    folder: Path,
    *,
    plan: str | None = None,
    limits: Limits | None = None,
    keys: bool = True,
    store: StoreKind | None = None,
    **ingest: Any,
) -> AsyncIterator[LiveCollector]:
    """Run a collector on `folder`; the plan, if any, is written to a file that rules.

    Without a `store` it is the one that the test runs for.
    """
    live = LiveCollector()
    clock = Clock(lambda: live.wall, lambda: live.steady)
    metrics = Metrics()
    file = None
    if plan is not None:
        file = folder / "plan.toml"
        file.write_text(plan, encoding="utf-8")
    log = open_log(store or CHOSEN.kind, folder / "data", metrics.commit)
    ring = KeyRing(folder / "data", clock=clock.now, given=KEYS) if keys else None
    answers = open_answers(log, clock.now)
    plans = PlanBook(log, file, on_change=answers.keep)
    await plans.load(clock.now())
    answers.keep(plans.current)
    live.services = Services(
        log=log,
        answers=answers,
        ingest=Ingest(log, plans, clock, on_batch=metrics.batch, **ingest),
        plans=plans,
        keys=ring,
        clock=clock,
        metrics=metrics,
        limits=limits or Limits(),
    )
    runner = make_runner(live.services, extend=add_dashboard)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        live.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        async with ClientSession() as live.session:
            yield live
    finally:
        await runner.cleanup()
        if ring is not None:
            ring.close()
        await answers.close()
        await log.close()


async def until(holds: Callable[[], bool]) -> None:
    """Let the event loop turn until the condition holds; fails after 10 s."""
    async with asyncio.timeout(10):
        while not holds():  # noqa: ASYNC110  # what is waited for is the server's, and has no event for tests
            await asyncio.sleep(0)


def settle(raw: Any) -> Any:
    """Amounts that are still raw JSON, as plain values."""
    return msgspec.json.decode(msgspec.json.encode(raw))
