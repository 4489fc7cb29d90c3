"""The short way of a usual POST of events: from the bytes that arrived to the bytes of the answer.

Storing an event takes some ten microseconds; routing, middlewares, tasks and response objects take a hundred. Nearly
every request that a backend's SDK sends is a small batch that arrives whole on a connection that is idle. Those are
answered here. Whatever is unusual about one, before it is let in, leaves it to aiohttp, which answers it the same.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from email.utils import formatdate
from functools import lru_cache
from http import HTTPStatus

import msgspec

from kizashi_collector.http._access_log import tell
from kizashi_collector.http._admission import Admission
from kizashi_collector.http._auth import caller_of
from kizashi_collector.http._problems import as_problem, problem_body
from kizashi_collector.http._quick_head import QuickHeads
from kizashi_collector.http._request_id import Note, new_request_id, noted, noting
from kizashi_collector.http._services import Services
from kizashi_collector.ingest import USUAL_EVENTS, Format, OpenBatch
from kizashi_schemas import BatchAnswer, KizashiError

__all__ = ["QuickPosts"]

_MOST_BYTES = 64 * 1024
_ROUTE = "/v1/events"
_access = logging.getLogger("kizashi.access")
_TYPES: dict[Format, bytes] = {"json": b"application/json", "msgpack": b"application/msgpack"}
_ENCODE: dict[Format, Callable[[object], bytes]] = {
    "json": msgspec.json.Encoder().encode,
    "msgpack": msgspec.msgpack.Encoder().encode,
}
_PLAIN = _ENCODE["json"](BatchAnswer(accepted=1, duplicates=0, rejected=0, verdicts=[]))


@lru_cache(maxsize=1)
def _date(second: int) -> bytes:
    return formatdate(second, usegmt=True).encode()


class QuickPosts:
    """Answers the usual POSTs. `slow_seconds` is from when on an answer is worth a line in the log."""

    def __init__(self, services: Services, admission: Admission, slow_seconds: float) -> None:
        self._services = services
        self._admission = admission
        self._slow_seconds = slow_seconds
        self._heads = QuickHeads()

    def take(self, data: bytes, remote: str, answer: Callable[[bytes], None]) -> bool:
        """Answer a request that arrived whole, through `answer`, soon or at once.

        False, and nothing was done, if anything about it is unusual.
        """
        if len(data) > _MOST_BYTES:
            return False
        head = self._heads.read(data)
        services = self._services
        if head is None or services.draining or _access.isEnabledFor(logging.DEBUG):
            return False
        caller = caller_of(services.keys, head.secret, remote)
        if caller is None:
            return False
        began = time.perf_counter()
        try:
            batch = services.ingest.open(data[head.start :], head.kind)
        except KizashiError:
            return False
        if not 0 < len(batch.events) <= USUAL_EVENTS:
            return False
        turns = self._admission.turns
        if not turns.begin_now(len(batch.events)):
            return False
        post = _Post(services, self._admission, self._slow_seconds, caller, head.kind, batch, began, answer)
        post.begin(head.length, remote)
        return True


class _Post:
    """One request on its short way."""

    __slots__ = (
        *("_services", "_admission", "_slow_seconds", "_caller", "_kind", "_batch", "_began", "_answer"),
        *("_note", "_events", "_entered", "_size", "_remote"),
    )

    def __init__(
        self,
        services: Services,
        admission: Admission,
        slow_seconds: float,
        caller: str,
        kind: Format,
        batch: OpenBatch,
        began: float,
        answer: Callable[[bytes], None],
    ) -> None:
        self._services = services
        self._admission = admission
        self._slow_seconds = slow_seconds
        self._caller = caller
        self._kind: Format = kind
        self._batch = batch
        self._began = began
        self._answer = answer
        self._note = Note(new_request_id())
        self._events = 0
        self._entered = 0.0

    def begin(self, size: int, remote: str) -> None:
        """Let the batch in and hand it over; its turn has begun. `size` and `remote` are for the log."""
        self._size, self._remote = size, remote
        services, admission = self._services, self._admission
        services.in_flight.__enter__()
        services.metrics.in_flight += 1
        token = noting(self._note)  # what is called back later is called with it
        try:
            self._events = admission.enter(self._caller, len(self._batch.events))
            self._entered = admission.clock()
            services.ingest.submit(self._batch, self._settled)
        except KizashiError as error:
            self._settled(error)
        finally:
            noted(token)

    def _settled(self, found: BatchAnswer | KizashiError) -> None:
        count = len(self._batch.events)
        self._admission.turns.end(count)
        if self._events:
            stored = count if isinstance(found, BatchAnswer) else 0
            self._admission.leave(self._caller, self._events, self._entered, stored)
        if isinstance(found, BatchAnswer):
            usual = self._kind == "json" and count == 1 == found.accepted
            self._write(200, _TYPES[self._kind], _PLAIN if usual else _ENCODE[self._kind](found))
            return
        problem = as_problem(found)
        self._note.code = problem.code
        body = problem_body(problem, self._note.request_id)
        headers = "".join(f"{name}: {value}\r\n" for name, value in problem.headers.items()).encode()
        self._write(problem.status, b"application/problem+json", body, headers)

    def _write(self, status: int, content_type: bytes, body: bytes, headers: bytes = b"") -> None:
        services = self._services
        phrase = "OK" if status == HTTPStatus.OK else HTTPStatus(status).phrase
        self._answer(
            b"HTTP/1.1 %d %b\r\nDate: %b\r\nX-Request-Id: %b\r\nContent-Type: %b\r\nContent-Length: %d\r\n%b\r\n%b"
            % (
                *(status, phrase.encode(), _date(int(time.time())), self._note.request_id.encode()),
                *(content_type, len(body), headers, body),
            )
        )
        seconds = time.perf_counter() - self._began
        services.in_flight.__exit__()
        services.metrics.in_flight -= 1
        services.metrics.request("POST", _ROUTE, status, seconds)
        slow = seconds >= self._slow_seconds
        if slow or status != HTTPStatus.OK:
            told = {"bytes_in": self._size, "bytes_out": len(body), "remote": self._remote}
            tell(self._note, "POST", _ROUTE, status, seconds, told, slow=slow)
