"""What fuzzing has found, each as the smallest body or request that showed it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec
import pytest

from fuzz.taking import Taker
from live_collector import LiveCollector, event


@pytest.fixture
def taker(tmp_path: Path) -> Taker:
    return Taker(tmp_path)


def test_an_adjustment_with_a_property_beyond_64_bits_does_not_stop_the_log(taker: Taker) -> None:
    # It could not be written, was answered 503 for ever, and took with it whatever shared its transaction.
    sent = b'{"id":"%d","name":"a","time":0,"order":"1","adjust":"retract","properties":{"x":%d}}'
    assert taker.take(b'{"events":[' + sent % (1, 2**64) + b"]}", "json") == "taken"
    assert taker.take(b'{"events":[' + sent % (2, -(2**63) - 1) + b"]}", "json") == "taken"
    assert taker.take(b'{"events":[' + sent % (3, 2**64 - 1) + b"]}", "json") == "accepted"
    taker.close()


@pytest.mark.parametrize(
    ("body", "kind"),
    [(b'{"events":0', "json"), (b'{"events":0}x', "json"), (b"[]]", "json"), (b"\x82\xa6events\x00", "msgpack")],
)
def test_a_body_that_is_broken_after_a_wrong_type_is_undecodable_and_not_misshapen(
    taker: Taker, body: bytes, kind: str
) -> None:
    # The decoder stopped at the wrong type, and said 422.
    assert taker.take(body, "json" if kind == "json" else "msgpack") == "undecodable"
    taker.close()


def test_a_value_that_is_text_but_not_utf_8_is_a_bad_value(taker: Taker) -> None:
    # UnicodeDecodeError is no msgspec.DecodeError: it was a 500.
    event = {"id": "1", "name": "a", "time": 0, "actor": "v", "value": msgspec.Raw(b"\xa1\xff")}
    assert taker.take(msgspec.msgpack.encode({"events": [event]}), "msgpack") == "taken"
    rows, codes = taker.rejected()
    assert codes == {"bad_value": 1}
    assert rows == 1
    taker.close()


async def _raw(collector: LiveCollector, request: bytes) -> bytes:
    reader, writer = await asyncio.open_connection(*collector.address)
    try:
        writer.write(request)
        async with asyncio.timeout(20):
            return await reader.read()
    finally:
        writer.close()


async def test_an_expectation_that_nobody_meets_is_answered_as_a_problem(collector: LiveCollector) -> None:
    for asked in (b"GET /healthz", b"POST /v1/events", b"GET /nowhere", b"PUT /healthz"):
        request = asked + b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\nExpect: 200-ok\r\n\r\n"
        answer = await _raw(collector, request)
        assert b" 417 " in answer
        assert b"application/problem+json" in answer


async def test_the_second_page_of_a_window_that_begins_before_1970_is_answered(
    collector: LiveCollector, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Its cursor carried a start before 1970, which was refused as a time.
    monkeypatch.setattr("kizashi_collector.http._routes._summary.MAX_ANSWER_BYTES", 17_500)
    await collector.post([event(time=0, source={"campaign": f"c{n}"}) for n in range(9)])
    query = {"to": "1000", "by": "campaign"}
    first = await collector.summary(**query)
    assert first.next_cursor is not None
    second = await collector.summary(**query, cursor=first.next_cursor)
    assert second.from_ == first.from_ == "1969-12-25T00:00:01.000Z"
    assert second.rows
    assert second.rows[0].key["campaign"] > first.rows[-1].key["campaign"]


async def test_the_description_names_the_refusals_of_metrics(collector: LiveCollector) -> None:
    async with collector.ask("GET", "/openapi.json", scope=None) as response:
        described = msgspec.json.decode(await response.read())
    assert {"401", "403"} <= described["paths"]["/metrics"]["get"]["responses"].keys()
