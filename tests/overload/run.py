"""Finds a collector's peak, offers it three times as much, and looks at what became of everybody."""

from __future__ import annotations

import asyncio
import gc
import random
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from aiohttp import ClientSession
from msgspec import Struct, structs

from collector_process import KEYS, CollectorProcess
from kizashi_collector.store import KeyRing
from overload.offer import Client, offer, saturate

__all__ = ["GREEDY", "Result", "overload"]

GREEDY = "greedy"
FAIR = ("fair_1", "fair_2", "fair_3")
FAIR_OFFER = 0.2
"""Each fair key offers this part of the peak: less than the quarter that each of four is entitled to."""
_PROBE = 40


class OfKey(Struct, frozen=True):
    """What one key came to. `share` is how much of what it offered was taken, `p99` in seconds."""

    name: str
    offered: float
    taken: float
    share: float
    p99: float


class Result(Struct, frozen=True):
    """What the collector did. Rates in events per second, sizes in MiB; the peak is measured before and after.

    `missing` counts acknowledged events that are not there; `counted_twice` events there beyond those that were sent
    and either acknowledged or never answered.
    """

    peak: float
    peak_after: float
    offered: float
    taken: float
    keys: list[OfKey]
    statuses: Counter[int]
    retry_after: Counter[str]
    broken: int
    unsent: int
    rss_before: float
    rss_peak: float
    missing: int
    counted_twice: int


async def overload(
    folder: Path, *, peak_seconds: float, seconds: float, batch: int, times: float = 3.0, options: Sequence[str] = ()
) -> Result:
    """Run one collector on `folder` through it."""
    names = [GREEDY, *FAIR]
    ring = KeyRing(folder, clock=lambda: time.time_ns() // 1_000_000)
    secrets = {name: ring.create(name, "write") for name in names}
    ring.close()
    with CollectorProcess(folder, *options) as collector:
        port = int(collector.url.rpartition(":")[2])
        clients = {name: Client(name, secrets[name], batch, port) for name in names}
        everybody = list(clients.values())
        gc.freeze()
        await saturate(everybody, peak_seconds / 4, 3)  # warms it up
        for client in everybody:
            client.forget()
        peak = await saturate(everybody, peak_seconds, 3)
        for client in everybody:
            client.forget()
        before = _memory(collector.process.pid, "VmRSS")
        watching = asyncio.create_task(_highest(collector.process.pid))
        began = time.perf_counter()
        await asyncio.gather(
            offer(clients[GREEDY], (times - FAIR_OFFER * len(FAIR)) * peak, seconds),
            *(offer(clients[name], FAIR_OFFER * peak, seconds) for name in FAIR),
        )
        took = time.perf_counter() - began
        watching.cancel()
        highest = max(_memory(collector.process.pid, "VmRSS"), *(await asyncio.gather(watching)))
        kept = [_of_key(client, took) for client in everybody]
        result = Result(
            peak=peak,
            peak_after=0.0,
            offered=sum(client.offered for client in everybody) * batch / took,
            taken=sum(key.taken for key in kept),
            keys=kept,
            statuses=sum((client.answers for client in everybody), Counter[int]()),
            retry_after=sum((client.retry_after for client in everybody), Counter[str]()),
            broken=sum(client.broken for client in everybody),
            unsent=sum(client.unsent for client in everybody),
            rss_before=before,
            rss_peak=highest,
            missing=0,
            counted_twice=0,
        )
        for client in everybody:
            client.answers.clear()
        peak_after = await saturate(everybody, peak_seconds, 3)
        missing, twice = await _compare(collector.url, everybody)
        for client in everybody:
            client.close()
        collector.stop()
    return structs.replace(result, peak_after=peak_after, missing=missing, counted_twice=twice)


def _of_key(client: Client, took: float) -> OfKey:
    seconds = sorted(client.seconds) or [float("nan")]
    return OfKey(
        name=client.name,
        offered=client.offered * client.batch / took,
        taken=client.answers[200] * client.batch / took,
        share=client.answers[200] / max(1, client.offered),
        p99=seconds[int(len(seconds) * 0.99)],
    )


async def _compare(url: str, clients: Sequence[Client]) -> tuple[int, int]:
    """How many acknowledged events are missing and how many are too many: by count, and by sending some again."""
    missing = twice = 0
    headers = {"Authorization": f"Bearer {KEYS['KIZASHI_READ_KEY']}"}
    async with ClientSession(headers=headers) as session, session.get(f"{url}/v1/plan") as response:
        health = (await response.json())["health"]["unplanned"]
    counts = {name["name"]: name["count"] for name in health}
    for client in clients:
        acknowledged = len(client.acknowledged) * client.batch
        missing += max(0, acknowledged - counts.get(client.name, 0))
        twice += max(0, counts.get(client.name, 0) - acknowledged - client.broken * client.batch)
        # No id is new: whatever the collector answers as accepted now, it had lost.
        probe = random.Random(1).sample(client.acknowledged, min(_PROBE, len(client.acknowledged)))
        async with ClientSession() as session:
            for serial in probe:
                head, _, body = client.request(serial).partition(b"\r\n\r\n")
                key = head.partition(b"Authorization: ")[2].partition(b"\r\n")[0].decode()
                sent = {"Authorization": key, "Content-Type": "application/json"}
                async with session.post(f"{url}/v1/events", data=body, headers=sent) as answer:
                    answered = await answer.json()
                    missing += 0 if answered.get("duplicates") == client.batch else answered.get("accepted", 1)
    return missing, twice


def _memory(pid: int, name: str) -> float:
    for line in Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines():
        if line.startswith(name):
            return int(line.split()[1]) / 1024
    raise RuntimeError(f"no {name} of process {pid}")


async def _highest(pid: int) -> float:
    highest = 0.0
    try:
        while True:
            highest = max(highest, _memory(pid, "VmRSS"))
            await asyncio.sleep(0.2)
    except asyncio.CancelledError:
        return highest
