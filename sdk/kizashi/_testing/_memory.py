"""A collector in memory, behind the same protocol as the real one."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sequence
from decimal import Decimal
from typing import Any, Literal

import msgspec
from msgspec import Struct, field

from kizashi._errors import TransportError
from kizashi._transport import Answer
from kizashi_schemas import BatchAnswer, Problem, Verdict

__all__ = ["Event", "MemoryTransport"]

_NOT_SHOWN = {"name", "id", "time"}


class Event(Struct, kw_only=True, frozen=True):
    """An event as the collector gets it: `time` in epoch milliseconds, `value` exact, nothing left out being None."""

    id: str
    name: str
    time: int
    actor: str | None = None
    value: Decimal | None = None
    currency: str | None = None
    order: str | None = None
    session: str | None = None
    adjust: Literal["restate", "retract"] | None = None
    source: dict[str, str] = field(default_factory=dict)
    properties: dict[str, Any] = field(default_factory=dict)
    consent: dict[str, bool] = field(default_factory=dict)

    def __repr__(self) -> str:
        parts = [self.name]
        for name in self.__struct_fields__:
            said = getattr(self, name)
            if name not in _NOT_SHOWN and said is not None and said != {}:
                parts.append(f"{name}={said if isinstance(said, Decimal) else repr(said)}")
        return f"<{' '.join(parts)}>"


class _Batch(Struct):
    events: list[Event]


class MemoryTransport:
    """Keeps events in place of sending them, and answers as a collector does: `Client(transport=MemoryTransport())`.

    An id counts once, and so does one (name, order). `fail_next` and `break_next` make it misbehave for a while. May be
    used from any thread; a forked child has a copy of its own, which the parent does not see.
    """

    def __init__(self) -> None:
        self._decode = msgspec.json.Decoder(_Batch).decode
        self._begin()
        self._events: list[Event] = []
        self._ids: set[str] = set()
        self._orders: set[tuple[str, str]] = set()
        self._script: deque[Answer | None] = deque()

    def _begin(self) -> None:
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        return f"<MemoryTransport with {len(self.events)} events>"

    @property
    def events(self) -> list[Event]:
        """What was delivered, in the order of arrival; flush the client before you look."""
        with self._lock:
            return list(self._events)

    def named(self, name: str) -> list[Event]:
        """The events with this name."""
        return [event for event in self.events if event.name == name]

    def clear(self) -> None:
        """Forget what was delivered, ids and orders too, and all failures that are still to come."""
        with self._lock:
            self._events.clear()
            self._ids.clear()
            self._orders.clear()
            self._script.clear()

    def fail_next(self, times: int = 1, *, status: int = 503, retry_after: float | None = None) -> None:
        """Answer the next requests with a problem of this status, taking nothing; `retry_after` is in seconds.

        Failures follow each other in the order in which they were asked for.
        """
        problem = Problem(title="Refused by a test", status=status, code="asked_for")
        header = None if retry_after is None else f"{retry_after:g}"
        with self._lock:
            self._script.extend([Answer(status, msgspec.json.encode(problem), header)] * times)

    def break_next(self, times: int = 1) -> None:
        """Break the connection of the next requests before an answer, taking nothing."""
        with self._lock:
            self._script.extend([None] * times)

    def send(self, body: bytes, *, seconds: float) -> Answer:
        """Take one batch. Raises TransportError where break_next asked for it."""
        with self._lock:
            if self._script:
                answer = self._script.popleft()
                if answer is None:
                    raise TransportError("the connection broke, as the test asked")
                return answer
            return self._take(self._decode(body).events)

    def _take(self, events: Sequence[Event]) -> Answer:
        verdicts = []
        for index, event in enumerate(events):
            key = None if event.order is None or event.adjust is not None else (event.name, event.order)
            if event.id in self._ids:
                verdicts.append(Verdict(index=index, id=event.id, verdict="duplicate"))
            elif key is not None and key in self._orders:
                verdicts.append(Verdict(index=index, id=event.id, verdict="duplicate", code="order"))
            else:
                self._events.append(event)
                self._ids.add(event.id)
                if key is not None:
                    self._orders.add(key)
        told = BatchAnswer(
            accepted=len(events) - len(verdicts), duplicates=len(verdicts), rejected=0, verdicts=verdicts
        )
        return Answer(200, msgspec.json.encode(told))

    def abort(self) -> None:
        """No request takes long enough to be cut off."""

    def close(self) -> None:
        """Nothing is held open; what was delivered stays."""

    def after_fork(self) -> None:
        """Begin with a lock that nobody holds."""
        self._begin()
