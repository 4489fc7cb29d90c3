"""Clients that are slow, idle, too many, or gone: each is cut in time, and none is felt by the others."""

from __future__ import annotations

import asyncio
import resource
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from collector_process import CollectorProcess
from kizashi_collector.http import Limits, open_file_room
from live_collector import KEYS, LiveCollector, event, live_collector, until

HEAD = f"POST /v1/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {KEYS['write']}\r\nContent-Length: 90000\r\n"
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@asynccontextmanager
async def connections(collector: LiveCollector, count: int = 1) -> AsyncIterator[Sequence[Streams]]:
    """So many plain connections, made one after the other."""
    made = [await asyncio.open_connection(*collector.address) for _ in range(count)]
    try:
        yield made
    finally:
        for _, writer in made:
            writer.close()


async def all_of(reader: asyncio.StreamReader) -> bytes:
    """What comes until the other side closes; a connection that it resets is closed too."""
    try:
        async with asyncio.timeout(20):
            return await reader.read()
    except ConnectionResetError:
        return b""


async def ping(streams: Streams) -> int:
    """GET /healthz on an open connection; returns the status."""
    reader, writer = streams
    writer.write(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
    async with asyncio.timeout(20):
        head = await reader.readuntil(b"\r\n\r\n")
        await reader.readexactly(len(b"ok\n"))
    return int(head.split()[1])


async def metric(collector: LiveCollector, line: str) -> bool:
    """Whether the metrics hold this line."""
    async with collector.ask("GET", "/metrics") as response:
        return line in (await response.text()).splitlines()


async def test_a_head_that_does_not_come_to_its_end_is_cut(tmp_path: Path) -> None:
    async with live_collector(tmp_path, limits=Limits(header_seconds=0.2)) as collector:
        async with connections(collector, 3) as slow:
            for _, writer in slow:
                writer.write(b"GET /v1/summary HTTP/1.1\r\nHost: x\r\n")
            trickle = asyncio.create_task(keep_writing(slow[0][1], b"X-More: 1\r\n"))
            trickled, *answers = [await all_of(reader) for reader, _ in slow]
            trickle.cancel()
            assert all(b"HTTP/1.1 408 " in answer for answer in answers)
            # Who still writes to a closed connection may be told that before it has read the answer.
            assert trickled == b"" or b"HTTP/1.1 408 " in trickled
            assert (await collector.post([event()])).accepted == 1
        assert await metric(collector, 'kizashi_cut_connections_total{reason="slow_head"} 3.0')


async def keep_writing(writer: asyncio.StreamWriter, piece: bytes) -> None:
    """Send the piece again and again, so that no pause is long."""
    while not writer.is_closing():
        writer.write(piece)
        await asyncio.sleep(0.02)


async def test_the_time_of_a_head_begins_with_its_first_byte(tmp_path: Path) -> None:
    async with (
        live_collector(tmp_path, limits=Limits(header_seconds=0.1)) as collector,
        connections(collector) as (one,),
    ):
        await asyncio.sleep(0.3)  # what is idle has no head to wait for
        assert await ping(one) == 200
        await asyncio.sleep(0.3)
        assert await ping(one) == 200


async def test_a_head_in_two_pieces_is_a_request_like_any_other(collector: LiveCollector) -> None:
    async with connections(collector) as (one,):
        for _ in range(3):
            one[1].write(b"GET /healthz HT")
            await asyncio.sleep(0.02)
            one[1].write(b"TP/1.1\r\nHost: x\r\nX-Unused: 1\r\n")
            await asyncio.sleep(0.02)
            one[1].write(b"\r\n")
            async with asyncio.timeout(20):
                assert (await one[0].readuntil(b"ok\n")).startswith(b"HTTP/1.1 200 ")


async def test_a_head_that_never_ends_takes_no_memory(tmp_path: Path) -> None:
    async with live_collector(tmp_path, limits=Limits(head_bytes=4_096)) as collector:
        async with connections(collector) as ((reader, writer),):
            trickle = asyncio.create_task(keep_writing(writer, b"X-More: " + b"1" * 500 + b"\r\n"))
            writer.write(b"GET /healthz HTTP/1.1\r\n")
            assert b"HTTP/1.1 431 " in await all_of(reader)
            trickle.cancel()
        assert await metric(collector, 'kizashi_cut_connections_total{reason="large_head"} 1.0')


@pytest.mark.parametrize("header", [b"X-Long: " + b"1" * 9_000, b"\r\n".join(b"X-%d: 1" % n for n in range(80))])
async def test_a_header_that_is_too_long_and_too_many_of_them_are_400(collector: LiveCollector, header: bytes) -> None:
    async with connections(collector) as ((reader, writer),):
        writer.write(b"GET /healthz HTTP/1.1\r\nHost: x\r\n" + header + b"\r\n\r\n")
        assert b" 400 " in (await all_of(reader)).partition(b"\r\n")[0]


async def test_a_body_that_trickles_is_cut_and_leaves_nothing(tmp_path: Path) -> None:
    limits = Limits(body_grace=0.2, body_rate=100_000, body_seconds=30)
    async with live_collector(tmp_path, limits=limits) as collector:
        async with connections(collector) as ((reader, writer),):
            writer.write(f"{HEAD}\r\n".encode())
            trickle = asyncio.create_task(keep_writing(writer, b" "))
            answer = await asyncio.wait_for(reader.readuntil(b"}"), 20)
            assert answer.startswith(b"HTTP/1.1 408 ")
            assert b"too_slow" in answer
            trickle.cancel()
        await until(lambda: collector.services.in_flight.bytes == 0)
        assert await metric(collector, 'kizashi_refused_requests_total{reason="body_timeout"} 1.0')


async def test_a_body_that_comes_slowly_but_fast_enough_is_taken(tmp_path: Path) -> None:
    limits = Limits(body_grace=0.3, body_rate=500, body_seconds=60)
    async with live_collector(tmp_path, limits=limits) as collector:

        async def body() -> AsyncIterator[bytes]:
            yield b'{"events": []' + b" " * 10_000
            await asyncio.sleep(0.6)  # beyond the grace, within what those bytes have earned
            yield b"}"

        headers = {"Content-Type": "application/json"}
        async with collector.ask("POST", "/v1/events", scope="write", data=body(), headers=headers) as response:
            assert response.status == 200


async def test_clients_that_vanish_in_the_middle_of_a_body_leave_nothing(collector: LiveCollector) -> None:
    services = collector.services
    async with connections(collector, 50) as all_:
        for _, writer in all_:
            writer.write(f"{HEAD}\r\n".encode() + b" " * 10_000)
        await until(lambda: services.in_flight.bytes == 500_000)
        (held,) = services.in_flight.bodies._held
        assert KEYS["write"] not in held  # what bytes are counted by is no secret
        for _, writer in all_:
            writer.transport.abort()
        await services.in_flight.none()
        assert services.in_flight.bytes == 0
        assert not services.in_flight.bodies._held
    assert (await collector.post([event()])).accepted == 1


async def test_one_keys_bodies_leave_room_for_anothers(tmp_path: Path) -> None:
    async with live_collector(tmp_path, limits=Limits(bytes_in_flight=40_000)) as collector:
        assert collector.services.keys is not None
        other = {"Authorization": f"Bearer {collector.services.keys.create('another shop', 'write')}"}
        async with connections(collector, 4) as all_:
            for _, writer in all_:
                writer.write(f"{HEAD}\r\n".encode() + b" " * 9_000)
            refused, _ = await asyncio.wait(
                [asyncio.create_task(reader.readline()) for reader, _ in all_], return_when=asyncio.FIRST_COMPLETED
            )
            assert [await line for line in refused] == [b"HTTP/1.1 503 Service Unavailable\r\n"]
            async with collector.ask(
                "POST", "/v1/events", headers=other, json={"events": [event() for _ in range(50)]}
            ) as response:
                assert response.status == 200


async def test_a_client_that_asks_before_it_sends_is_refused_before_it_sends(tmp_path: Path) -> None:
    async with live_collector(tmp_path, limits=Limits(rate=0.01, events=5)) as collector:
        async with connections(collector) as ((reader, writer),):
            writer.write(f"{HEAD}Content-Type: application/json\r\nExpect: 100-continue\r\n\r\n".encode())
            assert await asyncio.wait_for(reader.readline(), 20) == b"HTTP/1.1 100 Continue\r\n"
        await collector.post([event() for _ in range(5)])
        async with connections(collector) as ((reader, writer),):
            writer.write(f"{HEAD}Content-Type: application/json\r\nExpect: 100-continue\r\n\r\n".encode())
            assert (await asyncio.wait_for(reader.readline(), 20)).startswith(b"HTTP/1.1 429 ")


async def test_an_idle_connection_is_closed_after_its_time(tmp_path: Path) -> None:
    async with (
        live_collector(tmp_path, limits=Limits(idle_seconds=0.2)) as collector,
        connections(collector, 2) as (used, unused),
    ):
        assert await ping(used) == 200
        assert await all_of(used[0]) == b""
        assert await all_of(unused[0]) == b""


async def test_beyond_the_most_connections_a_new_one_is_told_to_come_later(tmp_path: Path) -> None:
    async with (
        live_collector(tmp_path, limits=Limits(connections=3)) as collector,
        connections(collector, 3) as first,
    ):
        for streams in first:
            writer = streams[1]
            writer.write(f"{HEAD}\r\n".encode())
        await until(lambda: collector.services.in_flight.count == 3)
        async with connections(collector) as ((reader, _),):
            answer = await all_of(reader)
        assert answer.startswith(b"HTTP/1.1 503 Service Unavailable\r\n")
        assert b"\r\nRetry-After: 2\r\n" in answer
        assert b'"code":"busy"' in answer
        assert collector.services.in_flight.count == 3  # nobody who was there is hurt
        assert collector.services.metrics.connections() == 3


async def test_connections_that_were_idle_for_longest_make_room(tmp_path: Path) -> None:
    limits = Limits(connections=3, body_grace=90, body_seconds=90)
    async with (
        live_collector(tmp_path, limits=limits) as collector,
        connections(collector, 3) as (idle, also_idle, busy),
    ):
        busy[1].write(f"{HEAD}\r\n".encode())
        await until(lambda: collector.services.in_flight.count == 1)
        await asyncio.sleep(1.2)  # only who was idle for a second has to go
        async with connections(collector) as (new,):
            assert await ping(new) == 200
        assert await all_of(idle[0]) == await all_of(also_idle[0]) == b""
        assert collector.services.in_flight.count == 1  # the busy one was left alone
        assert await metric(collector, 'kizashi_cut_connections_total{reason="evicted"} 2.0')


CUT_READER = 'kizashi_cut_connections_total{reason="slow_reader"} 1.0'


async def test_a_client_that_does_not_read_its_answer_is_cut(tmp_path: Path) -> None:
    async with live_collector(tmp_path, limits=Limits(answer_seconds=0.2)) as collector:
        long = {f"k{n}": "x" * 400 for n in range(60)}
        for _ in range(10):
            await collector.post([event(properties=long) for _ in range(30)])
        async with connections(collector) as ((reader, writer),):
            reader._transport.pause_reading()  # type: ignore[attr-defined]  # streams read ahead by themselves
            ask = f"GET /v1/events?limit=1000 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {KEYS['read']}\r\n\r\n"
            writer.write(ask.encode())
            async with asyncio.timeout(30):
                # The metrics have no event to wait for.
                while not await metric(collector, CUT_READER):  # noqa: ASYNC110
                    await asyncio.sleep(0.05)


async def test_many_idle_connections_are_not_felt_by_others(tmp_path: Path) -> None:
    with CollectorProcess(tmp_path) as process:
        collector = LiveCollector()
        collector.url = process.url
        async with connections(collector, 1_000) as idle:
            _, another = await asyncio.open_connection(*collector.address)
            assert await ping(idle[-1]) == 200
            assert await ping(idle[0]) == 200
            assert resident(process.process.pid) < 300_000  # some 20 for each connection, and 80,000 without any
            another.close()
        process.stop()


def resident(pid: int) -> int:
    """KiB of memory that a process holds."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    return int(next(line for line in status.splitlines() if line.startswith("VmRSS")).split()[1])


def test_as_many_files_may_be_open_as_the_hard_limit_allows() -> None:
    code = (
        "import resource\n"
        "from kizashi_collector.http import open_file_room\n"
        "_, hard = resource.getrlimit(resource.RLIMIT_NOFILE)\n"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (300, 1000))\n"
        "print(open_file_room(20_000), open_file_room(10), *resource.getrlimit(resource.RLIMIT_NOFILE))\n"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert result.stdout.split() == ["744", "10", "1000", "1000"]
    assert open_file_room(1) == 1
    assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] > 0
