"""`kizashi serve` as a process: it starts, drains, reloads, and survives being killed."""

from __future__ import annotations

import asyncio
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession

from collector_process import KEYS, CollectorProcess
from live_collector import event

WRITE = {"Authorization": "Bearer w-secret"}
READ = {"Authorization": "Bearer r-secret"}


def fresh(name: str = "mv_view", **fields: Any) -> dict[str, Any]:
    return event(name, time.time_ns() // 1_000_000, **fields)


async def post(url: str, events: list[dict[str, Any]], headers: dict[str, str] = WRITE) -> tuple[int, Any]:
    async with (
        ClientSession() as session,
        session.post(f"{url}/v1/events", json={"events": events}, headers=headers) as response,
    ):
        return response.status, await response.json(content_type=None)


async def get(url: str, path: str, headers: dict[str, str] = READ) -> tuple[int, Any]:
    async with ClientSession() as session, session.get(url + path, headers=headers) as response:
        return response.status, await response.json(content_type=None)


async def test_it_serves_and_ends_with_0_on_sigterm(tmp_path: Path) -> None:
    with CollectorProcess(tmp_path) as collector:
        assert (await post(collector.url, [fresh()]))[1]["accepted"] == 1
        code, errors = collector.stop()
    assert (code, "Traceback" in errors) == (0, False)
    with CollectorProcess(tmp_path) as collector:
        assert (await get(collector.url, "/v1/summary"))[1]["total"]["actors"] == 1
        assert collector.stop(signal.SIGINT)[0] == 0


async def test_every_acknowledged_event_survives_kill_9_under_load(tmp_path: Path) -> None:
    acknowledged: list[str] = []
    with CollectorProcess(tmp_path) as collector:

        async def client(number: int) -> None:
            while True:
                batch = [fresh(actor=f"a{number}") for _ in range(20)]
                try:
                    status, answer = await post(collector.url, batch)
                except (OSError, Exception):  # noqa: BLE001  # killed: however the connection ends
                    return
                assert (status, answer["accepted"]) == (200, 20)
                acknowledged.extend(row["id"] for row in batch)
                if len(acknowledged) > 1_000 and collector.process.poll() is None:
                    collector.send(signal.SIGKILL)

        await asyncio.gather(*(client(number) for number in range(8)))
        assert collector.process.wait(timeout=10) == -signal.SIGKILL
    with CollectorProcess(tmp_path) as collector:
        resent = [{**fresh(actor="a0"), "id": one} for one in acknowledged[:2_000]]
        _, answer = await post(collector.url, resent)
        assert (answer["accepted"], answer["duplicates"]) == (0, len(resent))
        collector.stop()
    assert len(acknowledged) > 1_000


async def test_sigterm_finishes_what_is_in_flight(tmp_path: Path) -> None:
    with CollectorProcess(tmp_path) as collector:
        host, port = collector.url.removeprefix("http://").split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        body = b'{"events": [{"id": "slow", "name": "mv_view", "time": 0, "actor": "a"}]}'
        head = ["POST /v1/events HTTP/1.1", "Host: x", "Authorization: Bearer w-secret", f"Content-Length: {len(body)}"]
        writer.write("\r\n".join([*head, "", ""]).encode() + body[:10])
        await writer.drain()
        # A second answered request proves that the first one's head was read before the signal.
        assert (await get(collector.url, "/v1/summary"))[0] == 200
        collector.send(signal.SIGTERM)
        await asyncio.to_thread(collector.stderr_until, ["stopping"])
        writer.write(body[10:])
        status = (await reader.readline()).split()[1]
        writer.close()
        assert await asyncio.to_thread(collector.process.wait, 20) == 0
    with CollectorProcess(tmp_path) as collector:
        stored = (await get(collector.url, "/v1/events"))[1]["events"]
        assert (status, [row["id"] for row in stored]) == (b"200", ["slow"])
        collector.stop()


async def test_the_first_start_makes_keys_and_prints_them_once(tmp_path: Path) -> None:
    with CollectorProcess(tmp_path, environment={}) as collector:
        keys = dict(re.findall(r"(write|read|admin)\s+(kz_\S+)", "\n".join(collector.output)))
        assert set(keys) == {"write", "read", "admin"}
        assert (await post(collector.url, [fresh()], {"Authorization": f"Bearer {keys['write']}"}))[0] == 200
        assert (await get(collector.url, "/v1/summary", {"Authorization": f"Bearer {keys['read']}"}))[0] == 200
        assert (await post(collector.url, [fresh()], {"Authorization": f"Bearer {keys['read']}"}))[0] == 403
        collector.stop()
    with CollectorProcess(tmp_path, environment={}) as collector:
        assert [line for line in collector.output if "kz_" in line] == []
        assert (await get(collector.url, "/v1/summary", {"Authorization": f"Bearer {keys['read']}"}))[0] == 200
        collector.stop()


async def test_keys_can_be_made_and_revoked_while_it_serves(tmp_path: Path) -> None:
    def keys(*args: str) -> str:
        command = [sys.executable, "-m", "kizashi", "keys", *args, "--data", str(tmp_path)]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    with CollectorProcess(tmp_path) as collector:
        secret = (await asyncio.to_thread(keys, "create", "--scope", "read", "--name", "bidder")).strip()
        headers = {"Authorization": f"Bearer {secret}"}
        assert (await get(collector.url, "/v1/summary", headers))[0] == 200
        assert "bidder" in await asyncio.to_thread(keys, "list")
        assert secret not in await asyncio.to_thread(keys, "list", "--json")
        await asyncio.to_thread(keys, "revoke", "1")
        async with asyncio.timeout(10):
            while (await get(collector.url, "/v1/summary", headers))[0] != 401:  # within a twentieth of a second
                pass
        collector.stop()


async def test_sighup_applies_a_changed_plan_and_refuses_a_broken_one(tmp_path: Path) -> None:
    plan = tmp_path / "plan.toml"
    plan.write_text('currency = "JPY"\n', encoding="utf-8")
    with CollectorProcess(tmp_path / "data", "--plan", str(plan)) as collector:
        first = (await get(collector.url, "/v1/plan"))[1]["id"]
        plan.write_text('currency = "YEN"\n', encoding="utf-8")
        collector.send(signal.SIGHUP)
        line = await asyncio.to_thread(collector.stderr_until, ["plan"])
        assert "plan not changed: plan.toml: currency: 'YEN'" in line
        assert (await get(collector.url, "/v1/plan"))[1]["id"] == first
        plan.write_text('currency = "USD"\n', encoding="utf-8")
        collector.send(signal.SIGHUP)
        assert "is in force" in await asyncio.to_thread(collector.stderr_until, ["plan"])
        assert (await get(collector.url, "/v1/plan"))[1]["id"] != first
        collector.stop()


@pytest.mark.parametrize(
    ("options", "environment", "told"),
    [
        (["--port", "x"], {}, "--port: 'x'"),
        ([], {"KIZASHI_PORT": "70000"}, "KIZASHI_PORT: '70000'"),
        (["--retention", "1y"], {}, "--retention: '1y'"),
        (["--store", "postgres"], {}, "--store: 'postgres'"),
        (["--max-events", "0"], {}, "--max-events: '0'"),
        (["--plan", "nowhere.toml"], {}, "nowhere.toml: cannot be read"),
        (["--dev", "--host", "0.0.0.0"], {}, "--host must be loopback"),
    ],
)
def test_what_cannot_be_used_is_named(
    tmp_path: Path, options: list[str], environment: dict[str, str], told: str
) -> None:
    command = [sys.executable, "-m", "kizashi", "serve", "--data", str(tmp_path / "data"), *options]
    result = subprocess.run(
        command, capture_output=True, text=True, check=False, env={**environment, "PATH": ""}, timeout=30
    )
    assert (result.returncode, told in result.stderr) == (1, True), result.stderr
    assert "Traceback" not in result.stderr


async def test_a_port_that_is_taken_is_named_and_the_data_is_free_again(tmp_path: Path) -> None:
    with CollectorProcess(tmp_path / "a") as first:
        port = first.url.rpartition(":")[2]
        command = [sys.executable, "-m", "kizashi", "serve", "--data", str(tmp_path / "b"), "--port", port]
        second = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, check=False)
        assert second.returncode == 1
        words = "cannot listen on 127.0.0.1 port {}: Address already in use; choose others with --host and --port"
        assert words.format(port) in second.stderr
        first.stop()


async def test_dev_serves_without_keys(tmp_path: Path) -> None:
    with CollectorProcess(tmp_path, "--dev", environment={}) as collector:
        assert (await post(collector.url, [fresh()], {}))[0] == 200
        assert (await get(collector.url, "/v1/summary", {}))[0] == 200
        collector.stop()


async def test_nobody_else_can_read_what_it_keeps(tmp_path: Path) -> None:
    with CollectorProcess(tmp_path / "data", environment={}) as collector:
        await post(collector.url, [fresh()])
        files = [tmp_path / "data", *(tmp_path / "data").iterdir()]
        assert len(files) >= 4
        assert [path.name for path in files if path.stat().st_mode & 0o077] == []


def test_the_keys_of_the_tests_are_those_of_the_environment() -> None:
    assert set(KEYS) == {"KIZASHI_WRITE_KEY", "KIZASHI_READ_KEY", "KIZASHI_ADMIN_KEY"}
