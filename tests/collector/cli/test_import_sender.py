"""Sending an import: every answer that a collector, or what stands before it, may give."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from kizashi_collector.cli.importing import CollectorError, EndpointError, Sender

Answer = tuple[int, dict[str, str], bytes] | None
"""Status, headers and body; None closes the connection without a word."""


def verdicts(count: int, *given: dict[str, Any]) -> Answer:
    rejected = sum(verdict["verdict"] == "rejected" for verdict in given)
    retry = sum(verdict["verdict"] == "retry" for verdict in given)
    body = {"accepted": count - rejected - retry, "duplicates": 0, "rejected": rejected, "verdicts": given}
    return 200, {}, json.dumps(body).encode()


class Scripted:
    """A server on a real port that gives what `answer` makes of each batch's ids."""

    def __init__(self) -> None:
        self.batches: list[list[str]] = []
        self.answer: Callable[[list[str]], Answer] = lambda ids: verdicts(len(ids))
        scripted = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:  # the name that the library calls
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                assert body["import"] is True
                assert (self.path, self.headers["Authorization"]) == ("/v1/events", "Bearer k")
                ids = [event["id"] for event in body["events"]]
                scripted.batches.append(ids)
                answer = scripted.answer(ids)
                if answer is None:
                    self.close_connection = True
                    return
                status, headers, content = answer
                self.send_response(status)
                for name, value in {**headers, "Content-Length": str(len(content))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the library's name
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"


@pytest.fixture
def scripted() -> Iterator[Scripted]:
    server = Scripted()
    thread = threading.Thread(target=server.server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.server.shutdown()
    thread.join()
    server.server.server_close()


class Clock:
    """Time that passes only while the sender waits."""

    def __init__(self) -> None:
        self.now = 0.0
        self.waits: list[float] = []
        self.reasons: list[str] = []

    def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.now += seconds

    def note(self, reason: str, seconds: float) -> None:
        self.reasons.append(reason)

    def sender(self, url: str) -> Sender:
        return Sender(url, "k", patience=60, waiting=self.note, clock=lambda: self.now, sleep=self.sleep)


@pytest.fixture
def clock() -> Clock:
    return Clock()


def events(*ids: str) -> list[bytes]:
    return [json.dumps({"id": key}).encode() for key in ids]


def steps(*answers: Answer) -> Callable[[list[str]], Answer]:
    left = list(answers)
    return lambda ids: left.pop(0) if left else verdicts(len(ids))


def problem(status: int, **headers: str) -> Answer:
    body = {"title": "x", "status": status, "code": "busy", "detail": "too many events wait"}
    return status, headers, json.dumps(body).encode()


def test_it_waits_as_long_as_it_is_told(scripted: Scripted, clock: Clock) -> None:
    scripted.answer = steps(problem(503, **{"Retry-After": "7"}), problem(429, **{"Retry-After": "3"}), problem(502))
    sender = clock.sender(scripted.url)
    assert sender.send(events("a", "b")) == [None, None]
    assert scripted.batches == [["a", "b"]] * 4
    assert clock.waits[:2] == [7.0, 3.0]
    assert 0.5 <= clock.waits[2] <= 1.0
    assert "busy" in clock.reasons[0]
    sender.close()


def test_only_what_is_to_be_sent_again_is(scripted: Scripted, clock: Clock) -> None:
    retry = {"index": 1, "id": "b", "verdict": "retry", "code": "busy"}
    rejected = {"index": 2, "id": "c", "verdict": "rejected", "code": "bad_value", "message": "m"}
    later = {"index": 0, "id": "b", "verdict": "rejected", "code": "too_old", "message": "o"}
    scripted.answer = steps(verdicts(3, retry, rejected), verdicts(1, later))
    sender = clock.sender(scripted.url)
    first, second, third = sender.send(events("a", "b", "c"))
    assert first is None
    assert (second and second.code, third and third.code) == ("too_old", "bad_value")
    assert scripted.batches == [["a", "b", "c"], ["b"]]
    sender.close()


def test_a_batch_that_is_too_large_is_halved_until_it_fits(scripted: Scripted, clock: Clock) -> None:
    scripted.answer = lambda ids: problem(413) if len(ids) > 2 or "huge" in ids else verdicts(len(ids))
    sender = clock.sender(scripted.url)
    found = sender.send(events("a", "b", "huge", "c", "d"))
    assert [verdict and verdict.code for verdict in found] == [None, None, "too_large", None, None]
    assert sorted(key for batch in scripted.batches if len(batch) <= 2 and "huge" not in batch for key in batch) == [
        *"abcd"
    ]
    sender.close()


def test_a_connection_that_breaks_is_made_again(scripted: Scripted, clock: Clock) -> None:
    scripted.answer = steps(verdicts(1), None, None, verdicts(1))
    sender = clock.sender(scripted.url)
    assert sender.send(events("a")) == [None]
    assert sender.send(events("b")) == [None]
    assert scripted.batches == [["a"], ["b"], ["b"], ["b"]]
    assert len(clock.waits) == 1
    sender.close()


def test_patience_has_an_end(clock: Clock) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(CollectorError, match="for 60 s"):
        clock.sender(f"http://127.0.0.1:{port}").send(events("a"))
    assert 30 <= clock.now <= 60
    assert len(clock.waits) > 4


def test_a_wait_that_outlasts_patience_is_not_begun(scripted: Scripted, clock: Clock) -> None:
    scripted.answer = lambda ids: problem(503, **{"Retry-After": "3600"})
    sender = clock.sender(scripted.url)
    with pytest.raises(CollectorError, match="busy"):
        sender.send(events("a"))
    assert clock.waits == []
    sender.close()


@pytest.mark.parametrize(
    ("answer", "kind", "remedy"),
    [
        (problem(401), EndpointError, "--key"),
        (problem(403), EndpointError, "write key"),
        (problem(404), EndpointError, "--endpoint"),
        ((308, {"Location": "https://elsewhere.example/"}, b""), EndpointError, "https://elsewhere.example/"),
        (problem(422), CollectorError, "too many events wait"),
        ((200, {}, b"<html>"), CollectorError, "--endpoint"),
        (verdicts(1, {"index": 9, "id": "z", "verdict": "retry"}), CollectorError, "--endpoint"),
    ],
)
def test_what_no_patience_mends_is_said_at_once(
    scripted: Scripted, clock: Clock, answer: Answer, kind: type[Exception], remedy: str
) -> None:
    scripted.answer = lambda ids: answer
    sender = clock.sender(scripted.url)
    with pytest.raises(kind, match=remedy):
        sender.send(events("a"))
    assert (len(scripted.batches), clock.waits) == (1, [])
    sender.close()


@pytest.mark.parametrize("endpoint", ["collector:8700", "ftp://x", "http://", "http://x:port", "http://x/?a=1"])
def test_an_endpoint_that_is_no_address_is_refused(endpoint: str) -> None:
    with pytest.raises(EndpointError, match="--endpoint"):
        Sender(endpoint, "k")
