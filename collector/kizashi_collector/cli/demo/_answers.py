"""The collector of the demo, as its clients see it."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from typing import Any

import aiohttp
import msgspec
from msgspec import Struct

from kizashi_collector.cli.demo._programs import DemoError

__all__ = ["Collector"]


class Collector(Struct, frozen=True):
    """Where it is, and its keys."""

    http: aiohttp.ClientSession
    url: str
    read_key: str
    write_key: str

    async def ready(self) -> None:
        """Return when it takes events."""
        while True:
            try:
                async with self.http.get(f"{self.url}/readyz") as response:
                    if response.status == 200:
                        return
            except aiohttp.ClientConnectionError:
                pass
            await asyncio.sleep(0.02)

    async def get(self, path: str) -> Any:
        """An answer as plain data. Raises DemoError for any other than 200."""
        return msgspec.json.decode(await self._body(path))

    async def metric(self, name: str) -> float:
        """One value of /metrics."""
        match = re.search(rf"^{re.escape(name)} (\S+)$", (await self._body("/metrics")).decode(), re.MULTILINE)
        if match is None:
            raise DemoError(f"the collector's /metrics has no {name}")
        return float(match[1])

    async def post(self, events: Sequence[object], *, imported: bool = False) -> None:
        """Send events, which may be rejected one by one. Raises DemoError where the batch is not taken."""
        body = msgspec.json.encode({"events": events} | ({"import": True} if imported else {}))
        headers = {"Authorization": f"Bearer {self.write_key}", "Content-Type": "application/json"}
        async with self.http.post(f"{self.url}/v1/events", data=body, headers=headers) as response:
            if response.status != 200:
                raise DemoError(f"the collector answered {response.status} to a batch: {await response.text()}")

    async def _body(self, path: str) -> bytes:
        headers = {"Authorization": f"Bearer {self.read_key}"}
        async with self.http.get(self.url + path, headers=headers) as response:
            body = await response.read()
        if response.status != 200:
            raise DemoError(f"the collector answered {response.status} to GET {path}: {body.decode(errors='replace')}")
        return body
