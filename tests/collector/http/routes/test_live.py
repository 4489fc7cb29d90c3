"""GET /v1/live: what becomes of each batch, told as it happens, at nobody's cost."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
from aiohttp import ClientResponse

from kizashi_collector.http import Limits
from kizashi_collector.ingest import LiveFeed
from kizashi_schemas import LiveBatch
from live_collector import HOUR, NOW, LiveCollector, event, live_collector, problem_of, until


class Stream:
    """Messages of a stream, one after the other."""

    def __init__(self, response: ClientResponse) -> None:
        self.response = response

    async def lines(self) -> list[str]:
        """The lines of the next block, or none at the end."""
        found: list[str] = []
        async with asyncio.timeout(10):
            while line := (await self.response.content.readline()).decode():
                if line == "\n":
                    break
                found.append(line.rstrip("\n"))
        return found

    async def batch(self) -> LiveBatch:
        """The next batch."""
        while (lines := await self.lines()) == [": keep-alive"]:
            pass
        kind, data = lines
        assert kind == "event: batch"
        return msgspec.json.decode(data.removeprefix("data: "), type=LiveBatch)


@asynccontextmanager
async def following(collector: LiveCollector, **options: Any) -> AsyncIterator[Stream]:
    """Follow a collector, from the moment at which it knows of that."""
    async with collector.ask("GET", "/v1/live", **options) as response:
        assert (response.status, response.content_type) == (200, "text/event-stream")
        stream = Stream(response)
        assert await stream.lines() == ["retry: 3000"]
        yield stream


BATCHES = 160
"""So many of `batch_of_four` are more than sockets and the collector hold for a client that does not read."""


def batch_of_four() -> list[dict[str, Any]]:
    padding = {f"k{number}": "x" * 500 for number in range(32)}
    return [event(source=padding) for _ in range(4)]


@asynccontextmanager
async def not_reading(collector: LiveCollector) -> AsyncIterator[AsyncIterator[bytes]]:
    """Follow a collector and read nothing, until the lines that are given are asked for."""
    loop = asyncio.get_running_loop()

    async def lines() -> AsyncIterator[bytes]:
        rest = b""
        while data := await loop.sock_recv(client, 2**16):
            *whole, rest = (rest + data).split(b"\n")
            for line in whole:
                yield line

    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2**17)
        client.setblocking(False)
        await loop.sock_connect(client, collector.address)
        # HTTP/1.0 knows no chunks.
        await loop.sock_sendall(client, b"GET /v1/live HTTP/1.0\r\nHost: x\r\nAuthorization: Bearer r-secret\r\n\r\n")
        before = followers(collector)
        await until(lambda: followers(collector) == before + 1)
        yield lines()


def followers(collector: LiveCollector) -> int:
    return len(collector.services.ingest.live.followers)


@pytest.mark.parametrize("headers", [{}, {"X-Request-Id": "the-long-way"}])
async def test_each_event_is_told_with_what_became_of_it(collector: LiveCollector, headers: dict[str, str]) -> None:
    first = event("purchase", value="12.50", currency="USD", source={"campaign": "<b>"}, order="A-1")
    refused = event("mv_cart", value=5, currency="XXX")
    conflict = first | {"actor": "another"}
    body = msgspec.json.encode({"events": [first, first, conflict, refused, {"id": "e", "name": "BAD", "actor": 7}, 5]})
    async with following(collector) as stream:
        sent = {"Content-Type": "application/json", **headers}
        async with collector.ask("POST", "/v1/events", scope="write", data=body, headers=sent) as response:
            assert response.status == 200
            verdicts = (await response.json())["verdicts"]
        batch = await stream.batch()
    assert (batch.at, batch.left_out) == (NOW, 0)
    one, two, three, four, five, six = batch.events
    assert msgspec.to_builtins(one) == {
        "id": first["id"],
        "name": "purchase",
        "time": NOW,
        "actor": "v-1",
        "value": "12.5",
        "currency": "USD",
        "source": {"campaign": "<b>"},
        "verdict": "accepted",
        "code": None,
        "message": None,
    }
    assert [(told.verdict, told.code, told.message) for told in batch.events[1:]] == [
        (verdict["verdict"], verdict.get("code"), verdict.get("message")) for verdict in verdicts
    ]
    assert (two.verdict, three.code, four.code, five.code) == ("duplicate", "conflict", "bad_currency", "bad_name")
    assert four.name == "mv_cart"
    assert (five.id, five.name, five.actor, five.time) == ("e", "BAD", None, None)
    assert (six.id, six.name, six.code) == (None, None, "bad_event")


async def test_an_event_of_the_short_way_is_told(collector: LiveCollector) -> None:
    async with following(collector) as stream:
        for number in range(3):
            body = msgspec.json.encode({"events": [event(actor=f"v-{number}")]})
            reader, writer = await asyncio.open_connection(*collector.address)
            writer.write(
                b"POST /v1/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer w-secret\r\n"
                b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
            )
            assert (await reader.readline()).split()[1] == b"200"
            writer.close()
            (told,) = (await stream.batch()).events
            assert (told.actor, told.verdict) == (f"v-{number}", "accepted")


async def test_what_was_answered_before_is_not_told_and_other_questions_tell_nothing(collector: LiveCollector) -> None:
    await collector.post([event(actor="before")])
    async with following(collector) as stream:
        await collector.summary()
        assert (await collector.problem("POST", "/v1/events", scope="write", json=5))[0] == 422
        await collector.post([event(actor="after")])
        assert [told.actor for told in (await stream.batch()).events] == ["after"]


async def test_all_who_follow_are_told_the_same(collector: LiveCollector) -> None:
    async with following(collector) as one, following(collector) as other:
        await collector.post([event(), event(name="BAD")])
        assert await one.batch() == await other.batch()


async def test_nobody_following_costs_nothing(collector: LiveCollector, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[object] = []
    monkeypatch.setattr(LiveFeed, "tell", lambda *batch: told.append(batch))
    await collector.post([event()])
    assert told == []
    async with following(collector):
        await collector.post([event()])
        assert len(told) == 1
    await until(lambda: followers(collector) == 0)
    await collector.post([event()])
    assert len(told) == 1


async def test_a_batch_that_cannot_be_told_is_stored_and_answered_all_the_same(
    collector: LiveCollector, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object) -> None:
        raise ValueError

    monkeypatch.setattr(LiveFeed, "_tell", fail)
    async with following(collector):
        assert (await collector.post([event()])).accepted == 1
    assert [record.name for record in caplog.records if record.levelname == "ERROR"] == ["kizashi.live"]


async def test_a_client_that_does_not_read_keeps_nobody_waiting_and_is_told_what_it_lost(tmp_path: Path) -> None:
    steady = [0.0]
    async with live_collector(tmp_path, live=LiveFeed(lambda: steady[0])) as collector, not_reading(collector) as slow:
        async with following(collector) as attentive:
            for _ in range(BATCHES):
                steady[0] += 1.0
                assert (await collector.post(batch_of_four())).accepted == 4
                batch = await attentive.batch()
                assert (len(batch.events), batch.left_out) == (4, 0)
        # It begins to read: what it was told and what it was not told is all that was sent.
        steady[0] += 1.0
        await collector.post([event()])
        seen = left_out = 0
        async with asyncio.timeout(20):
            async for line in slow:
                if line.startswith(b"data: "):
                    batch = msgspec.json.decode(line.removeprefix(b"data: "), type=LiveBatch)
                    seen += len(batch.events)
                    left_out += batch.left_out
                if seen + left_out >= 4 * BATCHES + 1:
                    break
        assert seen + left_out == 4 * BATCHES + 1
        assert left_out > 0


async def test_twenty_batches_a_second_are_told_and_of_each_fifty_events_with_those_that_went_wrong(
    tmp_path: Path,
) -> None:
    steady = [7.0]
    async with live_collector(tmp_path, live=LiveFeed(lambda: steady[0])) as collector, following(collector) as stream:
        good = [event() for _ in range(200)]
        bad = [event(name="BAD") for _ in range(3)]
        for number in range(25):
            await collector.post([*good[:150], *bad, *good[150:]] if number == 0 else [event(actor=f"v-{number}")])
        first = await stream.batch()
        assert [told.verdict for told in first.events] == ["accepted"] * 47 + ["rejected"] * 3
        assert first.left_out == 153
        for number in range(1, 20):
            (told,) = (await stream.batch()).events
            assert told.actor == f"v-{number}"
        steady[0] += 0.06
        await collector.post([event(actor="later")])
        later = await stream.batch()
        assert ([told.actor for told in later.events], later.left_out) == (["later"], 5)


async def test_a_message_is_never_larger_than_somebody_reads_at_once(collector: LiveCollector) -> None:
    padding = {f"k{number}": "x" * 500 for number in range(32)}
    async with following(collector) as stream:
        await collector.post([event(source=padding) for _ in range(40)])
        batch = await stream.batch()
    assert 0 < len(batch.events) <= 5
    assert len(batch.events) + batch.left_out == 40


async def test_silence_is_told_and_so_is_what_was_left_out_at_its_end(tmp_path: Path) -> None:
    limits = Limits(keep_alive_seconds=0.01)
    async with (
        live_collector(tmp_path, limits=limits, live=LiveFeed(lambda: 0.0)) as collector,
        following(collector) as stream,
    ):
        assert await stream.lines() == [": keep-alive"]
        for _ in range(25):
            await collector.post([event(), event()])
        seen = left_out = 0
        while seen + left_out < 50:
            batch = await stream.batch()
            seen, left_out = seen + len(batch.events), left_out + batch.left_out
        assert (seen, left_out) == (40, 10)
        assert await stream.lines() == [": keep-alive"]


async def test_the_twenty_first_who_would_follow_is_told_to_come_again(collector: LiveCollector) -> None:
    async with AsyncExitStack() as open_:
        for _ in range(20):
            await open_.enter_async_context(following(collector))
        async with collector.ask("GET", "/v1/live") as response:
            assert await problem_of(response) == (503, "busy")
            assert int(response.headers["Retry-After"]) > 0
    await until(lambda: followers(collector) == 0)
    async with following(collector):
        assert followers(collector) == 1


async def test_a_stop_ends_the_streams_of_those_who_read_and_of_those_who_do_not(tmp_path: Path) -> None:
    steady = [0.0]
    async with live_collector(tmp_path, live=LiveFeed(lambda: steady[0])) as collector, not_reading(collector):
        for _ in range(BATCHES):
            steady[0] += 1.0
            await collector.post(batch_of_four())
        async with following(collector) as stream:
            collector.services.drain()
            assert await stream.lines() == []
            async with asyncio.timeout(10):
                await collector.services.in_flight.none()
        assert followers(collector) == 0
        assert await collector.problem("GET", "/v1/live") == (503, "draining")


@pytest.mark.parametrize("by", ["bearer key", "session"])
async def test_who_follows_is_told_nothing_more_once_the_key_is_revoked(collector: LiveCollector, by: str) -> None:
    keys = collector.services.keys
    assert keys is not None
    secret = keys.create("somebody who leaves", "read")
    token = keys.session_for(secret, collector.wall + HOUR)
    bearer, session = {"Authorization": f"Bearer {secret}"}, {"Cookie": f"kizashi_session={token}"}
    headers = bearer if by == "bearer key" else session
    async with following(collector, scope=None, headers=headers) as stream, following(collector) as other:
        await collector.post([event(actor="before")])
        assert [told.actor for told in (await stream.batch()).events] == ["before"]
        assert [told.actor for told in (await other.batch()).events] == ["before"]
        assert keys.revoke(1)
        await collector.post([event(actor="after")])
        assert await stream.lines() == []
        assert [told.actor for told in (await other.batch()).events] == ["after"]
        assert followers(collector) == 1


async def test_who_follows_is_told_nothing_more_once_the_session_is_over(collector: LiveCollector) -> None:
    keys = collector.services.keys
    assert keys is not None
    headers = {"Cookie": f"kizashi_session={keys.session_for('r-secret', collector.wall + HOUR)}"}
    async with following(collector, scope=None, headers=headers) as stream:
        collector.advance(HOUR - 1)
        await collector.post([event(actor="in time")])
        assert [told.actor for told in (await stream.batch()).events] == ["in time"]
        collector.advance(1)
        await collector.post([event(actor="too late")])
        assert await stream.lines() == []


async def test_a_stream_on_which_nothing_happens_ends_with_its_key_as_well(tmp_path: Path) -> None:
    limits = Limits(keep_alive_seconds=0.01)
    async with live_collector(tmp_path, limits=limits) as collector:
        keys = collector.services.keys
        assert keys is not None
        headers = {"Authorization": f"Bearer {keys.create('somebody who leaves', 'read')}"}
        async with following(collector, scope=None, headers=headers) as stream:
            assert await stream.lines() == [": keep-alive"]
            assert keys.revoke(1)
            while (lines := await stream.lines()) == [": keep-alive"]:
                pass
            assert lines == []
            assert followers(collector) == 0


async def test_a_stream_is_no_slow_answer(collector: LiveCollector, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG", "kizashi.access")
    began = time.perf_counter()
    async with following(collector):
        answered = time.perf_counter() - began
        for _ in range(20):
            await collector.post([event()])
    await until(lambda: followers(collector) == 0)
    await collector.services.in_flight.none()
    (fields,) = (one.fields for one in caplog.records if one.fields["route"] == "/v1/live")  # type: ignore[attr-defined]
    # However long it goes on, it took as long as its head did.
    assert fields["ms"] <= answered * 1000 + 0.1


async def test_a_stream_has_its_headers_and_takes_no_parameter(collector: LiveCollector) -> None:
    async with following(collector, headers={"X-Request-Id": "mine"}) as stream:
        headers = stream.response.headers
        assert (headers["Cache-Control"], headers["X-Accel-Buffering"]) == ("no-store", "no")
        assert headers["X-Request-Id"] == "mine"
        assert "Content-Encoding" not in headers
    assert await collector.problem("GET", "/v1/live?since=0") == (400, "bad_query")
    async with collector.ask("HEAD", "/v1/live") as response:
        assert (response.status, response.content_type) == (200, "text/event-stream")
    await until(lambda: followers(collector) == 0)
