"""Two collectors that are told and asked the same, one for each store, and what their answers may differ in."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from msgspec import Struct

from kizashi_collector.store import Scope
from live_collector import HOUR, LiveCollector, live_collector
from stores import bring_up_to_date

__all__ = ["MAY_DIFFER", "Both", "Reply", "both_stores"]

MAY_DIFFER: Sequence[tuple[str, str, bytes]] = (
    # Each store numbers its fits in its own way, and its clock says how long learning took.
    ("/v1/values", "the fit's number", rb'(?<="fit":\{"number":)[0-9]+'),
    ("/v1/values", "how long learning took", rb'(?<="seconds":)[0-9.e-]+(?=\},"journeys")'),
    ("/v1/increments", "the number of the fit behind a line", rb'(?<="fit":)[0-9]+'),
    # A cursor is good for one store: it begins with that store's name.
    ("/v1/increments", "the store that a cursor is for", rb'(?<=ursor":")[0-9a-f]+(?=\.)'),
)
"""All that may differ: at which path, what it is, and the bytes of it. Beside these, a request's own id, in problems.
"""

_REQUEST_ID = re.compile(rb'(?<="request_id":")[^"]+')
_HEADERS = ("Content-Type", "ETag", "X-Next-Cursor", "Cache-Control", "Vary", "Retry-After")


class Reply(Struct, frozen=True):
    """What was answered, as far as it is the same in every store; `body` is what the SQLite store's was."""

    status: int
    headers: Mapping[str, str]
    same: bytes
    body: bytes


class Both:
    """A collector on each store, with clocks that say the same. `asked` counts the questions that were compared,
    `differences` tells where the answers differed."""

    def __init__(self, sqlite: LiveCollector, clickhouse: LiveCollector) -> None:
        self.sqlite, self.clickhouse = sqlite, clickhouse
        self.each = (sqlite, clickhouse)
        self.asked = 0
        self.differences: list[str] = []

    @property
    def now(self) -> int:
        """The time, in milliseconds."""
        return self.sqlite.wall

    def at(self, now: int) -> None:
        """Let it be this time."""
        for one in self.each:
            one.advance(now - one.wall)

    async def say(self, method: str, path: str, *, scope: Scope = "read", **options: Any) -> Reply:
        """Ask both, and note where they do not answer the same."""
        replies = [await _reply(one, method, path, scope, options) for one in self.each]
        first, second = replies
        what = f"{method} {path} {options.get('params', '')} {str(options.get('json', ''))[:300]}"
        if first.same != second.same or first.status != second.status:
            self.differences.append(f"{what}: {first.status}, {second.status}\n{_difference(first.same, second.same)}")
        elif first.headers != second.headers:
            self.differences.append(f"{what}: {first.headers} and {second.headers}")
        self.asked += 1
        return first

    def compare(self, what: str, first: Sequence[Any], second: Sequence[Any]) -> None:
        """Note where two lists differ."""
        if first != second:
            parted = [(one, other) for one, other in zip(first, second, strict=False) if one != other]
            self.differences.append(f"{what}: {len(first)}, {len(second)}: {parted[:1]}")

    async def learned(self) -> None:
        """Wait until both have learned from the last whole hour, and the one that keeps answers keeps all of them."""
        boundary = self.now // HOUR * HOUR
        for one in self.each:
            await bring_up_to_date(one.services.answers)
            async with asyncio.timeout(30):
                while True:
                    await one.summary(fresh="1")  # who asks is what reminds it of the hour
                    state = one.services.answers.state()
                    if (state.current, state.learned_until, state.mending) == (True, boundary, 0):
                        break
                    await asyncio.sleep(0)


@asynccontextmanager
async def both_stores(folder: Path, now: int) -> AsyncIterator[Both]:
    """Run them, at a time to begin with."""
    for kind in ("sqlite", "clickhouse"):
        (folder / kind).mkdir()
    async with (
        live_collector(folder / "sqlite", store="sqlite") as sqlite,
        live_collector(folder / "clickhouse", store="clickhouse") as clickhouse,
    ):
        both = Both(sqlite, clickhouse)
        both.at(now)
        yield both


async def _reply(collector: LiveCollector, method: str, path: str, scope: Scope, options: Mapping[str, Any]) -> Reply:
    async with collector.ask(method, path, scope=scope, **options) as response:
        body = await response.read()
        headers = {name: response.headers[name] for name in _HEADERS if name in response.headers}
    same = _REQUEST_ID.sub(b"#", body)
    for where, _, pattern in MAY_DIFFER:
        if path == where:
            same = re.sub(pattern, b"#", same)
    return Reply(response.status, headers, same, body)


def _difference(first: bytes, second: bytes) -> str:
    """Where two texts part, with what stands around it."""
    at = next((n for n, (one, other) in enumerate(zip(first, second, strict=False)) if one != other), 0)
    around = slice(max(0, at - 300), at + 200)
    return f"sqlite     …{first[around].decode()}…\nclickhouse …{second[around].decode()}…"
