"""Events that arrive at a steady rate from a process of their own, while something else is measured."""

from __future__ import annotations

import asyncio
import contextlib
import multiprocessing
import time
from collections.abc import Iterator
from multiprocessing.sharedctypes import Synchronized
from typing import NamedTuple

from bench.load import request
from bench.month import Block
from bench.servers import KEY

__all__ = ["Arrivals", "arriving"]

_CONNECTIONS = 8
_BATCH = 50
_BLOCK = 1_000
"""Events made at a time: few, since a sender that stalls sends them all at once afterwards."""


class Arrivals(NamedTuple):
    """How many events the collector has taken so far, and how many requests it refused."""

    taken: Synchronized[int]
    refused: Synchronized[int]


@contextlib.contextmanager
def arriving(port: int, rate: int, seed: int) -> Iterator[Arrivals]:
    """Send `rate` events a second, in batches of 50, until the block ends.

    What the collector is late with is sent when it has answered: the rate that is reached is what `taken` counts.
    """
    spawned = multiprocessing.get_context("spawn")  # a fork would take over the engines' threads
    arrivals = Arrivals(spawned.Value("q", 0), spawned.Value("q", 0))
    process = spawned.Process(target=_send_forever, args=(port, rate, seed, arrivals), daemon=True)
    process.start()
    try:
        yield arrivals
        if not process.is_alive():
            raise RuntimeError("the load ended before the measurement")
    finally:
        process.terminate()
        process.join()


def _send_forever(port: int, rate: int, seed: int, arrivals: Arrivals) -> None:
    asyncio.run(_send(port, rate, seed, arrivals))


async def _send(port: int, rate: int, seed: int, arrivals: Arrivals) -> None:
    todo: asyncio.Queue[tuple[int, bytes]] = asyncio.Queue(2 * _BLOCK // _BATCH)
    async with asyncio.TaskGroup() as group:
        group.create_task(_make(todo, rate, seed))
        for _ in range(_CONNECTIONS):
            group.create_task(_connection(port, todo, arrivals))


async def _make(todo: asyncio.Queue[tuple[int, bytes]], rate: int, seed: int) -> None:
    start, span = time.time() * 1000 + 100, 1000 * _BLOCK / rate
    at = 0
    while True:
        block = Block((seed, at), _BLOCK, start + at * span, start + (at + 1) * span)
        for due, body in block.bodies(_BATCH):
            await todo.put((due, request(body, KEY)))
        at += 1


async def _connection(port: int, todo: asyncio.Queue[tuple[int, bytes]], arrivals: Arrivals) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    while True:
        due, sent = await todo.get()
        await asyncio.sleep(due / 1000 - time.time())
        writer.write(sent)
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        await reader.readexactly(int(head.partition(b"content-length: ")[2].partition(b"\r\n")[0]))
        taken = head.startswith(b"http/1.1 200")
        counted = arrivals.taken if taken else arrivals.refused
        with counted.get_lock():
            counted.value += _BATCH if taken else 1
