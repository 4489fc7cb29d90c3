"""Every row of docs/bad-input.md, sent to a running collector."""

from __future__ import annotations

import gzip
import io
import json
import re
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from backports import zstd

from live_collector import KEYS, LiveCollector, event, problem_of

PAGE = (Path(__file__).parents[3] / "docs" / "bad-input.md").read_text(encoding="utf-8")
MIB = 1024 * 1024


def rows(section: str) -> list[list[str]]:
    """The cells of the table under a heading."""
    _, _, rest = PAGE.partition(f"## {section}\n")
    lines = [line for line in rest.partition("\n## ")[0].splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines[2:]]


def code(cell: str) -> str:
    """What a cell holds between its backticks."""
    return cell[cell.index("`") + 1 : cell.rindex("`")]


def answers(cell: str) -> list[tuple[str, str | None]]:
    """`accepted, duplicate `order`` as pairs of verdict and code."""
    return [(part.split()[0], code(part) if "`" in part else None) for part in cell.split(", ")]


def raw_event(fields: str) -> bytes:
    """A good event with the fields of a row put over it, their JSON text kept as it is written."""
    changed = msgspec.json.decode(fields, type=dict[str, msgspec.Raw])
    return msgspec.json.encode(event() | changed)


async def verdicts(collector: LiveCollector, events: list[bytes]) -> list[tuple[str, str | None]]:
    body = b'{"events": [' + b", ".join(events) + b"]}"
    async with collector.ask("POST", "/v1/events", scope="write", data=body, headers=JSON) as response:
        assert response.status == 200, await response.text()
        answer = await response.json()
    given: dict[int, tuple[str, str | None]] = {v["index"]: (v["verdict"], v.get("code")) for v in answer["verdicts"]}
    assert answer["accepted"] + answer["duplicates"] + answer["rejected"] == len(events)
    return [given.get(index, ("accepted", None)) for index in range(len(events))]


JSON = {"Content-Type": "application/json"}


@pytest.mark.parametrize(("fields", "answer"), [(code(r[1]), r[2]) for r in rows("One event")], ids=lambda x: x[:40])
async def test_one_bad_event_takes_no_neighbour_with_it(collector: LiveCollector, fields: str, answer: str) -> None:
    before, after = raw_event("{}"), raw_event("{}")
    given = await verdicts(collector, [before, raw_event(fields), after])
    assert given == [("accepted", None), *answers(answer), ("accepted", None)]
    stored = (await collector.summary(window="3660d")).total.events
    assert sum(stats.count for stats in stored.values()) >= 2
    if answer.startswith("rejected"):
        async with collector.ask("GET", "/v1/rejected") as response:
            kept = (await response.json())["rejected"]
        assert [row["code"] for row in kept] == [code(answer)]
        assert kept[0]["message"]


@pytest.mark.parametrize("text", ["5", "null", "[]", '"x"', "true", "1e999"])
async def test_what_is_no_object_is_no_event(collector: LiveCollector, text: str) -> None:
    given = await verdicts(collector, [raw_event("{}"), text.encode(), raw_event("{}")])
    assert given == [("accepted", None), ("rejected", "bad_event"), ("accepted", None)]


async def test_an_event_of_more_than_32_kib_is_too_large(collector: LiveCollector) -> None:
    large = raw_event(json.dumps({"later": "x" * 33_000}))
    small = raw_event(json.dumps({"later": "x" * 32_000}))
    given = await verdicts(collector, [large, small])
    assert given == [("rejected", "too_large"), ("accepted", None)]


@pytest.mark.parametrize(
    ("events", "answer"), [(code(r[1]), r[2]) for r in rows("Several events")], ids=lambda x: x[:60]
)
async def test_several_events_are_judged_one_after_the_other(
    collector: LiveCollector, events: str, answer: str
) -> None:
    fragments = [bytes(raw).decode() for raw in msgspec.json.decode(events, type=list[msgspec.Raw])]
    assert await verdicts(collector, [raw_event(fragment) for fragment in fragments]) == answers(answer)


@pytest.mark.parametrize(
    ("events", "answer"), [(code(r[1]), r[2]) for r in rows("Several events")], ids=lambda x: x[:60]
)
async def test_the_same_holds_when_each_comes_alone(collector: LiveCollector, events: str, answer: str) -> None:
    fragments = [bytes(raw).decode() for raw in msgspec.json.decode(events, type=list[msgspec.Raw])]
    given = [await verdicts(collector, [raw_event(fragment)]) for fragment in fragments]
    assert [one for (one,) in given] == answers(answer)


def gzip_bomb() -> bytes:
    return gzip.compress(bytes(512 * MIB), compresslevel=9)


def zstd_frames_bomb() -> bytes:
    return zstd.compress(bytes(9 * MIB)) * 60


def zstd_bomb() -> bytes:
    return zstd.compress(bytes(1024 * MIB))


async def chunks() -> AsyncIterator[bytes]:
    for _ in range(11):
        yield b" " * MIB


BODIES: dict[str, Callable[[], Any]] = {
    "latin-1 text": lambda: '{"events": [], "x": "é"}'.encode("latin-1"),
    "100,000-deep JSON": lambda: b'{"events": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "half a MessagePack batch": lambda: msgspec.msgpack.encode({"events": [event()]})[:-7],
    "100,000-deep MessagePack": lambda: b"\x81\xa6events" + b"\x91" * 100_000 + b"\x90",
    "half a gzip body": lambda: gzip.compress(b'{"events": []}')[:-9],
    "more than 10 MiB": lambda: b'{"events": []' + b" " * (10 * MIB) + b"}",
    "more than 10 MiB in chunks": chunks,
    "gzip bomb": gzip_bomb,
    "zstd bomb": zstd_bomb,
    "zstd bomb in frames": zstd_frames_bomb,
    "1,000 gzip members": lambda: gzip.compress(b" ") * 1_000,
    "more than 1 MiB of gzip": lambda: gzip.compress(b'{"events": []}') * 40_000,
    "2,501 events": lambda: msgspec.json.encode({"events": [event() for _ in range(2_501)]}),
}


def body_of(cell: str) -> Any:
    body = BODIES[cell.strip("*")]() if cell.startswith("*") else code(cell).strip().encode()
    return io.BytesIO(body) if isinstance(body, bytes) else body


@pytest.mark.parametrize("row", rows("Whole bodies"), ids=lambda row: row[0])
async def test_a_bad_body_is_answered_and_nothing_of_it_is_stored(collector: LiveCollector, row: list[str]) -> None:
    _, extra, body, status, problem = row
    headers = {**JSON, "Authorization": f"Bearer {KEYS['write']}", **json.loads(code(extra))}
    async with collector.session.post(collector.url + "/v1/events", data=body_of(body), headers=headers) as response:
        assert await problem_of(response) == (int(status), code(problem))
    assert (await collector.summary(window="3660d")).total.actors == 0
    assert await verdicts(collector, [raw_event("{}")]) == [("accepted", None)]


def test_every_body_that_is_built_stands_in_the_table() -> None:
    named = {row[2].strip("*") for row in rows("Whole bodies") if row[2].startswith("*")}
    assert named == set(BODIES)


@pytest.mark.parametrize("row", rows("Queries"), ids=lambda row: row[0])
async def test_a_bad_query_is_answered(collector: LiveCollector, row: list[str]) -> None:
    _, asked, status, problem = row
    assert await collector.problem("GET", code(asked)) == (int(status), code(problem))


async def test_nan_in_messagepack_is_a_bad_value_of_its_event_alone(collector: LiveCollector) -> None:
    events = [
        event(),
        event(value=float("nan"), currency="JPY"),
        event(properties={"x": float("inf")}),
        event(value=12.5, currency="USD"),
        event(value=b"5", currency="USD"),
    ]
    body = msgspec.msgpack.encode({"events": events})
    headers = {"Content-Type": "application/msgpack"}
    async with collector.ask("POST", "/v1/events", scope="write", data=body, headers=headers) as response:
        assert (response.status, response.content_type) == (200, "application/msgpack")
        answer = msgspec.msgpack.decode(await response.read())
    assert [(v["index"], v["code"]) for v in answer["verdicts"]] == [
        (1, "bad_value"),
        (2, "bad_properties"),
        (4, "bad_value"),
    ]
    assert answer["accepted"] == 2


async def test_a_text_that_is_empty_or_too_long_is_told_with_what_to_send_instead(collector: LiveCollector) -> None:
    wrong = [{"id": ""}, {"actor": ""}, {"order": ""}, {"actor": "x" * 201}, {"id": "x" * 65}]
    answer = await collector.post([event(**{**event(), **one}) for one in wrong])
    assert [verdict.message for verdict in answer.verdicts] == [
        "id is empty; send one that no other event has",
        "actor is empty; send who did it",
        "order is empty; leave it out where there is none",
        "actor has more than 200 characters; send a shorter one",
        "id has more than 64 characters; send a shorter one",
    ]
