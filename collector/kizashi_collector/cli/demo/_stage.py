"""Where the demo plays: a temporary folder, a collector with keys of its own, and the shop."""

from __future__ import annotations

import os
import secrets
import sys
import tempfile
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from pathlib import Path

import aiohttp

from kizashi_collector.cli.demo._answers import Collector
from kizashi_collector.cli.demo._programs import Child, program, soon, while_alive

__all__ = ["Stage"]


class Stage:
    """Starts programs, and ends them, the last one first, with the stack. Their files go with it, too."""

    def __init__(self, stack: AsyncExitStack) -> None:
        self._stack = stack
        self.folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="kizashi-demo-")))
        self._environment = _clean_environment()

    async def start(
        self,
        name: str,
        *command: str,
        env: Mapping[str, str] | None = None,
        on_line: Callable[[str], None] = lambda _: None,
    ) -> Child:
        """Start a program; `on_line` is given each line that it writes."""
        child = await Child.start(name, list(command), self._environment | dict(env or {}), on_line)
        self._stack.push_async_callback(child.stop)
        return child

    async def collector(self, plan: Path, *, port: int = 0) -> tuple[Child, Collector]:
        """A collector that is ready. Raises DemoError."""
        write_key, read_key = secrets.token_urlsafe(24), secrets.token_urlsafe(24)
        child = await self.start(
            *("collector", sys.executable, "-m", "kizashi", "serve"),
            *("--data", str(self.folder / "data"), "--plan", str(plan), "--port", str(port)),
            env={"KIZASHI_WRITE_KEY": write_key, "KIZASHI_READ_KEY": read_key},
        )
        url = await soon(child.line("listening on"), "the collector did not listen")
        http = await self._stack.enter_async_context(aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=60)))
        collector = Collector(http, url, read_key, write_key)
        await soon(while_alive(collector.ready(), child), "the collector was not ready")
        return child, collector

    async def shop(self, beside: Child, collector: Collector) -> tuple[Child, str]:
        """The shop, which tracks with the SDK, and its URL. Raises DemoError."""
        child = await self.start(
            *("shop", sys.executable, str(program("shop.py")), "--port", "0"),
            env={"KIZASHI_ENDPOINT": collector.url, "KIZASHI_KEY": collector.write_key},
        )
        return child, await soon(while_alive(child.line("listening on"), beside), "the shop did not listen")


def _clean_environment() -> dict[str, str]:
    """Ours without settings of kizashi or shop, which would change the play, and with no proxy to ourselves."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("KIZASHI_", "SHOP_"))}
    return kept | {"no_proxy": "127.0.0.1", "NO_PROXY": "127.0.0.1"}
