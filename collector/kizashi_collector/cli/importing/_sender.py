"""Batches of events to a collector over one connection, again and again until each event has its verdict."""

from __future__ import annotations

import email.utils
import http.client
import ipaddress
import random
import ssl
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus
from typing import Protocol
from urllib.parse import urlsplit

import msgspec

from kizashi_schemas import BatchAnswer, KizashiError, Problem, Verdict

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

__all__ = ["CollectorError", "EndpointError", "Sender", "Waiting"]

_SOCKET_SECONDS = 60
_FIRST_PAUSE, _LONGEST_PAUSE = 0.25, 30.0
# What a collector, or a proxy before it, answers while it cannot take events just now.
_LATER = {408, 425, 429, 500, 502, 503, 504}
_decode_answer = msgspec.json.Decoder(BatchAnswer).decode
_decode_problem = msgspec.json.Decoder(Problem).decode
# An answer that broke off, or was never one.
_LOST = (OSError, http.client.HTTPException)


class EndpointError(KizashiError):
    """An endpoint or key with which nothing can be sent, however often."""


class CollectorError(KizashiError):
    """A collector that took no events for longer than one waits, or answered what no collector answers."""


class Waiting(Protocol):
    """Told why and for how many seconds the sender waits."""

    def __call__(self, reason: str, seconds: float, /) -> None:
        """Say it, or do not."""


class Sender:
    """Sends batches with `"import": true`. `patience` is how many seconds in a row nothing may get through.

    Bodies travel compressed, unless the collector is on this machine. `sleep` returns True where the wait was cut short
    and no more is to be sent. Raises EndpointError for a malformed endpoint.
    """

    def __init__(
        self,
        endpoint: str,
        key: str | None,
        *,
        patience: float = 300.0,
        waiting: Waiting = lambda reason, seconds: None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], bool | None] = time.sleep,
    ) -> None:
        parts = urlsplit(endpoint)
        try:
            self._port = parts.port
        except ValueError:
            raise EndpointError(f"--endpoint {endpoint!r} has no usable port; write http://host:8700") from None
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
            raise EndpointError(f"--endpoint {endpoint!r} is no http or https address; write http://host:8700")
        self._host = parts.hostname
        self._tls = ssl.create_default_context() if parts.scheme == "https" else None
        self._path = f"{parts.path.rstrip('/')}/v1/events"
        self._headers = {"Content-Type": "application/json", "User-Agent": "kizashi-import"}
        if key is not None:
            self._headers["Authorization"] = f"Bearer {key}"
        self._compress = not _is_loopback(parts.hostname)
        self._shown = f"{parts.scheme}://{parts.hostname}{f':{self._port}' if self._port else ''}"
        self._patience = patience
        self._waiting = waiting
        self._clock = clock
        self._sleep = sleep
        self._connection: http.client.HTTPConnection | None = None

    def close(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def send(self, events: Sequence[bytes]) -> list[Verdict | None]:
        """Return the verdict of each event, None where it was accepted; all of them are durable then.

        Waits as the collector asks and tries again. Raises CollectorError once its patience is over, and EndpointError
        where trying again mends nothing.
        """
        verdicts: list[Verdict | None] = [None] * len(events)
        open_ = list(range(len(events)))
        tried = 0
        deadline = self._clock() + self._patience
        while open_:
            status, headers, body = self._post([events[index] for index in open_])
            if status == HTTPStatus.OK:
                again, reason = self._settle(body, open_, verdicts)
                if len(again) < len(open_):
                    tried, deadline = 0, self._clock() + self._patience  # it moves
                open_ = again
                if not open_:
                    break
            elif status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
                self._halved(body, [events[index] for index in open_], open_, verdicts)
                break
            elif status in _LATER or status == 0:
                reason = _reason(status, body)
            else:
                raise self._refusal(status, headers, body)
            pause = max(min(_FIRST_PAUSE * 2**tried, _LONGEST_PAUSE) * random.uniform(0.75, 1.0), _retry_after(headers))  # noqa: S311
            tried += 1
            if self._clock() + pause > deadline:
                raise CollectorError(f"{self._shown} took no events for {self._patience:g} s: {reason}")
            self._waiting(reason, pause)
            if self._sleep(pause):
                raise CollectorError(f"stopped while {self._shown} took no events: {reason}")
        return verdicts

    def _settle(self, body: bytes, open_: list[int], verdicts: list[Verdict | None]) -> tuple[list[int], str]:
        """Note the verdicts; return the events that are to be sent again, and why."""
        try:
            answer = _decode_answer(body)
        except msgspec.DecodeError:
            raise CollectorError(f"{self._shown} answered what no collector answers; check --endpoint") from None
        again: list[int] = []
        reason = ""
        for verdict in answer.verdicts:
            if not 0 <= verdict.index < len(open_):
                raise CollectorError(f"{self._shown} answered for an event that was not sent; check --endpoint")
            if verdict.verdict == "retry":
                again.append(open_[verdict.index])
                reason = verdict.message or verdict.code or "the collector asks to send again"
            else:
                verdicts[open_[verdict.index]] = verdict
        return again, reason

    def _halved(self, body: bytes, events: list[bytes], open_: list[int], verdicts: list[Verdict | None]) -> None:
        """Send a batch that is too large in two halves; an event that alone is too large is rejected."""
        if len(events) == 1:
            verdicts[open_[0]] = Verdict(
                index=0, id=None, verdict="rejected", code="too_large", message=_reason(413, body)
            )
            return
        middle = len(events) // 2
        halves = self.send(events[:middle]) + self.send(events[middle:])
        for index, verdict in zip(open_, halves, strict=True):
            verdicts[index] = verdict

    def _post(self, events: list[bytes]) -> tuple[int, Mapping[str, str], bytes]:
        """One request. Status 0 is a connection that could not be made or broke off, with its reason as the body."""
        body = b'{"import":true,"events":[%b]}' % b",".join(events)
        headers = self._headers
        if self._compress:
            body = zstd.compress(body, 1)
            headers = {**headers, "Content-Encoding": "zstd"}
        # A kept connection that the other side closed meanwhile is no trouble: a new one is tried at once.
        for kept in (self._connection is not None, False):
            try:
                if self._connection is None:
                    self._connection = self._connect()
                self._connection.request("POST", self._path, body, headers)
                response = self._connection.getresponse()
                return response.status, dict(response.headers), response.read()
            except ssl.SSLCertVerificationError as error:
                self.close()
                raise EndpointError(f"{self._shown}: its certificate is not trusted: {error.verify_message}") from None
            except _LOST as error:
                self.close()
                failure = f"{type(error).__name__}: {error}"
                if not kept:
                    break
        return 0, {}, failure.encode("utf-8", "replace")

    def _connect(self) -> http.client.HTTPConnection:
        if self._tls is not None:
            return http.client.HTTPSConnection(self._host, self._port, timeout=_SOCKET_SECONDS, context=self._tls)
        return http.client.HTTPConnection(self._host, self._port, timeout=_SOCKET_SECONDS)

    def _refusal(self, status: int, headers: Mapping[str, str], body: bytes) -> KizashiError:
        reason = _reason(status, body)
        match status:
            case 401:
                return EndpointError(f"{self._shown}: the key is not valid ({reason}); give a write key with --key")
            case 403:
                return EndpointError(f"{self._shown}: the key may not send events ({reason}); give a write key")
            case 404 | 405:
                return EndpointError(f"{self._shown}{self._path}: no collector there ({reason}); check --endpoint")
            case _ if 300 <= status < 400:
                place = str(headers.get("Location", ""))[:200]
                return EndpointError(f"{self._shown} leads elsewhere ({place}); give that address as --endpoint")
        return CollectorError(f"{self._shown} refuses the batch: {reason}")


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _reason(status: int, body: bytes) -> str:
    if status == 0:
        return body.decode()
    try:
        problem = _decode_problem(body)
    except msgspec.DecodeError:
        return f"HTTP {status}"
    return f"HTTP {status}, {problem.code}: {problem.detail or problem.title}"


def _retry_after(headers: Mapping[str, str]) -> float:
    """Seconds, or a date (RFC 9110, section 10.2.3); 0 where there is none that can be read."""
    text = str(headers.get("Retry-After", "")).strip()
    if text.isdigit():
        return float(text[:9])
    try:
        return max(0.0, email.utils.parsedate_to_datetime(text).timestamp() - time.time())
    except (TypeError, ValueError, OverflowError):
        return 0.0
