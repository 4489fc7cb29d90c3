"""The log of a running collector: its form, no word of what was sent, and no flood."""

from __future__ import annotations

import argparse
import asyncio
import gzip
import logging
import os
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest
from aiohttp import ClientSession

from collector_process import KEYS, CollectorProcess
from kizashi_collector.cli._logging import FloodGate, JsonLines, TextLines, form_for
from kizashi_collector.cli._settings import SETTINGS, SettingsError, add_options, resolve
from live_collector import event

MARK = "qzxjv"
"""What no line may hold: it is in every field, header, path and query that the clients below send."""


def record(message: str, *args: object, level: int = logging.WARNING, name: str = "kizashi.store", **more: Any) -> Any:
    made = logging.LogRecord(name, level, __file__, 1, message, args, None)
    made.__dict__.update(more)
    return made


def spoilt(mark: str) -> list[dict[str, Any]]:
    """Events that carry the mark wherever they can, well-formed and not."""
    now = time.time_ns() // 1_000_000
    good = event(
        f"mv_{mark}",
        now,
        actor=f"actor-{mark}",
        value=77,
        currency="JPY",
        order=f"order-{mark}",
        session=f"session-{mark}",
        source={"campaign": f"campaign-{mark}", mark: mark},
        properties={"email": f"{mark}@example.com", mark: mark},
        consent={mark: True},
    ) | {"id": f"id-{mark}"}
    other = good | {"actor": f"other-{mark}"}  # a conflict
    again = good | {"id": f"id2-{mark}"}  # an order that is there
    bad = [
        good | {"id": f"id3-{mark}", field: value}
        for field, value in [
            *(("name", f"BAD {mark}"), ("time", mark), ("value", f"1{mark}"), ("currency", f"X{mark}")),
            *(("actor", [mark]), ("source", {mark: [mark]}), ("properties", {mark: {mark: mark}}), ("adjust", mark)),
        ]
    ]
    return [good, good, other, again, *bad]


async def every_kind_of_request(url: str, mark: str) -> int:
    """Send it all; return how many requests it were."""
    events = spoilt(mark)
    json = msgspec.json.encode({"events": events, "sent_at": 5})
    right = {"Authorization": "Bearer w-secret", "Content-Type": "application/json"}
    spoilt_headers = {
        "User-Agent": f"agent-{mark}",
        "Referer": f"http://{mark}.example/",
        "Cookie": f"session={mark}",
        "X-Forwarded-For": f"{mark}",
        "X-Request-Id": f"not sane {mark}",
        "If-None-Match": f'"{mark}"',
    }
    posts: list[tuple[bytes, dict[str, str]]] = [
        (json, right),
        (gzip.compress(json), right | {"Content-Encoding": "gzip"}),
        (msgspec.msgpack.encode({"events": events}), right | {"Content-Type": "application/msgpack"}),
        (b"{" + mark.encode(), right),
        (msgspec.json.encode({"events": mark}), right),
        (msgspec.json.encode({"events": [], "sent_at": mark}), right),
        (json, right | {"Content-Type": f"text/{mark}"}),
        (json, right | {"Content-Encoding": mark}),
        (mark.encode(), right | {"Content-Encoding": "gzip"}),
        (json, right | {"Authorization": f"Bearer {mark}"}),
        (json, right | {"Authorization": f"{mark} {mark}"}),
        (json, right | {"Authorization": "Bearer r-secret"}),
    ]
    gets = [
        f"/v1/summary?by={mark}",
        f"/v1/summary?window={mark}",
        f"/v1/summary?{mark}=1",
        f"/v1/summary?cursor={mark}",
        f"/v1/events?limit={mark}",
        f"/v1/funnels/{mark}",
        f"/v1/actors/{mark}",
        f"/{mark}",
        "/v1/events",
        "/v1/rejected",
        "/metrics",
    ]
    async with ClientSession(headers=spoilt_headers) as session:
        for body, headers in posts:
            async with session.post(f"{url}/v1/events", data=body, headers=headers) as response:
                await response.read()
        read = {"Authorization": "Bearer a-secret"}
        for path in gets:
            async with session.get(url + path, headers=read) as response:
                await response.read()
        async with session.delete(f"{url}/v1/actors/{mark}", headers=read) as response:
            await response.read()
        funnel = {"steps": [mark, f"mv_{mark}"], "by": [mark], "exclude": [{"event": mark}]}
        async with session.post(f"{url}/v1/funnels", json=funnel, headers=read) as response:
            await response.read()
        async with session.post(f"{url}/v1/plan", data=f"{mark} = [".encode(), headers=read) as response:
            await response.read()
    for raw in (f"{mark} / HTTP/1.1\r\n\r\n", f"GET / {mark}\r\n\r\n", f"GET / HTTP/1.1\r\n{mark} {mark}\r\n\r\n"):
        reader, writer = await asyncio.open_connection(*url.removeprefix("http://").split(":"))
        writer.write(raw.encode())
        await reader.read()
        writer.close()
    return len(posts) + len(gets) + 3


@pytest.mark.parametrize("form", ["json", "text"])
async def test_no_line_holds_what_was_sent_even_at_debug(tmp_path: Path, form: str) -> None:
    keys = KEYS | {"KIZASHI_LOG_FORMAT": form}
    with CollectorProcess(tmp_path, "--log-level", "debug", environment=keys) as collector:
        sent = await every_kind_of_request(collector.url, MARK)
        code, errors = collector.stop()
    assert code == 0
    access = [line for line in errors.splitlines() if "kizashi.access" in line]
    assert len(access) == sent, "at debug each request has its line"
    found = [line for line in errors.splitlines() if MARK in line.lower() or "-secret" in line]
    assert found == []
    if form == "json":
        lines = [msgspec.json.decode(line) for line in access]
        assert {"/v1/events", "/v1/summary", "/v1/funnels/{name}", "unknown"} <= {line["route"] for line in lines}
        assert {200, 400, 401, 403, 404, 415, 422} <= {line["status"] for line in lines}
        assert all(line["request_id"] for line in lines)


async def test_at_info_a_usual_request_has_no_line_and_an_error_has_one(tmp_path: Path) -> None:
    with CollectorProcess(tmp_path) as collector:
        async with ClientSession() as session:
            for _ in range(3):
                async with session.get(f"{collector.url}/healthz") as response:
                    assert response.status == 200
            async with session.get(f"{collector.url}/v1/summary?by=personal") as response:
                request_id = response.headers["X-Request-Id"]
        _, errors = collector.stop()
    lines = [msgspec.json.decode(line) for line in errors.splitlines()]
    (access,) = [line for line in lines if line["logger"] == "kizashi.access"]
    assert access.keys() - {"time", "ms", "bytes_out"} == {
        *("level", "logger", "message", "request_id", "method", "route", "status", "code", "remote"),
    }
    assert (access["level"], access["message"]) == ("info", "GET /v1/summary 401")
    assert (access["method"], access["route"], access["status"]) == ("GET", "/v1/summary", 401)
    assert (access["code"], access["request_id"], access["remote"]) == ("no_key", request_id, "127.0.0.1")


@pytest.mark.parametrize(
    ("option", "value", "remedy"),
    [
        ("--log-format", "xml", "text or json"),
        ("--log-level", "loud", "debug, info"),
        ("--min-free", "-1", "0 or more"),
    ],
)
def test_a_setting_that_cannot_be_is_refused_by_name(option: str, value: str, remedy: str) -> None:
    parser = argparse.ArgumentParser()
    add_options(parser, tuple(setting.name for setting in SETTINGS))
    with pytest.raises(SettingsError) as refused:
        resolve(parser.parse_args([f"{option}={value}"]), {})
    assert option in str(refused.value)
    assert remedy in str(refused.value)


def test_a_flood_of_one_kind_is_held_back_and_counted_and_another_kind_is_not() -> None:
    now = 100.0
    gate = FloodGate(lambda: now)
    passed = [gate.filter(record("cannot write: %s", number)) for number in range(1_000)]
    assert (sum(passed), passed[0]) == (20, True)
    assert gate.filter(record("something else"))
    assert gate.filter(record("cannot write: %s", 0, level=logging.ERROR))
    assert all(gate.filter(record("seen at debug", level=logging.DEBUG)) for _ in range(100))
    now += 10
    first = record("cannot write: %s", 5)
    assert gate.filter(first)
    assert msgspec.json.decode(JsonLines().format(first))["held_back"] == 980
    now += 10
    later = record("cannot write: %s", 6)
    assert gate.filter(later)
    assert "held_back" not in JsonLines().format(later)


def test_lines_that_say_so_are_alike_whatever_their_message() -> None:
    gate = FloodGate(lambda: 0.0)
    passed = [gate.filter(record("%s", "a", alike="GET /v1/events 401")) for _ in range(30)]
    assert sum(passed) == 20
    assert gate.filter(record("%s", "a", alike="GET /v1/events 404"))


def test_a_gate_remembers_a_bounded_number_of_kinds() -> None:
    gate = FloodGate(lambda: 0.0)
    for number in range(5_000):
        gate.filter(record(f"kind {number}"))
    assert len(gate._kinds) <= 1_000


def test_a_json_line_is_one_object_with_the_fields_of_its_own() -> None:
    made = record("two\nlines of %s", "text", fields={"status": 503, "message": "not this", "other": object})
    line = JsonLines().format(made)
    assert "\n" not in line
    decoded = msgspec.json.decode(line)
    assert list(decoded)[:4] == ["time", "level", "logger", "message"]
    assert (decoded["level"], decoded["message"], decoded["status"]) == ("warning", "two\nlines of text", 503)
    assert decoded["time"].endswith("Z")


def test_a_text_line_stays_one_line_and_quotes_what_needs_it() -> None:
    made = record("two\nlines", fields={"route": "/v1/events", "why": 'a "word"\nmore'})
    line = TextLines().format(made)
    assert line.endswith('WARNING kizashi.store: two\\nlines route=/v1/events why="a \\"word\\"\\nmore"')


@pytest.mark.parametrize("form", [JsonLines(), TextLines()])
def test_of_an_error_its_kind_and_place_are_written_but_not_what_it_quotes(form: logging.Formatter) -> None:
    try:
        try:
            dict[str, int]()["personal"]
        except KeyError as error:
            raise RuntimeError("personal") from error
    except RuntimeError as error:
        line = form.format(record("it failed", exc_info=(type(error), error, error.__traceback__)))
    assert "personal" not in line
    assert "RuntimeError from KeyError" in line
    assert "test_logs.py" in line
    full = record("it failed", exc_info=(OSError, OSError(28, "No space left on device"), None))
    assert "No space left" in form.format(full)


def test_a_terminal_gets_text_and_whatever_else_json(tmp_path: Path) -> None:
    terminal, screen = os.openpty()
    try:
        with open(screen, "w", encoding="utf-8") as stream:
            assert form_for(stream) == "text"
        with (tmp_path / "log").open("w", encoding="utf-8") as stream:
            assert form_for(stream) == "json"
    finally:
        os.close(terminal)


def test_of_what_asyncio_says_the_first_line_is_written() -> None:
    line = JsonLines().format(record("Task exception was never retrieved\nfuture: <Task personal>", name="asyncio"))
    assert "never retrieved" in line
    assert "personal" not in line
