"""Killed while it deletes what is too old: no younger event goes, none counts twice, and the next start goes on."""

from __future__ import annotations

import asyncio
import http.client
import random
import time
from pathlib import Path

import msgspec

from collector_process import KEYS
from crash.process import Collector, wait_until
from kizashi_collector.analysis import LoggedEvent
from kizashi_collector.store import EventColumns, SqliteLog

KILLS = 4
OLD, YOUNG = 3_000, 1_000
DAY = 86_400_000


def events(now: int) -> list[LoggedEvent]:
    """Old and young ones side by side in each chunk, and old ones alone in others."""
    chance = random.Random(1)
    times = [now - 30 * DAY] * OLD + [now - 1_000] * YOUNG
    chance.shuffle(times)
    times.sort(key=lambda at: at > now - DAY and chance.random() < 0.5)
    return [
        LoggedEvent(
            id=f"e-{number}",
            name="purchase" if number % 7 == 0 else "mv_view",
            time=at,
            received_at=now,
            actor=f"v-{number % 50}" if at > now - DAY else f"old-{number % 300}",
            order=f"o-{number}" if number % 7 == 0 else None,
        )
        for number, at in enumerate(times)
    ]


async def stored(folder: Path, *, send: list[LoggedEvent] | None = None) -> tuple[list[LoggedEvent], list[str]]:
    """What the log holds, in its order; and the verdicts of what is sent."""
    log = SqliteLog(folder)
    verdicts: list[str] = []
    for at in range(0, len(send or []), 200):
        verdicts += [one.verdict for one in await log.append([EventColumns.of((send or [])[at : at + 200])])]
    found = await log.newest(100_000)
    await log.close()
    return found[::-1], verdicts


def names_seen(collector: Collector) -> int:
    """How many events the summary of all time counts."""
    connection = http.client.HTTPConnection("127.0.0.1", int(collector.listening().rpartition(":")[2]), timeout=60)
    connection.request(
        "GET", "/v1/summary?window=3660d", headers={"Authorization": f"Bearer {KEYS['KIZASHI_READ_KEY']}"}
    )
    rows = msgspec.json.decode(connection.getresponse().read())["total"]["events"]
    connection.close()
    return sum(row["count"] for row in rows.values())


def test_a_kill_while_old_events_are_deleted_takes_no_young_one(tmp_path: Path) -> None:
    data, rng = tmp_path / "data", random.Random(20261120)
    sent = events(int(time.time() * 1000))
    young = {event.id for event in sent if event.time > sent[0].received_at - DAY}
    assert asyncio.run(stored(data, send=sent))[1] == ["accepted"] * len(sent)
    left = len(sent)
    for _ in range(KILLS):
        collector = Collector(data, options=["--retention", "10d"])
        collector.listening()
        time.sleep(rng.uniform(0, 0.05))  # the deletion begins as soon as it listens
        collector.kill()
        found, _ = asyncio.run(stored(data))
        ids = [event.id for event in found]
        assert len(set(ids)) == len(ids) <= left
        assert young <= set(ids)
        assert {event.id: event for event in found} == {event.id: event for event in sent if event.id in set(ids)}
        left = len(ids)
    collector = Collector(data, options=["--retention", "10d"])
    assert wait_until(lambda: names_seen(collector) == YOUNG)
    collector.kill()
    found, verdicts = asyncio.run(stored(data, send=[event for event in sent if event.id in young]))
    assert {event.id for event in found} == young
    assert verdicts == ["duplicate"] * YOUNG
