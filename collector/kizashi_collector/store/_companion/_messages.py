"""What the collector and its companion say to each other, over a socket between them that nobody else holds."""

from __future__ import annotations

import pickle
import socket
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from msgspec import Struct

from kizashi_collector.store._current import Answer, Asked, Told
from kizashi_collector.store._fits import StoredFit
from kizashi_collector.store._protocol import AnswersState
from kizashi_schemas import KizashiError
from kizashi_schemas.plan import Plan

__all__ = [
    "Answered",
    "Ask",
    "Between",
    "Changed",
    "Keep",
    "Kept",
    "Learned",
    "Mark",
    "Message",
    "Open",
    "Taken",
    "Unpacker",
    "pack",
    "received",
]

_LENGTH = 4
_READ = 1 << 18
_PROTOCOL = 5


class Open(Struct, frozen=True):
    """To the companion, first: the log's database, and the texts known by now; see Texts.since."""

    path: Path
    texts: Sequence[Sequence[str]]


class Keep(Struct, frozen=True):
    """To the companion: keep this plan's answers."""

    plan: Plan | None


class Changed(Struct, frozen=True):
    """To the companion: what a transaction changed, and the texts that are new since the last time."""

    told: Told
    texts: Sequence[Sequence[str]]


class Ask(Struct, frozen=True):
    """To the companion: a question with a number."""

    number: int
    asked: Asked


class Answered(Struct, frozen=True):
    """From it: the answer, None where it is not kept; or the error that was raised while it was put together."""

    number: int
    answer: Answer | None
    error: KizashiError | None = None


class Between(Struct, frozen=True):
    """From it: mark a moment between two transactions."""

    number: int


class Mark(Struct, frozen=True):
    """To it: this is one, and the texts that are new. The log stands still until it has been `Taken`."""

    number: int
    texts: Sequence[Sequence[str]]


class Learned(Struct, frozen=True):
    """From it: append this fit to the log."""

    number: int
    fit: StoredFit


class Kept(Struct, frozen=True):
    """To it: the fit is in the log, or could not be written."""

    number: int
    fit: StoredFit | None


class Taken(Struct, frozen=True):
    """From it: go on."""

    number: int


Message = Open | Keep | Changed | Ask | Answered | Between | Mark | Taken | Learned | Kept | AnswersState


def pack(message: Message) -> bytes:
    """A message as bytes, its length before it."""
    body = pickle.dumps(message, _PROTOCOL)
    return len(body).to_bytes(_LENGTH, "little") + body


class Unpacker:
    """Puts messages together from what comes in, in whatever pieces."""

    def __init__(self) -> None:
        self._data = bytearray()

    def fed(self, data: bytes) -> Iterator[Message]:
        """The messages that this completes."""
        self._data += data
        while len(self._data) >= _LENGTH:
            end = _LENGTH + int.from_bytes(self._data[:_LENGTH], "little")
            if len(self._data) < end:
                return
            body = bytes(self._data[_LENGTH:end])
            del self._data[:end]
            # Only what a process of our own sent arrives here.
            message: Message = pickle.loads(body)  # noqa: S301
            yield message


def received(connection: socket.socket, idle: Callable[[], bool]) -> Iterator[Message]:
    """All messages, as they come, until the other side has closed.

    While none is there `idle` is called, until it says that it has nothing more to do.
    """
    unpacker = Unpacker()
    while True:
        try:
            data = connection.recv(_READ, socket.MSG_DONTWAIT)
        except BlockingIOError:
            if idle():
                continue
            data = connection.recv(_READ)
        if not data:
            return
        yield from unpacker.fed(data)
