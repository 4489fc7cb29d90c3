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

from kizashi_collector.http._admission import Admission
from kizashi_collector.http._auth import caller_of
from kizashi_collector.http._connections._quick_head import QuickHeads
from kizashi_collector.http._problems import as_problem, problem_body
from kizashi_collector.http._request_id import Note, new_request_id, noted, noting
from kizashi_collector.http._services import Services
from kizashi_collector.http._watching import tell
from kizashi_collector.ingest import USUAL_EVENTS, Format, OpenBatch
from kizashi_collector.store import StoreError
from kizashi_schemas import BatchAnswer, KizashiError

__all__ = ["QuickPosts"]

_MOST_BYTES = 64 * 1024
_CHECKED_FROM = 4 * 1024
"""From how many bytes on a body is cheaper guessed at than looked into, where there is no room for it."""
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

    def take(self, data: bytes, remote: str, answer: Callable[[bytes], None]) -> int | None:
        """Answer a request through `answer`, soon or at once; return how many bytes of its body are to be dropped.

        That is all of it that is still on its way, where there is no room for the request. None, and nothing was done,
        if anything about it is unusual.
        """
        head = self._heads.read(data)
        services = self._services
        if head is None or services.draining or _access.isEnabledFor(logging.DEBUG):
            return None
        caller = caller_of(services.keys, head.secret, remote)
        if caller is None:
            return None
        began = time.perf_counter()
        missing = head.start + head.length - len(data)
        if missing or head.length > _CHECKED_FROM:
            try:
                self._admission.check(caller, head.length)
            except KizashiError as refusal:
                # Said at once, it costs a fraction of what reading the body would: a flood leaves time for the others.
                _Post(services, self._admission, self._slow_seconds, caller, head.kind, began, answer).refuse(refusal)
                return missing
        if missing or len(data) > _MOST_BYTES:
            return None
        try:
            batch = services.ingest.open(data[head.start :], head.kind)
        except KizashiError:
            return None
        count = len(batch.events)
        bodies, most = services.in_flight.bodies, services.limits.bytes_in_flight
        if bodies.refusal(caller, head.length, most * 3 // 4, most) is not None:
            return None
        if not 0 < count <= USUAL_EVENTS or not self._admission.turns.begin_now(count):
            return None
        services.in_flight.bodies.take(caller, head.length)
        self._admission.sized(head.length, count)
        post = _Post(services, self._admission, self._slow_seconds, caller, head.kind, began, answer)
        post.begin(batch, head.length, remote)
        return 0


class _Post:
    """One request on its short way."""

    __slots__ = (
        *("_services", "_admission", "_slow_seconds", "_caller", "_kind", "_count", "_began", "_answer"),
        *("_note", "_events", "_entered", "_size", "_remote"),
    )

    def __init__(
        self,
        services: Services,
        admission: Admission,
        slow_seconds: float,
        caller: str,
        kind: Format,
        began: float,
        answer: Callable[[bytes], None],
    ) -> None:
        self._services = services
        self._admission = admission
        self._slow_seconds = slow_seconds
        self._caller = caller
        self._kind: Format = kind
        self._began = began
        self._answer = answer
        self._note = Note(new_request_id())
        self._events = 0
        self._entered = 0.0
        self._count = self._size = 0
        self._remote = ""

    def refuse(self, refusal: KizashiError) -> None:
        """Say why the request is not taken."""
        self._enter()
        self._problem(refusal)

    def begin(self, batch: OpenBatch, size: int, remote: str) -> None:
        """Let the batch in and hand it over; its turn has begun. `size` and `remote` are for the log."""
        self._count, self._size, self._remote = len(batch.events), size, remote
        self._enter()
        token = noting(self._note)  # what is called back later is called with it
        try:
            self._events = self._admission.enter(self._caller, self._count)
            self._entered = self._admission.clock()
            self._services.ingest.submit(batch, self._settled)
        except Exception as error:  # noqa: BLE001  # what was taken at the door has to be given back
            self._settled(
                error if isinstance(error, KizashiError) else StoreError(f"cannot store: {type(error).__name__}")
            )
        finally:
            noted(token)

    def _enter(self) -> None:
        self._services.in_flight.__enter__()
        self._services.metrics.in_flight += 1

    def _settled(self, found: BatchAnswer | KizashiError) -> None:
        self._admission.turns.end(self._count)
        self._services.in_flight.bodies.give_back(self._caller, self._size)
        if self._events:
            stored = self._count if isinstance(found, BatchAnswer) else 0
            self._admission.leave(self._caller, self._events, self._entered, stored)
        if isinstance(found, BatchAnswer):
            usual = self._kind == "json" and self._count == 1 == found.accepted
            self._write(200, _TYPES[self._kind], _PLAIN if usual else _ENCODE[self._kind](found))
        else:
            self._problem(found)

    def _problem(self, error: KizashiError) -> None:
        problem = as_problem(error)
        self._note.code = problem.code
        body = problem_body(problem, self._note.request_id)
        headers = "".join(f"{name}: {value}\r\n" for name, value in problem.headers.items()).encode()
        self._write(problem.status, b"application/problem+json", body, headers)

    def _write(self, status: int, content_type: bytes, body: bytes, headers: bytes = b"") -> None:
        services = self._services
        phrase = "OK" if status == HTTPStatus.OK else HTTPStatus(status).phrase
        self._answer(
            b"HTTP/1.1 %d %b\r\nDate: %b\r\nX-Request-Id: %b\r\nX-Content-Type-Options: nosniff\r\n"
            b"Content-Type: %b\r\nContent-Length: %d\r\n%b\r\n%b"
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
