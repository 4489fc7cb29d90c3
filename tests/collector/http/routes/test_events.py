"""POST /v1/events: what is accepted, once, and when."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from backports import zstd

from kizashi_collector.http import Limits
from kizashi_collector.ingest import TRUSTED_WITHIN_MS
from kizashi_collector.store import Candidate, SqliteLog, StoreBusyError
from kizashi_schemas import parse_time
from live_collector import HOUR, KEYS, MINUTE, NOW, LiveCollector, event, live_collector, until

JSON = {"Content-Type": "application/json"}
PLAN = (
    'currency = "JPY"\nrates = { USD = 150 }\nunplanned = "reject"\n[events.mv_view]\n[events.purchase]\nfinal = true\n'
)


async def send(collector: LiveCollector, body: bytes, **headers: str) -> dict[str, Any]:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    async with collector.ask("POST", "/v1/events", scope="write", data=body, headers=named) as response:
        assert response.status == 200, await response.text()
        decode = msgspec.msgpack.decode if response.content_type == "application/msgpack" else msgspec.json.decode
        answer: dict[str, Any] = decode(await response.read())
        return answer


async def stored(collector: LiveCollector) -> list[dict[str, object]]:
    async with collector.ask("GET", "/v1/events") as response:
        listing: list[dict[str, object]] = (await response.json())["events"]
        return listing


async def test_json_and_messagepack_plain_gzip_and_zstd_are_the_same_batch(collector: LiveCollector) -> None:
    batch = {"events": [event(value="12.50", currency="USD", properties={"sku": "A-1", "qty": 2})]}
    as_json, as_msgpack = msgspec.json.encode(batch), msgspec.msgpack.encode(batch)
    assert (await send(collector, as_json, Content_Type="application/json"))["accepted"] == 1
    for body, kind, encoding in [
        (gzip.compress(as_json), "application/json", "gzip"),
        (zstd.compress(as_json), "application/json", "zstd"),
        (as_msgpack, "application/msgpack", "identity"),
        (gzip.compress(as_msgpack), "application/x-msgpack", "gzip"),
        (zstd.compress(as_msgpack), "application/msgpack", "zstd"),
    ]:
        answer = await send(collector, body, Content_Type=kind, Content_Encoding=encoding)
        assert (answer["duplicates"], answer["accepted"]) == (1, 0)
        assert answer["verdicts"] == [{"index": 0, "id": batch["events"][0]["id"], "verdict": "duplicate"}]


async def test_a_body_without_content_type_is_json(collector: LiveCollector) -> None:
    body = msgspec.json.encode({"events": [event()]})
    async with collector.session.post(
        collector.url + "/v1/events",
        data=body,
        headers={"Authorization": "Bearer w-secret"},
        skip_auto_headers=["Content-Type"],
    ) as response:
        assert (await response.json())["accepted"] == 1


async def test_an_empty_batch_is_answered(collector: LiveCollector) -> None:
    answer = await collector.post([])
    assert (answer.accepted, answer.duplicates, answer.rejected, answer.verdicts) == (0, 0, 0, [])


async def test_what_was_sent_is_what_is_kept(collector: LiveCollector) -> None:
    whole = event(
        "purchase",
        value="12.50",
        currency="USD",
        order="A-1",
        session="s",
        source={"campaign": "ブランド", "gclid": "x"},
        properties={"a": 1, "b": 1.5, "c": True, "d": None, "e": "😀\u0000"},
        consent={"ads": True},
    )
    await collector.post([whole])
    (kept,) = await stored(collector)
    assert kept == {
        **whole,
        "time": "2026-09-21T14:13:20.000Z",
        "received_at": "2026-09-21T14:13:20.000Z",
        "value": 12.5,
    }


async def test_two_hundred_concurrent_copies_of_one_event_count_once(collector: LiveCollector) -> None:
    same = event("purchase", order="A-1")
    answers = await asyncio.gather(*(collector.post([same, event()]) for _ in range(200)))
    assert sum(answer.accepted for answer in answers) == 201
    assert sum(answer.duplicates for answer in answers) == 199
    assert (await collector.summary()).total.events["purchase"].count == 1


async def test_two_events_racing_for_one_order_count_once(collector: LiveCollector) -> None:
    answers = await asyncio.gather(*(collector.post([event("purchase", order="A-1")]) for _ in range(50)))
    assert sum(answer.accepted for answer in answers) == 1
    assert {verdict.code for answer in answers for verdict in answer.verdicts} == {"order"}


async def test_a_plan_gives_the_currency_and_refuses_what_it_cannot_convert(tmp_path: Path) -> None:
    async with live_collector(tmp_path, plan=PLAN) as collector:
        answer = await collector.post(
            [
                event("purchase", value=1200),
                event("purchase", value="12.50", currency="USD"),
                event("purchase", value=5, currency="EUR"),
                event("purchase", value=12.5),
                event("mv_other"),
            ]
        )
        assert [(v.index, v.code) for v in answer.verdicts] == [(2, "bad_currency"), (3, "bad_value"), (4, "unplanned")]
        kept = await stored(collector)
        assert [(row["value"], row["currency"]) for row in kept] == [(12.5, "USD"), (1200, "JPY")]


async def test_a_retry_is_a_duplicate_whatever_the_plan_says_meanwhile(collector: LiveCollector) -> None:
    async def plan(text: str) -> None:
        async with collector.ask("POST", "/v1/plan", scope="admin", data=text) as response:
            assert response.status == 200, await response.text()

    await plan('currency = "USD"\n')
    first = event("purchase", value="12.50")
    assert (await collector.post([first])).accepted == 1
    await plan('currency = "JPY"\nunplanned = "reject"\nretention = "28d"\n')
    collector.advance(60 * 24 * HOUR)
    answer = await collector.post([first])
    assert [(verdict.verdict, verdict.code) for verdict in answer.verdicts] == [("duplicate", None)]


async def test_times_are_shifted_when_the_senders_clock_is_off_by_more_than_5_s(collector: LiveCollector) -> None:
    ahead = NOW + HOUR
    await collector.post([event(time=ahead - MINUTE)], sent_at=ahead)
    await collector.post([event(time=NOW - MINUTE)], sent_at=NOW - TRUSTED_WITHIN_MS)
    await collector.post([event(time=NOW - MINUTE)], sent_at="2026-09-21T14:13:14.999Z")
    late, close, first = await stored(collector)
    assert (first["time"], first["shift_ms"]) == ("2026-09-21T14:12:20.000Z", -HOUR)
    assert (close["time"], close.get("shift_ms")) == ("2026-09-21T14:12:20.000Z", None)
    assert (late["time"], late["shift_ms"]) == ("2026-09-21T14:12:25.001Z", 5_001)
    async with collector.ask("GET", "/metrics") as response:
        assert "kizashi_shifted_events_total 2.0" in await response.text()


async def test_nothing_is_shifted_while_the_collectors_own_clock_is_in_doubt(collector: LiveCollector) -> None:
    collector.wall -= HOUR
    await collector.post([event(time=NOW - 2 * HOUR)], sent_at=NOW)
    (kept,) = await stored(collector)
    assert kept["time"] == "2026-09-21T12:13:20.000Z"
    assert "shift_ms" not in kept


async def test_a_shift_that_leads_before_1970_rejects_the_event_alone(collector: LiveCollector) -> None:
    answer = await collector.post([event(time=1000), event(time=NOW + HOUR)], sent_at=NOW + HOUR)
    assert [(verdict.index, verdict.code) for verdict in answer.verdicts] == [(0, "bad_time")]


@pytest.mark.parametrize("sent_at", [253_402_300_799_999, "9999-12-31T23:59:59Z", 0])
async def test_any_sent_at_that_is_a_time_can_be_stored(collector: LiveCollector, sent_at: int | str) -> None:
    assert (await collector.post([event(time=parse_time(sent_at))], sent_at=sent_at)).accepted == 1


async def test_a_time_that_a_correction_carries_beyond_the_year_9999_is_refused_alone(collector: LiveCollector) -> None:
    last = "9999-12-31T23:59:59.999Z"
    answer = await collector.post([event(), event(time=parse_time(last)), event()], sent_at=NOW - MINUTE)
    assert [(verdict.index, verdict.code) for verdict in answer.verdicts] == [(1, "from_the_future")]


async def test_a_number_that_json_readers_cannot_hold_is_listed_as_text(collector: LiveCollector) -> None:
    good = msgspec.json.encode(event())
    body = b'{"events": [{"id": "1", "name": "a", "time": 1e999, "actor": "x"}, ' + good + b"]}"
    answer = await send(collector, body, Content_Type="application/json")
    assert [verdict["code"] for verdict in answer["verdicts"]] == ["bad_time"]
    async with collector.ask("GET", "/v1/rejected") as response:
        (row,) = msgspec.json.decode(await response.read())["rejected"]
    assert "1e999" in row["event"]


async def test_bodies_on_their_way_are_bounded_together(tmp_path: Path) -> None:
    async with live_collector(tmp_path, limits=Limits(bytes_in_flight=10_000)) as collector:

        async def body(rest: asyncio.Event) -> AsyncIterator[bytes]:
            yield b'{"events": [],   ' + b" " * 6_000
            await rest.wait()
            yield b'"x": 1}'

        rest = asyncio.Event()
        first = asyncio.create_task(send_stream(collector, body(rest)))
        await until(lambda: collector.services.in_flight.bytes >= 6_000)
        second = await collector.problem("POST", "/v1/events", scope="write", data=b" " * 6_000, headers=JSON)
        assert second == (503, "busy")
        rest.set()
        assert await first == 200
        assert collector.services.in_flight.bytes == 0
        assert (await collector.post([event()])).accepted == 1


async def send_stream(collector: LiveCollector, body: AsyncIterator[bytes]) -> int:
    async with collector.ask("POST", "/v1/events", scope="write", data=body, headers=JSON) as response:
        status: int = response.status
        return status


async def test_a_body_that_does_not_come_is_not_waited_for_for_ever(tmp_path: Path) -> None:
    async with live_collector(tmp_path, limits=Limits(body_seconds=0.05)) as collector:
        reader, writer = await asyncio.open_connection(*collector.address)
        head = ["POST /v1/events HTTP/1.1", "Host: x", f"Authorization: Bearer {KEYS['write']}", "Content-Length: 99"]
        writer.write("\r\n".join([*head, "", '{"ev']).encode())
        assert (await reader.readline()).split()[1] == b"408"
        assert b"too_slow" in await reader.read()
        writer.close()
        assert (await collector.post([event()])).accepted == 1


async def test_a_client_that_leaves_in_the_middle_of_a_body_is_no_failure_of_ours(
    collector: LiveCollector, caplog: pytest.LogCaptureFixture
) -> None:
    _, writer = await asyncio.open_connection(*collector.address)
    head = ["POST /v1/events HTTP/1.1", "Host: x", f"Authorization: Bearer {KEYS['write']}", "Content-Length: 99"]
    writer.write("\r\n".join([*head, "", '{"ev']).encode())
    await until(lambda: collector.services.in_flight.bytes > 0)
    writer.close()
    await collector.services.in_flight.none()
    assert collector.services.in_flight.bytes == 0
    async with collector.ask("GET", "/metrics") as response:
        metrics = await response.text()
    assert 'status="499"' in metrics
    assert 'status="500"' not in metrics
    assert caplog.records == []


async def test_what_is_no_http_is_logged_without_what_was_sent(
    collector: LiveCollector, caplog: pytest.LogCaptureFixture
) -> None:
    for request in (b"GET / HTTP/1.1\r\nAuthorization: Bearer kz_secret\x01\r\n\r\n", b"kz_secret\r\n\r\n"):
        reader, writer = await asyncio.open_connection(*collector.address)
        writer.write(request)
        assert b" 400 " in await reader.readline()
        writer.close()
    caplog.set_level("DEBUG")
    assert "kz_secret" not in caplog.text


async def test_with_retention_what_is_older_is_refused(tmp_path: Path) -> None:
    async with live_collector(tmp_path, retention=HOUR) as collector:
        answer = await collector.post([event(time=NOW - HOUR), event(time=NOW - HOUR - 1)])
        assert [(verdict.index, verdict.code) for verdict in answer.verdicts] == [(1, "too_old")]


async def test_a_rejected_event_is_kept_with_its_reason(collector: LiveCollector) -> None:
    bad = event(value=12.5, currency="JPY")
    body = msgspec.msgpack.encode({"events": [bad]})
    await collector.post([bad])
    async with collector.ask(
        "POST", "/v1/events", scope="write", data=body, headers={"Content-Type": "application/msgpack"}
    ) as response:
        assert response.status == 200
    async with collector.ask("GET", "/v1/rejected", params={"limit": "10"}) as response:
        listing = await response.json()
    assert (listing["total"], listing["codes"]) == (2, {"bad_value": 2})
    assert [(row["id"], row["event"]) for row in listing["rejected"]] == [(bad["id"], bad)] * 2


async def test_a_batch_is_refused_while_too_much_waits(tmp_path: Path) -> None:
    log = SqliteLog(tmp_path, max_pending=10)
    try:
        candidates = [Candidate(event=None, refusal=None, id=None, body=b"5", received_at=NOW)] * 6
        waiting = asyncio.create_task(log.append(candidates))
        await asyncio.sleep(0)
        with pytest.raises(StoreBusyError, match="6 events wait"):
            await log.append(candidates)
        await waiting
        assert len(await log.append(candidates)) == 6
    finally:
        await log.close()


async def test_surrogate_pairs_and_what_only_looks_like_one_are_text(collector: LiveCollector) -> None:
    texts = [r"\ud83d\ude00", r"\\ud83d", r"\\\ud83d\ude00", r"\\\\ude00", r"\uD83D\uDE00\uD83D\uDE00"]
    events = [
        b'{"id": "%d", "name": "a", "time": 0, "actor": "x", "properties": {"t": "%s"}}' % (n, text.encode())
        for n, text in enumerate(texts)
    ]
    answer = await send(collector, b'{"events": [' + b",".join(events) + b"]}", Content_Type="application/json")
    assert answer["accepted"] == len(texts)
    kept = [row["properties"]["t"] for row in reversed(await stored(collector))]  # type: ignore[index]  # plain JSON
    assert kept == ["😀", r"\ud83d", "\\😀", r"\\ude00", "😀😀"]
