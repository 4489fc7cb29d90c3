"""Questions on one connection that stays open: how long each answer takes, to the byte that completes it."""

from __future__ import annotations

import socket
import time
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from bench.servers import READ_KEY

__all__ = ["Answer", "Client", "Question", "Timings", "ask_in_turn", "ask_unchanged"]

_APART = 0.05
_LONGEST = 120.0


class Question(NamedTuple):
    """A request. `tag` is the ETag of an answer that the asker holds."""

    path: str
    body: bytes | None = None
    tag: str | None = None

    def sent(self) -> bytes:
        head = f"{'GET' if self.body is None else 'POST'} {self.path} HTTP/1.1\r\nHost: bench\r\n"
        head += f"Authorization: Bearer {READ_KEY}\r\n"
        if self.tag is not None:
            head += f"If-None-Match: {self.tag}\r\n"
        if self.body is not None:
            head += f"Content-Type: application/json\r\nContent-Length: {len(self.body)}\r\n"
        return head.encode() + b"\r\n" + (self.body or b"")


class Answer(NamedTuple):
    """A response, and the seconds that it took."""

    seconds: float
    status: int
    tag: str | None
    body: bytes


class Client:
    """A keep-alive connection, opened again after an answer that closes it.

    No HTTP library: its own parsing would be a good part of what an unchanged answer takes.
    """

    def __init__(self, port: int) -> None:
        self._port = port
        self._socket = self._connect()

    def _connect(self) -> socket.socket:
        connection = socket.create_connection(("127.0.0.1", self._port), timeout=_LONGEST)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection

    def ask(self, question: Question) -> Answer:
        """Ask and wait. Raises OSError where the connection breaks or nothing is answered for two minutes."""
        sent = question.sent()
        began = time.perf_counter()
        self._socket.sendall(sent)
        data = self._socket.recv(1 << 20)
        while (end := data.find(b"\r\n\r\n")) < 0:
            data += self._more()
        fields = _fields(data[:end])
        length = int(fields.get("content-length", "0"))
        parts, missing = [data[end + 4 :]], length - (len(data) - end - 4)
        while missing > 0:
            parts.append(self._more())
            missing -= len(parts[-1])
        seconds = time.perf_counter() - began
        if fields.get("connection", "").lower() == "close":
            self._socket.close()
            self._socket = self._connect()
        return Answer(seconds, int(data[9:12]), fields.get("etag"), b"".join(parts))

    def _more(self) -> bytes:
        data = self._socket.recv(1 << 20)
        if not data:
            raise ConnectionError("the collector closed the connection in the middle of an answer")
        return data

    def close(self) -> None:
        self._socket.close()


class Timings(msgspec.Struct):
    """The seconds of the answers that had the status wanted, and how often another came."""

    seconds: list[float] = msgspec.field(default_factory=list)
    others: Counter[int] = msgspec.field(default_factory=Counter)

    def add(self, answer: Answer, wanted: int = 200) -> None:
        if answer.status == wanted:
            self.seconds.append(answer.seconds)
        else:
            self.others[answer.status] += 1

    def milliseconds(self, share: float) -> float | None:
        """A percentile by nearest rank, or None where nothing was answered."""
        ordered = sorted(self.seconds)
        return ordered[min(int(len(ordered) * share), len(ordered) - 1)] * 1000 if ordered else None


def ask_in_turn(client: Client, questions: Sequence[Question], times: int, seconds: float) -> list[Timings]:
    """Ask each question so many times, one after the other, 50 ms apart; end earlier when `seconds` have passed."""
    found = [Timings() for _ in questions]
    until = time.monotonic() + seconds
    for _ in range(times):
        for question, timings in zip(questions, found, strict=True):
            timings.add(client.ask(question))
            time.sleep(_APART)
        if time.monotonic() > until:
            break
    return found


def ask_unchanged(client: Client, path: str, times: int, seconds: float) -> Timings:
    """Ask with the tag of the answer before, 50 ms apart; the timings are of what was answered 304.

    A window moves and events leave it, so that some answers are whole even when nothing arrives.
    """
    found, tag = Timings(), client.ask(Question(path)).tag
    until = time.monotonic() + seconds
    for _ in range(times):
        time.sleep(_APART)
        answer = client.ask(Question(path, tag=tag))
        found.add(answer, 304)
        tag = answer.tag if answer.status == 200 else tag
        if time.monotonic() > until:
            break
    return found


def _fields(head: bytes) -> dict[str, str]:
    lines = head.decode("latin-1").split("\r\n")[1:]
    return {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
