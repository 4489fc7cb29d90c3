"""Readiness: it fails with the reason and a remedy when events cannot be taken, and comes back by itself."""

from __future__ import annotations

import asyncio
import resource
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from aiohttp import ClientSession

from collector_process import CollectorProcess
from kizashi_collector.http import Watch, make_runner
from kizashi_collector.http._watching._readiness import REASONS, unready
from kizashi_collector.store import SqliteLog
from live_collector import HOUR, LiveCollector, event

READ = {"Authorization": "Bearer r-secret"}
WRITE = {"Authorization": "Bearer w-secret"}


async def readiness(collector: LiveCollector) -> tuple[int, str]:
    async with collector.ask("GET", "/readyz", scope=None) as response:
        body = await response.read()
        return response.status, "" if response.status == 200 else msgspec.json.decode(body)["detail"]


async def until(holds: Callable[[], Any]) -> None:
    """Ask until it holds, for at most 30 s."""
    async with asyncio.timeout(30):
        while not await holds():  # noqa: ASYNC110  # it is another process that changes
            await asyncio.sleep(0.05)


async def test_each_reason_is_told_with_what_to_do(collector: LiveCollector) -> None:
    assert await readiness(collector) == (200, "")
    collector.wall += HOUR
    status, detail = await readiness(collector)
    assert (status, "set by 3600 s" in detail, "mend it" in detail) == (503, True, True)
    collector.services.draining = True
    _, detail = await readiness(collector)
    assert "stopping" in detail
    assert "3600 s" in detail
    async with collector.ask("GET", "/metrics") as response:
        told = await response.text()
    for reason in REASONS:
        holds = reason in {"draining", "clock"}
        assert f'kizashi_not_ready{{reason="{reason}"}} {float(holds)}' in told


async def test_the_log_says_once_what_is_the_matter_and_once_that_it_is_over(
    collector: LiveCollector, caplog: pytest.LogCaptureFixture
) -> None:
    def told() -> list[tuple[str, str]]:
        return [(one.levelname, one.getMessage()) for one in caplog.records if one.name == "kizashi.ready"]

    async def changes(number: int) -> None:
        async with asyncio.timeout(30):
            while len(told()) < number:  # noqa: ASYNC110  # the watch's
                await asyncio.sleep(0.01)

    caplog.set_level("INFO")
    collector.wall += HOUR
    runner = make_runner(collector.services, Watch(look_seconds=0.001))
    await runner.setup()
    try:
        await changes(1)
        for _ in range(5):  # it looks again meanwhile
            await collector.services.log.state()
        collector.wall -= HOUR
        await changes(2)
    finally:
        await runner.cleanup()
    (level, text), over = told()
    assert level == "ERROR"
    assert "set by 3600 s since the start; mend it, or restart" in text
    assert over == ("INFO", "ready again: clock is over")


async def test_an_index_of_ids_that_is_broken_or_far_behind_is_a_reason(collector: LiveCollector) -> None:
    await collector.post([event()])
    state = await collector.services.log.state()
    assert await unready(collector.services, 0, state) == {}
    broken = msgspec.structs.replace(
        state, index=msgspec.structs.replace(state.index, trouble="it has no space; make some")
    )
    found = await unready(collector.services, 0, broken)
    assert found == {"ids": "it has no space; make some"}
    behind = msgspec.structs.replace(
        state, index=msgspec.structs.replace(state.index, tables_waiting=20, ids_waiting=5_000_000)
    )
    assert "5000000 ids wait" in (await unready(collector.services, 0, behind))["ids"]


async def test_without_a_setting_a_small_volume_keeps_a_twentieth_free_and_a_large_one_64_mib(
    collector: LiveCollector,
) -> None:
    state = await collector.services.log.state()
    mib = 1024 * 1024
    for disk, floor in [(100 * mib, 5 * mib), (10_000 * mib, 64 * mib)]:
        enough = msgspec.structs.replace(state, disk_bytes=disk, free_bytes=floor)
        assert await unready(collector.services, None, enough) == {}
        short = msgspec.structs.replace(state, disk_bytes=disk, free_bytes=floor - 1)
        assert (await unready(collector.services, None, short)).keys() == {"disk"}
        assert await unready(collector.services, 0, short) == {}


async def test_an_index_of_ids_that_cannot_be_written_is_a_reason(collector: LiveCollector, tmp_path: Path) -> None:
    log = collector.services.log
    assert isinstance(log, SqliteLog)
    seen = log._writer._chunks._seen
    await collector.post([event()])
    await log.append([])  # what follows an answer is done by now: its ids are in the index
    # Where the index writes its next run, there is a folder in the way.
    blocker = tmp_path / "data" / "ids" / f"{seen._manifest.made + 1:08d}.run"
    blocker.mkdir()
    with pytest.raises(OSError, match="index of ids"):
        seen.flush()
    status, detail = await readiness(collector)
    assert (status, "check the volume" in detail) == (503, True)
    blocker.rmdir()


async def test_a_volume_with_too_little_room_is_a_reason(tmp_path: Path) -> None:
    with CollectorProcess(tmp_path, "--min-free", str(2**62)) as collector:
        async with ClientSession() as session:
            async with session.get(f"{collector.url}/readyz") as response:
                problem = await response.json(content_type=None)
                assert (response.status, problem["code"]) == (503, "not_ready")
                assert "--min-free" in problem["detail"]
            # It is a warning to those who send and run it: what comes is stored all the same.
            fresh = {"events": [event(time=time.time_ns() // 1_000_000)]}
            async with session.post(f"{collector.url}/v1/events", json=fresh, headers=WRITE) as response:
                assert (response.status, (await response.json())["accepted"]) == (200, 1)
            async with session.get(f"{collector.url}/healthz") as response:
                assert response.status == 200
        line = await asyncio.to_thread(collector.stderr_until, ["not ready"])
        assert msgspec.json.decode(line)["reason"] == "disk"


async def test_a_disk_that_takes_no_writes_is_told_without_a_flood_and_recovered_from_alone(tmp_path: Path) -> None:
    with CollectorProcess(tmp_path) as collector:
        async with ClientSession() as session:

            async def post() -> tuple[int, str | None]:
                fresh = {"events": [event(time=time.time_ns() // 1_000_000)]}
                async with session.post(f"{collector.url}/v1/events", json=fresh, headers=WRITE) as response:
                    return response.status, (await response.json(content_type=None)).get("request_id")

            async def ready() -> bool:
                async with session.get(f"{collector.url}/readyz") as response:
                    return response.status == 200

            assert (await post())[0] == 200
            usual = resource.prlimit(collector.process.pid, resource.RLIMIT_FSIZE)
            resource.prlimit(collector.process.pid, resource.RLIMIT_FSIZE, (512, usual[1]))
            refused = [await post() for _ in range(100)]
            assert {status for status, _ in refused} == {503}
            assert not await ready()
            resource.prlimit(collector.process.pid, resource.RLIMIT_FSIZE, usual)
            await until(ready)
            assert (await post())[0] == 200
        code, errors = collector.stop()
    assert code == 0
    lines = [msgspec.json.decode(line) for line in errors.splitlines()]
    store = [line for line in lines if line["logger"] == "kizashi.store"]
    assert 1 <= len(store) <= 45, "20 in each of a few spans of 10 s"
    assert store[0]["level"] == "error"
    assert "look into the system's log" in store[0]["message"]
    assert store[-1]["message"] == "writing works again"
    access = [line for line in lines if line["logger"] == "kizashi.access" and line["route"] == "/v1/events"]
    assert 1 <= len(access) <= 45
    assert {line["request_id"] for line in access} <= {request_id for _, request_id in refused}
    assert all((line["status"], line["code"]) == (503, "unavailable") for line in access)
