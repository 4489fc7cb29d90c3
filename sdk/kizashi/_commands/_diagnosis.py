"""What `kizashi doctor` looks at, in order: each check is one line, and a failure is explained in a sentence.

Nothing that is said holds a key; what a stranger's server sent is shown short, on one line, and without control
characters.
"""

from __future__ import annotations

import http.client
import inspect
import os
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Literal

import msgspec
from msgspec import Struct

from kizashi._commands import _explanations as explain
from kizashi._commands._probe import Address, Probe, Reply
from kizashi._config import Endpoint, Options, read_options
from kizashi._default import configure
from kizashi._errors import ConfigurationError, TransportError
from kizashi._transport import Answer
from kizashi_schemas import BatchAnswer, PlanAnswer
from kizashi_schemas.plan import Plan

__all__ = ["Check", "CheckName", "Diagnosis", "Status"]

Status = Literal["OK", "WARN", "FAIL", "SKIP"]
CheckName = Literal[
    "configuration",
    "proxies",
    "host",
    "connection",
    "tls",
    "collector",
    "ready",
    "clock",
    "key",
    "plan",
    "tracking",
    "event",
    "again",
]

EVENT = "kizashi_doctor"
ACTOR = "kizashi-doctor"
_PROXIES = ("http_proxy", "https_proxy", "all_proxy")
_STEP_SECONDS = 5.0


class Check(Struct, frozen=True):
    """The outcome of one check, in one sentence or two."""

    check: CheckName
    status: Status
    message: str


class Diagnosis:
    """Checks one endpoint. All of it ends within `seconds`.

    `read_key` is a key that may read the plan; `plan` is compared with the collector's. `send` says whether the test
    event is delivered. `clock` reads this machine's time in seconds since 1970.
    """

    def __init__(
        self,
        *,
        endpoint: str | None,
        key: str | None,
        read_key: str | None = None,
        plan: Plan | None = None,
        send: bool = True,
        seconds: float = 15.0,
        environ: Mapping[str, str] = os.environ,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._given = {"endpoint": endpoint, "key": key}
        self._read_key = read_key or environ.get("KIZASHI_READ_KEY") or None
        self._plan = plan
        self._send = send
        self._environ = environ
        self._clock = clock
        self._deadline = time.monotonic() + seconds
        self._options: Options
        self._endpoint: Endpoint
        self._probe: Probe
        self._addresses: list[Address] = []
        self._health: Reply

    def run(self) -> Iterator[Check]:
        """The checks as they are done. Where the way ends, the rest is left out."""
        for step in (self._configuration, self._proxies, self._host, self._connection, self._tls, self._collector):
            for check in step():
                yield check
                if check.status == "FAIL":
                    return
        yield from self._ready()
        yield from self._clocks()
        key = list(self._key())
        yield from key
        yield from self._plans()
        if self._send and all(check.status != "FAIL" for check in key):
            yield from self._events()

    def _left(self) -> float:
        return min(_STEP_SECONDS, max(self._deadline - time.monotonic(), 0.001))

    def _told(self, text: str) -> str:
        """What a server sent, as it may be shown."""
        for key in (self._options.key, self._read_key):
            if key:
                text = text.replace(key, "…")
        return explain.one_line(text)

    def _configuration(self) -> Iterator[Check]:
        # The client's own defaults and checks, whichever options it has.
        wanted = inspect.signature(read_options).parameters
        listed = inspect.signature(configure).parameters.items()
        defaults = {name: parameter.default for name, parameter in listed if name in wanted}
        options: dict[str, Any] = defaults | self._given | {"environ": self._environ}
        try:
            self._options = read_options(**options)
        except ConfigurationError as error:
            yield Check("configuration", "FAIL", str(error))
            return
        endpoint = self._options.endpoint
        assert endpoint is not None  # noqa: S101  # read_options raises where one is needed and missing
        self._endpoint, self._probe = endpoint, Probe(endpoint, self._clock)
        if self._options.key is None:
            message = f"{endpoint}, without a key; only a collector started with --dev takes events without one"
            yield Check("configuration", "WARN", message)
        else:
            yield Check("configuration", "OK", f"{endpoint}, with a key")

    def _proxies(self) -> Iterator[Check]:
        names = sorted(name for name in self._environ if name.lower() in _PROXIES and self._environ[name])
        if names:
            message = f"{', '.join(names)} is set, but kizashi uses no proxy: it connects to the collector directly"
            yield Check("proxies", "WARN", message)
        else:
            yield Check("proxies", "OK", "none is set, and kizashi would use none")

    def _host(self) -> Iterator[Check]:
        endpoint = self._endpoint
        try:
            self._addresses = list(dict.fromkeys(self._probe.resolve(self._left())))
        except (OSError, UnicodeError) as error:
            yield Check("host", "FAIL", explain.unresolved(endpoint.host, error))
            return
        numbers = ", ".join(str(place[0]) for _, place in self._addresses)
        yield Check("host", "OK", f"{endpoint.host} is {numbers}")

    def _connection(self) -> Iterator[Check]:
        endpoint = self._endpoint
        share = self._left() / len(self._addresses)
        answering, silent, fault = [], [], OSError("no address")
        for address in self._addresses:
            try:
                self._probe.connect(address, share)
            except OSError as error:
                fault = error
                if not isinstance(error, ConnectionRefusedError):  # which costs no time: the next is tried at once
                    silent.append(str(address[1][0]))
            else:
                answering.append(address)
        if not answering:
            yield Check("connection", "FAIL", explain.unreachable(endpoint.host, endpoint.port, fault))
        elif silent:
            message = (
                f"port {endpoint.port} is open, but {', '.join(silent)}, which the SDK may try first, does not answer"
            )
            yield Check("connection", "WARN", f"{message}; take it out of the host's addresses")
        else:
            yield Check("connection", "OK", f"port {endpoint.port} is open")
        self._addresses = answering

    def _tls(self) -> Iterator[Check]:
        endpoint = self._endpoint
        if not endpoint.secure:
            return
        try:
            version = self._probe.handshake(self._addresses[0], self._left())
        except OSError as error:
            yield Check("tls", "FAIL", explain.insecure(endpoint.host, error))
        else:
            yield Check("tls", "OK", f"{version}; the certificate is valid for {endpoint.host}")

    def _collector(self) -> Iterator[Check]:
        try:
            self._health = self._probe.get("/healthz", self._addresses[0], self._left())
        except (OSError, http.client.HTTPException) as error:
            yield Check("collector", "FAIL", self._told(explain.no_answer(error)))
            return
        fault = explain.stranger(self._health)
        if fault is None:
            yield Check("collector", "OK", "/healthz answers as a kizashi collector does")
        else:
            yield Check("collector", "FAIL", self._told(fault))

    def _ready(self) -> Iterator[Check]:
        try:
            reply = self._probe.get("/readyz", self._addresses[0], self._left())
        except (OSError, http.client.HTTPException) as error:
            yield Check("ready", "FAIL", self._told(explain.no_answer(error)))
            return
        if reply.status == 200:
            yield Check("ready", "OK", "the collector can take events now")
        else:
            yield Check("ready", "FAIL", self._told(explain.unready(reply.status, reply.body)))

    def _clocks(self) -> Iterator[Check]:
        date = explain.date_of(self._health.headers.get("date"))
        if date is None:
            yield Check("clock", "SKIP", "unknown: the answer has no Date header, or none that can be read")
            return
        # The header leaves out the fraction of its second.
        yield Check("clock", *explain.skew(round(self._health.asked - date - 0.5)))

    def _key(self) -> Iterator[Check]:
        """A batch without events needs the same key, and leaves no trace."""
        try:
            answer = self._post([])
        except TransportError as error:
            yield Check("key", "FAIL", explain.undelivered(error))
            return
        if answer.status == 200 and _verdicts(answer) is not None:
            has = "may write" if self._options.key else "is not needed: the collector takes events without one"
            yield Check("key", "OK", f"the key {has}")
        else:
            yield self._refused("key", answer)

    def _plans(self) -> Iterator[Check]:
        if self._plan is None:
            return
        key = self._read_key or self._options.key
        try:
            reply = self._probe.get("/v1/plan", self._addresses[0], self._left(), key=key)
        except (OSError, http.client.HTTPException) as error:
            yield Check("plan", "WARN", f"unknown: {self._told(explain.no_answer(error))}")
            return
        if reply.status in (401, 403):
            message = "unknown: this key may not read the plan; set KIZASHI_READ_KEY or pass --read-key"
            yield Check("plan", "WARN" if self._read_key else "SKIP", message)
            return
        try:
            told = msgspec.json.decode(reply.body, type=PlanAnswer) if reply.status == 200 else None
        except msgspec.DecodeError:
            told = None
        if told is None:
            yield Check("plan", "WARN", f"unknown: GET /v1/plan was answered {reply.status}, which tells of no plan")
        else:
            status, message = explain.compared(self._plan, told)
            yield Check("plan", status, self._told(message))
            if told.plan is not None:
                tracking, message = explain.tracked(told.health.breaks)
                yield Check("tracking", tracking, self._told(message))

    def _events(self) -> Iterator[Check]:
        """The test event, and the same once more."""
        now = int(self._clock() * 1000)
        event = {"id": f"doctor-{uuid.uuid4().hex}", "name": EVENT, "time": now, "actor": ACTOR}
        rejected = False
        tries: tuple[CheckName, ...] = ("event", "again")
        for check in tries:
            try:
                answer = self._post([event])
            except TransportError as error:
                yield Check(check, "FAIL", explain.undelivered(error))
                return
            verdicts = _verdicts(answer) if answer.status == 200 else None
            if verdicts is None:
                yield self._refused(check, answer)
                return
            if check == "again" and rejected:
                yield Check("again", "SKIP", "not seen: the id of a rejected event is not used up")
                return
            outcome = explain.first_verdict(verdicts) if check == "event" else explain.second_verdict(verdicts)
            rejected = bool(verdicts.rejected)
            yield Check(check, outcome[0], self._told(outcome[1]))
            if outcome[0] == "FAIL":
                return

    def _refused(self, check: CheckName, answer: Answer) -> Check:
        has_key = self._options.key is not None
        return Check(check, "FAIL", self._told(explain.refused(answer.status, answer.body, has_key=has_key)))

    def _post(self, events: list[dict[str, Any]]) -> Answer:
        body = msgspec.json.encode({"sent_at": int(self._clock() * 1000), "events": events})
        return self._probe.post(body, self._left(), key=self._options.key)


def _verdicts(answer: Answer) -> BatchAnswer | None:
    try:
        return msgspec.json.decode(answer.body, type=BatchAnswer)
    except msgspec.DecodeError:
        return None
