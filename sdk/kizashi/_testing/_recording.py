"""The process's client replaced for a while by one that keeps events in memory, and questions to what it kept."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from kizashi import Client, _default
from kizashi._testing._expectation import Expectation
from kizashi._testing._memory import Event, MemoryTransport

__all__ = ["TrackedEvents", "recorded"]

_FLUSH_SECONDS = 5.0
# Options of a site by which a test would write outside its memory.
_REACHING_OUT = {"dead_letters", "overflow", "spool", "spool_fsync", "spool_max_age", "spool_max_bytes"}


class TrackedEvents:
    """What was tracked since the recording began, in order. Every question flushes first, and sees all there is.

    `one` and `none` take fields of Event by keyword. Money compares as exact decimals, whatever type it is given in;
    identifiers as the text that is sent; a mapping needs only the given keys to be as given; None means left out.
    """

    def __init__(self) -> None:
        self.transport = MemoryTransport()
        """Where events end; `fail_next` and `break_next` are there for tests of outages."""
        self.clients: list[Client] = []
        """The process's clients so far: the first, and one for each call of configure()."""

    def make(self, **options: Any) -> Client:
        """A strict client of these options that keeps its events here, whatever they say about where to."""
        harmless = {name: value for name, value in options.items() if name not in _REACHING_OUT}
        with _unset("KIZASHI_SPOOL"):
            client = Client(**(harmless | {"strict": True, "transport": self.transport}))
        self.clients.append(client)
        return client

    def __repr__(self) -> str:
        return "\n".join([f"<kizashi: {self._size()}>", *(f"  {event!r}" for event in self.transport.events)])

    def __iter__(self) -> Iterator[Event]:
        return iter(self.all)

    def __len__(self) -> int:
        return len(self.all)

    @property
    def all(self) -> list[Event]:
        """Every event so far."""
        __tracebackhide__ = True
        self._flush()
        return self.transport.events

    def named(self, name: str) -> list[Event]:
        """The events with this name."""
        __tracebackhide__ = True
        return [event for event in self.all if event.name == name]

    def count(self, name: str) -> int:
        """How many events have this name."""
        __tracebackhide__ = True
        return len(self.named(name))

    def one(self, name: str, **fields: Any) -> Event:
        """The only event with this name and these fields; AssertionError if there is none, or more than one.

        The message shows what was tracked, and how the nearest miss differs. TypeError for a field that Event has not.
        """
        __tracebackhide__ = True
        expected = Expectation(name, fields)
        tracked = self.all
        found = [event for event in tracked if expected.met_by(event)]
        if len(found) != 1:
            fault = expected.miss(tracked) if not found else expected.too_many(found)
            raise AssertionError("\n".join([*fault, *self._shown()]))
        return found[0]

    def none(self, name: str, **fields: Any) -> None:
        """AssertionError if there is an event with this name and these fields."""
        __tracebackhide__ = True
        expected = Expectation(name, fields)
        found = [event for event in self.all if expected.met_by(event)]
        if found:
            raise AssertionError("\n".join([*expected.unwanted(found), *self._shown()]))

    def clear(self) -> None:
        """Forget what was tracked so far."""
        self._flush()
        self.transport.clear()

    def _flush(self) -> None:
        __tracebackhide__ = True
        for client in self.clients:
            if not client.flush(_FLUSH_SECONDS):
                raise AssertionError(f"not everything was delivered within {_FLUSH_SECONDS:g} s: {client.stats()}")

    def _size(self) -> str:
        events = len(self.transport.events)
        return f"{events} event{'' if events == 1 else 's'}"

    def _shown(self) -> list[str]:
        dropped: dict[str, int] = {}
        for client in self.clients:
            for reason, count in client.stats().dropped.items():
                dropped[reason] = dropped.get(reason, 0) + count
        lost = [f"dropped: {', '.join(f'{count} {reason}' for reason, count in dropped.items())}"] if dropped else []
        events = self.transport.events
        if not events:
            return ["", "nothing was tracked", *lost]
        width = len(str(len(events)))
        rows = [f"  {place:>{width}}  {event!r}" for place, event in enumerate(events, 1)]
        return ["", f"tracked: {self._size()}", *rows, *lost]


@contextmanager
def recorded() -> Iterator[TrackedEvents]:
    """Keep in memory what `kizashi.track` is given inside the block, by whatever code and in whatever thread.

    The process's own client is put back afterwards as it was. Meanwhile wrong calls of track() raise UsageError, as in
    strict mode, and `kizashi.configure` makes clients that end in the same memory. A `kizashi.Client` that the code
    makes for itself is not touched: give it `transport=events.transport`.
    """
    events = TrackedEvents()
    with _replaced(events):
        yield events


@contextmanager
def _unset(variable: str) -> Iterator[None]:
    value = os.environ.pop(variable, None)
    try:
        yield
    finally:
        if value is not None:
            os.environ[variable] = value


@contextmanager
def _replaced(events: TrackedEvents) -> Iterator[None]:
    process: Any = vars(_default)["_default"]
    with process.lock:
        before = (process.client, process.unconfigured, process.silent, process.stand_in)
        process.client, process.unconfigured, process.silent = events.make(), 0, False
        process.stand_in = events.make
    try:
        yield
    finally:
        with process.lock:
            process.client, process.unconfigured, process.silent, process.stand_in = before
        for client in events.clients:
            client.close(_FLUSH_SECONDS)
