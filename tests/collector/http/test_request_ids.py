"""Every request has an id: in its answer, in a problem, and in what is logged meanwhile."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from io import StringIO

import msgspec
import pytest
from aiohttp import ClientSession, web

from kizashi_collector.cli._logging import JsonLines
from kizashi_collector.http import Watch, make_runner
from live_collector import KEYS, LiveCollector, event


@pytest.fixture
def lines() -> Iterator[StringIO]:
    """What is logged by this process, as JSON."""
    written = StringIO()
    handler = logging.StreamHandler(written)
    handler.setFormatter(JsonLines())
    logger = logging.getLogger("kizashi")
    logger.addHandler(handler)
    level = logger.level
    logger.setLevel(logging.INFO)
    yield written
    logger.setLevel(level)
    logger.removeHandler(handler)


def of(lines: StringIO, logger: str) -> list[dict[str, object]]:
    decoded = [msgspec.json.decode(line) for line in lines.getvalue().splitlines()]
    return [line for line in decoded if line["logger"] == logger]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/healthz", 200),
        ("GET", "/v1/summary", 200),
        ("GET", "/v1/summary?window=bad", 400),
        ("GET", "/nobody/knows", 404),
        ("DELETE", "/v1/events", 405),
        ("POST", "/v1/plan", 403),
    ],
)
async def test_an_answer_has_an_id_and_a_problem_repeats_it(
    collector: LiveCollector, method: str, path: str, status: int
) -> None:
    async with collector.ask(method, path) as response:
        assert response.status == status
        request_id = response.headers["X-Request-Id"]
        assert request_id
        if status >= 400:
            assert (await response.json(content_type=None))["request_id"] == request_id


@pytest.mark.parametrize("sent", ["8f3c-11", "Root=1-67891233-abcdef012345678912345678", "a/b+c=:._-", "x" * 128])
async def test_an_id_that_a_proxy_gave_is_kept(collector: LiveCollector, sent: str) -> None:
    async with collector.ask("GET", "/healthz", headers={"X-Request-Id": sent}) as response:
        assert response.headers["X-Request-Id"] == sent


@pytest.mark.parametrize(
    "sent", [b"", b"x" * 129, b"two words", b'"quoted"', b"<b>", b"\xff\xfe", b"caf\xc3\xa9", b"a;b"]
)
async def test_an_id_that_is_none_is_replaced(collector: LiveCollector, sent: bytes) -> None:
    reader, writer = await asyncio.open_connection(*collector.address)
    writer.write(b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-Request-Id: " + sent + b"\r\nConnection: close\r\n\r\n")
    answer = await reader.read()
    writer.close()
    (given,) = [line for line in answer.split(b"\r\n") if line.startswith(b"X-Request-Id: ")]
    assert answer.startswith(b"HTTP/1.1 200")
    assert given.removeprefix(b"X-Request-Id: ") not in (sent, b"")


async def test_no_two_requests_share_an_id_even_on_one_connection(collector: LiveCollector) -> None:
    async def ask() -> str:
        async with collector.ask("GET", "/healthz") as response:
            return str(response.headers["X-Request-Id"])

    given = [await ask() for _ in range(20)] + list(await asyncio.gather(*(ask() for _ in range(20))))
    assert len(set(given)) == 40


async def test_what_is_logged_during_a_request_has_its_id_and_no_word_of_an_error_that_nobody_expected(
    collector: LiveCollector, lines: StringIO
) -> None:
    class Broken:
        async def summary(self, *_: object, **__: object) -> None:
            raise RuntimeError("the-value-of-somebody")

    collector.services.answers = Broken()  # type: ignore[assignment]
    async with collector.ask("GET", "/v1/summary", headers={"X-Request-Id": "find-me"}) as response:
        assert response.status == 500
        assert (await response.json(content_type=None))["request_id"] == "find-me"
    (bug,) = of(lines, "kizashi.http")
    (access,) = of(lines, "kizashi.access")
    assert bug["request_id"] == access["request_id"] == "find-me"
    assert (bug["error"], access["level"]) == ("RuntimeError", "error")
    assert "the-value-of-somebody" not in lines.getvalue()
    assert any("test_request_ids.py" in str(frame) for frame in msgspec.convert(bug["trace"], list[str]))


async def test_a_usual_answer_has_no_line_and_a_slow_one_tells_what_became_of_its_events(
    collector: LiveCollector, lines: StringIO
) -> None:
    await collector.post([event()])
    assert lines.getvalue() == ""
    runner = make_runner(collector.services, Watch(slow_seconds=0.0))
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        url = f"http://127.0.0.1:{runner.addresses[0][1]}/v1/events"
        events = [event(), event(id="twice"), event(id="twice"), event(name="BAD")]
        async with (
            ClientSession() as session,
            session.post(
                url, json={"events": events}, headers={"Authorization": f"Bearer {KEYS['write']}"}
            ) as response,
        ):
            assert response.status == 200
            request_id = response.headers["X-Request-Id"]
    finally:
        await runner.cleanup()
    (line,) = of(lines, "kizashi.access")
    assert line["message"] == "POST /v1/events 200 (slow)"
    assert (line["level"], line["request_id"], line["remote"]) == ("warning", request_id, "127.0.0.1")
    assert (line["events"], line["accepted"], line["duplicate"], line["bad_name"]) == (4, 2, 1, 1)
    assert msgspec.convert(line["ms"], float) > 0
