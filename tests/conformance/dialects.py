"""The wires of the SDKs under test: where an event carries its number, and what its server answers.

Paths and bodies are those that the SDKs themselves send; each server's answers are those of its public documentation:
Segment and PostHog `batch`, Amplitude `2/httpapi`, Snowplow `tp2`, OTLP `v1/logs`, and kizashi's `v1/events`.
"""

from __future__ import annotations

import base64
import json
import struct
import zlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

__all__ = ["DIALECTS", "Arrival", "Dialect", "decompress"]


class Arrival(NamedTuple):
    """One event as it came in."""

    identity: str | None
    """What the SDK gives a server to tell a second try by; None where the wire has no such thing."""
    properties: Mapping[str, Any]


class Dialect(NamedTuple):
    """How one SDK and its server speak."""

    read: Callable[[bytes], list[Arrival]]
    accept: Callable[[list[Arrival], set[str]], bytes]
    """The body of a 200, given what came in and the identities that had come in before."""
    refuse: Callable[[int], bytes]
    """The body of an error status."""


def decompress(body: bytes, encoding: str) -> bytes:
    """Undo the content encoding."""
    return zlib.decompress(body, 31) if encoding == "gzip" else body


def _read_kizashi(body: bytes) -> list[Arrival]:
    return [Arrival(event["id"], event.get("properties") or {}) for event in json.loads(body)["events"]]


def _accept_kizashi(arrivals: list[Arrival], known: set[str]) -> bytes:
    verdicts = [
        {"index": index, "id": arrival.identity, "verdict": "duplicate"}
        for index, arrival in enumerate(arrivals)
        if arrival.identity in known
    ]
    counts = {"accepted": len(arrivals) - len(verdicts), "duplicates": len(verdicts), "rejected": 0}
    return json.dumps({**counts, "verdicts": verdicts}).encode()


def _read_segment(body: bytes) -> list[Arrival]:
    return [Arrival(event["messageId"], event["properties"]) for event in json.loads(body)["batch"]]


def _read_posthog(body: bytes) -> list[Arrival]:
    return [Arrival(event["uuid"], event["properties"]) for event in json.loads(body)["batch"]]


def _read_amplitude(body: bytes) -> list[Arrival]:
    return [Arrival(event.get("insert_id"), event["event_properties"]) for event in json.loads(body)["events"]]


def _read_snowplow(body: bytes) -> list[Arrival]:
    return [Arrival(event["eid"], _self_described(event)) for event in json.loads(body)["data"]]


def _self_described(event: dict[str, str]) -> Mapping[str, Any]:
    text = event["ue_pr"] if "ue_pr" in event else base64.urlsafe_b64decode(event["ue_px"])
    properties: Mapping[str, Any] = json.loads(text)["data"]["data"]
    return properties


def _read_otlp(body: bytes) -> list[Arrival]:
    # ExportLogsServiceRequest > ResourceLogs (1) > ScopeLogs (2) > LogRecord (2) > attributes (6).
    return [
        Arrival(None, dict(_attribute(value) for field, value in _fields(record) if field == 6))
        for record in _nested(body, 1, 2, 2)
    ]


def _nested(message: bytes, *path: int) -> Iterator[bytes]:
    for field, value in _fields(message):
        if field == path[0]:
            yield from _nested(value, *path[1:]) if path[1:] else (value,)


def _attribute(message: bytes) -> tuple[str, Any]:
    # KeyValue: key (1), value (2); AnyValue: string_value (1), bool_value (2), int_value (3), double_value (4).
    pair = dict(_fields(message))
    key = pair[1].decode()
    for field, value in _fields(pair.get(2, b"")):
        if field in (1, 4):
            return key, value.decode() if field == 1 else struct.unpack("<d", value)[0]
        # An int64 travels as an unsigned varint; it is the only varint among an attribute's values but for booleans.
        return key, value - 2**64 if isinstance(value, int) and value >= 2**63 else value
    return key, None


def _fields(message: bytes) -> Iterator[tuple[int, Any]]:
    """The fields of a protobuf message, in the encoding that protobuf.dev describes; a double comes as its bytes."""
    at = 0
    while at < len(message):
        tag, at = _varint(message, at)
        kind = tag & 7
        if kind == 0:
            value, at = _varint(message, at)
            yield tag >> 3, value
            continue
        size, at = _varint(message, at) if kind == 2 else ({1: 8, 5: 4}[kind], at)
        yield tag >> 3, message[at : at + size]
        at += size


def _varint(message: bytes, at: int) -> tuple[int, int]:
    number = shift = 0
    while True:
        byte = message[at]
        at += 1
        number |= (byte & 127) << shift
        if byte < 128:
            return number, at
        shift += 7


def _always(body: bytes) -> Callable[[list[Arrival], set[str]], bytes]:
    return lambda _arrivals, _known: body


def _problem(status: int) -> bytes:
    return json.dumps({"title": "Refused", "status": status, "code": "refused"}).encode()


DIALECTS = {
    "/v1/events": Dialect(_read_kizashi, _accept_kizashi, _problem),
    "/v1/batch": Dialect(_read_segment, _always(b'{"success":true}'), _problem),
    "/batch/": Dialect(_read_posthog, _always(b'{"status":1}'), lambda status: b'{"detail":"refused"}'),
    "/2/httpapi": Dialect(
        _read_amplitude,
        lambda arrivals, _known: json.dumps({"code": 200, "events_ingested": len(arrivals)}).encode(),
        lambda status: json.dumps({"code": status, "error": "refused"}).encode(),
    ),
    "/com.snowplowanalytics.snowplow/tp2": Dialect(_read_snowplow, _always(b"ok"), lambda status: b"refused"),
    "/v1/logs": Dialect(_read_otlp, _always(b""), lambda status: b""),
}
