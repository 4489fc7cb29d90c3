"""Clients that send batches until the collector dies, try again what was not answered, and record what was."""

from __future__ import annotations

import http.client
import json
import random
import threading
from collections.abc import Sequence
from itertools import islice
from typing import Any

from msgspec import Struct

from crash.load import Sent, events_of, widened
from crash.record import Record, Told

__all__ = ["Answer", "Client", "RefusedError", "ask", "post"]

_TIMEOUT_S = 30


class RefusedError(Exception):
    """An answer that is not 200."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(f"{status}: {text}")
        self.status = status


class Answer(Struct, frozen=True):
    """An answer with 200: on which connection of which local port it was, the how-manieth there, and what it said."""

    port: int
    number: int
    told: tuple[Told, ...]


def ask(
    connection: http.client.HTTPConnection, method: str, path: str, body: str | None = None, *, key: str = "r-secret"
) -> Any:
    """Ask the collector; return the decoded answer. Raises RefusedError unless it is 200."""
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    connection.request(method, path, None if body is None else body.encode(), headers)
    response = connection.getresponse()
    answer = response.read()
    if response.status != 200:
        raise RefusedError(response.status, f"{method} {path}: {answer[:300]!r}")
    return json.loads(answer)


def post(connection: http.client.HTTPConnection, events: Sequence[Sent]) -> Any:
    """Send a batch; return the decoded answer."""
    return ask(connection, "POST", "/v1/events", json.dumps({"events": events}), key="w-secret")


class Client:
    """One sender that lives longer than the collector: `run` returns when that dies or `stop` is called.

    A batch whose answer was lost is the first that is sent to the next collector. With `wide`, most batches carry
    hundreds of kilobytes. `vanishing` is the chance that it leaves without reading an answer, and sends again.
    """

    def __init__(self, name: str, record: Record, rng: random.Random, now: int, *, vanishing: float = 0.03) -> None:
        self._record = record
        self._rng = rng
        self._events = events_of(name, rng, now)
        self._pending: list[Sent] | None = None
        self._vanishing = vanishing
        self._stop = threading.Event()
        self.wide = False
        self.answers: list[Answer] = []

    def stop(self) -> None:
        """Let `run` return after the batch on its way."""
        self._stop.set()

    def run(self, address: str, batches: int | None = None) -> None:
        """Send batches to `host:port`, so many or until stopped."""
        self._stop.clear()
        connection, number, sent = self._connection(address), 0, 0
        try:
            while not self._stop.is_set() and (batches is None or sent < batches):
                events = self._pending = self._pending or self._batch()
                self._record.sending(events)
                if self._rng.random() < self._vanishing:
                    self._send_and_leave(connection, events)
                    connection, number = self._connection(address), 0
                    continue
                answer = post(connection, events)
                told = self._record.answered(events, answer)
                self.answers.append(Answer(connection.sock.getsockname()[1], number, tuple(told)))
                self._pending, number, sent = None, number + 1, sent + 1
        except (OSError, http.client.HTTPException):
            return  # the collector is gone; what is pending is tried again with the next
        except RefusedError as error:
            if error.status != 503:  # it stops, and takes nothing more
                raise
        finally:
            connection.close()

    def finished(self) -> bool:
        """Whether every batch that was sent has been answered."""
        return self._pending is None

    def _connection(self, address: str) -> http.client.HTTPConnection:
        return http.client.HTTPConnection(address, timeout=_TIMEOUT_S)

    def _send_and_leave(self, connection: http.client.HTTPConnection, events: list[Sent]) -> None:
        headers = {"Authorization": "Bearer w-secret", "Content-Type": "application/json"}
        connection.request("POST", "/v1/events", json.dumps({"events": events}).encode(), headers)
        connection.close()

    def _batch(self) -> list[Sent]:
        rng = self._rng
        if self.wide and rng.random() < 0.7:
            return [widened(event, rng) for event in islice(self._events, 20)]
        return list(islice(self._events, rng.choice([1, 1, 2, 5, 20, 60])))
