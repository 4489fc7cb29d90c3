"""The short way of a usual POST answers as the long way does, and takes nothing that aiohttp would read differently."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
import pytest
from aiohttp.base_protocol import BaseProtocol
from aiohttp.http_parser import HttpRequestParser
from hypothesis import given
from hypothesis import strategies as st

from kizashi_collector.http import Limits
from kizashi_collector.http._connections._quick import QuickPosts
from kizashi_collector.http._connections._quick_head import QuickHeads
from live_collector import KEYS, NOW, LiveCollector, event, live_collector, until

Answer = tuple[int, dict[str, str], bytes]


def post(body: bytes, *headers: str, key: str | None = KEYS["write"], kind: str = "application/json") -> bytes:
    lines = ["POST /v1/events HTTP/1.1", "Host: collector", f"Content-Type: {kind}", f"Content-Length: {len(body)}"]
    if key is not None:
        lines.append(f"Authorization: Bearer {key}")
    return "\r\n".join([*lines, *headers, "", ""]).encode() + body


def batch(*events: object) -> bytes:
    return msgspec.json.encode({"events": events})


async def read(reader: asyncio.StreamReader) -> Answer:
    async with asyncio.timeout(20):
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        status, *lines = head.removesuffix("\r\n\r\n").split("\r\n")
        headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
        return int(status.split()[1]), headers, await reader.readexactly(int(headers["content-length"]))


async def answers(collector: LiveCollector, *requests: bytes) -> list[Answer]:
    """The answers to requests that are sent one after the other on one connection."""
    reader, writer = await asyncio.open_connection(*collector.address)
    try:
        found = []
        for request in requests:
            writer.write(request)
            found.append(await read(reader))
        return found
    finally:
        writer.close()


@pytest.fixture
def taken(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Whether each request that was looked at went the short way."""
    found: list[bool] = []
    take = QuickPosts.take

    def noting(self: QuickPosts, *given: object) -> int | None:
        answered = take(self, *given)  # type: ignore[arg-type]
        found.append(answered is not None)
        return answered

    monkeypatch.setattr(QuickPosts, "take", noting)
    return found


def bodies(tag: str) -> list[bytes]:
    """What a collector may be sent; the same but for the tag in the ids."""
    one = event(id=f"{tag}-1")
    return [
        batch(one),
        batch(one),
        batch(one | {"actor": "another"}),
        batch(event(id=f"{tag}-2"), event(id=f"{tag}-2"), event(id=f"{tag}-3", name="BAD"), 5),
        batch(*(event(id=f"{tag}-4-{n}", order=f"{tag}-{n % 3}") for n in range(20))),
        batch(event(id=f"{tag}-5", time=NOW + 10**9)),
        batch(event(id=f"{tag}-6", order=f"{tag}-o", adjust="retract")),
        batch(),
        b"no JSON",
        b'{"events":5}',
        b'{"events":[{"id":"\\ud800"}]}',
        b'{"sent_at":"yesterday","events":[]}',
    ]


async def test_both_ways_answer_the_same(collector: LiveCollector, taken: list[bool]) -> None:
    short = await answers(collector, *map(post, bodies("s")))
    ways = list(taken)
    # An id of its own in the request is unusual enough.
    long = await answers(collector, *(post(body, "X-Request-Id: mine") for body in bodies("l")))
    assert ways[:7] == [True] * 7
    assert not any(taken[len(ways) :])
    for (status, headers, body), (expected, theirs, text) in zip(short, long, strict=True):
        problem = {"request_id": None} if expected >= 400 else {}
        found = msgspec.json.decode(body.replace(b'"s-', b'"l-').replace(b"'s-", b"'l-"), type=dict[str, object])
        assert (status, found | problem) == (expected, msgspec.json.decode(text, type=dict[str, object]) | problem)
        assert headers["content-type"].split(";")[0] == theirs["content-type"].split(";")[0]
        assert len(headers["date"]) == len(theirs["date"])
        assert headers["x-request-id"] != "mine" == theirs["x-request-id"]


async def test_msgpack_goes_the_short_way_too(collector: LiveCollector, taken: list[bool]) -> None:
    body = msgspec.msgpack.encode({"events": [event(), event()]})
    ((status, headers, answer),) = await answers(collector, post(body, kind="application/msgpack"))
    assert (status, headers["content-type"], taken) == (200, "application/msgpack", [True])
    assert msgspec.msgpack.decode(answer)["accepted"] == 2


@pytest.mark.parametrize(
    "request_",
    [
        post(batch(event()), key=None),
        post(batch(event()), key=KEYS["read"]),
        post(batch(event()), key="unknown"),
        post(batch(event()), "Content-Encoding: gzip"),
        post(batch(event()), "Connection: close"),
        post(batch(event())).replace(b"Content-Type: application/json", b"Content-Type: text/plain"),
        post(batch(*(event() for _ in range(129)))),
    ],
    ids=["no key", "read key", "unknown key", "gzip", "close", "text", "many"],
)
async def test_what_is_unusual_goes_the_long_way(collector: LiveCollector, taken: list[bool], request_: bytes) -> None:
    await answers(collector, request_)
    assert taken == [False]


async def test_without_keys_the_short_way_is_open(tmp_path: Path, taken: list[bool]) -> None:
    async with live_collector(tmp_path, keys=False) as collector:
        ((status, _, _),) = await answers(collector, post(batch(event()), key=None))
    assert (status, taken) == (200, [True])


async def test_requests_that_come_before_the_answer_are_answered_in_their_order(collector: LiveCollector) -> None:
    reader, writer = await asyncio.open_connection(*collector.address)
    # In pieces of every kind: several at once, and one that ends in the middle of the next.
    whole = b"".join(post(batch(event(id=f"p-{n}"), *[5] * n)) for n in range(6))
    for piece in (whole[:300], whole[300:310], whole[310:]):
        writer.write(piece)
        await writer.drain()
    found = [msgspec.json.decode((await read(reader))[2]) for _ in range(6)]
    writer.close()
    assert [(one["accepted"], one["rejected"]) for one in found] == [(1, n) for n in range(6)]


async def test_what_a_client_sent_before_it_left_is_stored(collector: LiveCollector) -> None:
    for number in range(5):
        _, writer = await asyncio.open_connection(*collector.address)
        writer.write(post(batch(event(id=f"left-{number}"))))
        await writer.drain()
        writer.close()
    async with asyncio.timeout(20):
        while len(await collector.services.log.newest(10)) < 5:
            pass
    await until(lambda: collector.services.in_flight.count == 0)


async def test_an_idle_connection_that_only_went_the_short_way_is_closed(tmp_path: Path, taken: list[bool]) -> None:
    async with live_collector(tmp_path, limits=Limits(idle_seconds=0.3)) as collector:
        reader, writer = await asyncio.open_connection(*collector.address)
        for _ in range(3):
            writer.write(post(batch(event())))
            assert (await read(reader))[0] == 200
        async with asyncio.timeout(20):
            assert await reader.read() == b""
        writer.close()
    assert taken == [True] * 3


async def test_a_full_log_and_a_failing_one_are_told_as_problems(
    collector: LiveCollector, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    log = collector.services.log
    monkeypatch.setattr(log._writer, "_max_pending", 0)  # type: ignore[attr-defined]
    with caplog.at_level(logging.INFO, "kizashi.access"):
        ((status, headers, body),) = await answers(collector, post(batch(event())))
    problem = msgspec.json.decode(body)
    assert (status, problem["code"], headers["content-type"]) == (503, "busy", "application/problem+json")
    assert problem["request_id"] == headers["x-request-id"]
    assert int(headers["retry-after"]) >= 1
    assert [record.getMessage() for record in caplog.records] == ["POST /v1/events 503"]
    monkeypatch.undo()
    assert (await answers(collector, post(batch(event()))))[0][0] == 200


async def test_what_there_is_no_room_for_is_refused_before_its_body_came(tmp_path: Path) -> None:
    async with live_collector(tmp_path, limits=Limits(rate=1, events=1)) as collector:
        assert (await answers(collector, post(batch(event()))))[0][0] == 200
        reader, writer = await asyncio.open_connection(*collector.address)
        large = post(b"x" * 500_000)
        writer.write(large[:1_000])
        status, headers, body = await read(reader)
        assert (status, msgspec.json.decode(body)["code"]) == (429, "rate_limited")
        assert int(headers["retry-after"]) >= 1
        # What comes of the body is dropped, and the next request is answered.
        writer.write(large[1_000:] + post(batch(event()), key="unknown"))
        assert (await read(reader))[0] == 401
        writer.close()


async def test_bodies_on_the_short_way_count_as_bytes_in_flight(tmp_path: Path, taken: list[bool]) -> None:
    async with live_collector(tmp_path, limits=Limits(bytes_in_flight=40_000)) as collector:
        log = collector.services.log
        hold = asyncio.Event()
        submit = log.submit

        def held(parts: Any) -> Any:
            async def later() -> Any:
                await hold.wait()
                return await submit(parts)

            return asyncio.ensure_future(later())

        log.submit = held  # type: ignore[method-assign]
        body = batch(*(event(properties={"text": "x" * 1_000}) for _ in range(20)))
        asked = [asyncio.create_task(answers(collector, post(body))) for _ in range(4)]
        await until(lambda: len(taken) == 4)
        assert 1 <= sum(taken) < 4
        assert 0 < collector.services.in_flight.bytes <= 40_000
        hold.set()
        statuses = sorted(status for ((status, _, _),) in await asyncio.gather(*asked))
        assert statuses[0] == 200
        assert statuses[-1] in (429, 503)
        assert collector.services.in_flight.bytes == 0


async def test_a_client_that_does_not_read_its_answers_is_not_read_either(
    collector: LiveCollector, taken: list[bool]
) -> None:
    once = [event(id=f"again-{n}") for n in range(100)]
    await collector.post(once)
    conflicts = post(batch(*(one | {"actor": "another"} for one in once)))
    # Beyond so little, what arrives stays in the socket.
    _, writer = await asyncio.open_connection(*collector.address, limit=1)
    before = len(taken)
    with suppress(TimeoutError):
        async with asyncio.timeout(5):
            for _ in range(2_000):
                writer.write(conflicts)
                await writer.drain()
    answered = len(taken) - before
    writer.transport.abort()
    assert 0 < answered < 1_500


async def test_while_it_stops_nothing_is_let_in(collector: LiveCollector) -> None:
    collector.services.draining = True
    assert [status for status, _, _ in await answers(collector, post(batch(event())))] == [503]


# -- heads ------------------------------------------------------------------------------------------------------------

USUAL = post(b"{}")


def test_a_usual_head_is_read() -> None:
    head = QuickHeads().read(USUAL)
    assert head is not None
    assert (USUAL[head.start :], head.length, head.kind, head.secret) == (b"{}", 2, "json", KEYS["write"])


@pytest.mark.parametrize(
    ("usual", "unusual"),
    [
        (b"POST ", b"post "),
        (b"POST /v1/events", b"POST /v1/events?a=1"),
        (b"POST /v1/events", b"POST http://collector/v1/events"),
        (b"HTTP/1.1", b"HTTP/1.0"),
        (b"Host: collector\r\n", b""),
        (b"Host: collector\r\n", b"Host: collector\r\nHost: collector\r\n"),
        (b"Host: collector\r\n", b"Host: collector\n"),
        (b"Host: collector\r\n", b"Host : collector\r\n"),
        (b"Host: collector\r\n", b"Host: collector\r\n folded: yes\r\n"),
        (b"Host: collector\r\n", b"Host: collector\r\nA: \x00\r\n"),
        (b"Host: collector\r\n", b"Host: collector\r\nTransfer-Encoding: chunked\r\n"),
        (b"Host: collector\r\n", b"Host: collector\r\nExpect: 100-continue\r\n"),
        (b"Host: collector\r\n", b"Host: collector\r\nConnection: close\r\n"),
        (b"Host: collector\r\n", b"Host: collector\r\nUpgrade: websocket\r\n"),
        (b"Content-Length: 2", b"Content-Length: +2"),
        (b"Content-Length: 2", b"Content-Length: 02"),
        (b"Content-Length: 2", b"Content-Length: 2, 2"),
        (b"Content-Length: 2", b"Content-Length: 2\r\nContent-Length: 2"),
        (b"Content-Length: 2", b"Content-Length: 1"),
        (b"Content-Length: 2\r\n", b""),
        (b"Bearer", b"Basic"),
        (b"application/json", b"application/json; charset=utf-8"),
        (b"{}", b"{}POST"),
    ],
)
def test_a_head_that_is_not_plainly_usual_is_left_to_aiohttp(usual: bytes, unusual: bytes) -> None:
    assert usual in USUAL
    heads = QuickHeads()
    assert heads.read(USUAL) is not None
    for _ in range(2):  # what is remembered is the same
        assert heads.read(USUAL.replace(usual, unusual, 1)) is None


pieces = st.sampled_from(
    [
        *(b"Host: a", b"Host:a", b"Content-Length: 2", b"Content-Length: 3", b"content-type: application/json"),
        *(b"Authorization: Bearer x", b"Authorization: bearer  x", b"Connection: keep-alive", b"A:  b  c", b"B: b\tc"),
        *(b"Connection: close", b"Transfer-Encoding: chunked", b"User-Agent: x/1 (y)", b"C:", b"D", b" E: f", b"F: g "),
        *(b"traceparent: 00-ab-cd-01", b"G_h: 1", b"\xff: 1", b"H: \xff"),
    ]
)


@given(st.lists(pieces, max_size=7), st.sampled_from([b"{}", b"{} ", b""]))
def test_what_is_read_here_aiohttp_reads_the_same(lines: list[bytes], body: bytes) -> None:
    data = b"\r\n".join([b"POST /v1/events HTTP/1.1", b"Content-Type: application/json", *lines, b"", b""]) + body
    head = QuickHeads().read(data)
    if head is None or head.start + head.length != len(data):
        return
    loop = asyncio.new_event_loop()
    try:
        protocol = BaseProtocol(loop)
        parser = HttpRequestParser(protocol, loop, 2**16, max_line_size=8190, max_field_size=8190)
        messages, upgraded, tail = parser.feed_data(data)
    finally:
        loop.close()
    ((message, payload),) = messages
    assert (message.method, message.path, upgraded, tail) == ("POST", "/v1/events", False, b"")
    assert not message.should_close
    assert not message.chunked
    assert payload.is_eof()
    assert payload.read_nowait() == data[head.start :]
    assert message.headers.get("Authorization", "").partition(" ")[2].strip() == (head.secret or "")
