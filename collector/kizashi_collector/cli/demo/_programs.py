"""The programs of the demo: where they are, and how they are started, followed line by line, and stopped."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import TypeVar

__all__ = ["Child", "DemoError", "program", "soon", "while_alive"]

START_S = 20.0
STOP_S = 10.0
T = TypeVar("T")


class DemoError(Exception):
    """Something that the demo needs did not happen; the message names it."""


def program(name: str) -> Path:
    """A file of the examples, which are installed beside the collector; in a checkout they lie at its root."""
    package = Path(__file__).resolve().parents[2]
    for folder in (package / "examples", package.parents[1] / "examples"):
        if (folder / name).is_file():
            return folder / name
    raise DemoError(f"{name} is not part of this installation; install it anew: pip install 'kizashi[collector]'")


class Child:
    """A program that the demo started: its lines, and its end."""

    def __init__(self, name: str, process: asyncio.subprocess.Process, on_line: Callable[[str], None]) -> None:
        self.name = name
        self.lines: list[str] = []
        self.ended = asyncio.create_task(self._follow(on_line))
        self._process = process
        self._news = asyncio.Event()

    @classmethod
    async def start(
        cls, name: str, command: list[str], env: Mapping[str, str], on_line: Callable[[str], None] = lambda _: None
    ) -> Child:
        process = await asyncio.create_subprocess_exec(
            *command,
            env=env,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            limit=1024 * 1024,
            process_group=0,  # Ctrl-C reaches the demo alone, which then stops the others in their order.
        )
        return cls(name, process, on_line)

    async def _follow(self, on_line: Callable[[str], None]) -> int:
        if self._process.stdout is None:
            raise DemoError(f"the {self.name} has no output to read")
        async for line in self._process.stdout:
            self.lines.append(line.decode(errors="replace").rstrip())
            on_line(self.lines[-1])
            self._news.set()
        code = await self._process.wait()
        self._news.set()
        return code

    async def line(self, beginning: str) -> str:
        """The rest of the first line that begins so, as soon as it is there."""
        while True:
            for line in self.lines:
                if line.startswith(beginning):
                    return line.removeprefix(beginning).strip()
            if self.ended.done():
                raise DemoError(self.obituary())
            self._news.clear()
            await self._news.wait()

    async def success(self) -> None:
        """Wait for its end, which must be a good one."""
        if await asyncio.shield(self.ended) != 0:
            raise DemoError(self.obituary())

    async def stop(self) -> None:
        """Ask it to end; insist after STOP_S."""
        if self._process.returncode is None:
            self._process.terminate()
            try:
                async with asyncio.timeout(STOP_S):
                    await asyncio.shield(self.ended)
            except TimeoutError:
                self._process.kill()
        await self.ended

    def obituary(self) -> str:
        """What to say when it ended and should not have."""
        code = self._process.returncode or 0
        how = f"was killed by signal {-code}" if code < 0 else f"ended with exit code {code}"
        last = "".join(f"\n    {line}" for line in self.lines[-12:]) or " nothing"
        return f"{self.name}: {how}; its last lines:{last}"


async def while_alive(work: Awaitable[T], *children: Child) -> T:
    """Do the work, unless one of the children ends meanwhile."""
    task = asyncio.ensure_future(work)
    try:
        await asyncio.wait({task, *(child.ended for child in children)}, return_when=asyncio.FIRST_COMPLETED)
        for child in children:
            if child.ended.done() and not task.done():
                raise DemoError(child.obituary())
        return await task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def soon(work: Awaitable[T], what: str) -> T:
    """Do the work within START_S, or say what did not happen."""
    try:
        async with asyncio.timeout(START_S):
            return await work
    except TimeoutError:
        raise DemoError(f"{what} within {START_S:g} s") from None
