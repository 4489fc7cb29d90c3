"""What a companion does: keep a plan's answers as it is told of changes, and answer in the order of what it is told."""

from __future__ import annotations

import itertools
import logging
import os
import socket
import sys
import threading
from collections.abc import Callable

from kizashi_collector.store._chunks import Texts
from kizashi_collector.store._companion._messages import (
    Answered,
    Ask,
    Between,
    Changed,
    Keep,
    Kept,
    Learned,
    Mark,
    Message,
    Open,
    Taken,
    pack,
    received,
)
from kizashi_collector.store._current import Current, answer_of
from kizashi_collector.store._fits import StoredFit
from kizashi_schemas import KizashiError

__all__ = ["serve"]

_log = logging.getLogger("kizashi.store")
# What is counted in a thread meanwhile lets go of the interpreter at each column, and should have it back soon.
_SWITCH_SECONDS = 0.0001


def serve(connection: socket.socket, now: Callable[[], int]) -> None:
    """Do as the other side of a connection says, at the time that `now` tells, until it closes."""
    sys.setswitchinterval(_SWITCH_SECONDS)
    worker = _Worker(connection, now)
    try:
        for message in received(connection, worker.catch_up):
            worker.take(message)
    except ConnectionError:
        pass  # as if it had closed
    except Exception:  # noqa: BLE001  # it is logged, and the next companion begins anew
        _log.exception("what is kept current is lost; it is built anew")
    finally:
        logging.shutdown()
        os._exit(0)  # a view may be being built, and nobody waits for it


class _Source:
    """The log as it is told of; see Source."""

    def __init__(self, opened: Open, send: Callable[[Message], None]) -> None:
        self.path = opened.path
        self.texts = Texts(None)
        self.texts.grow(opened.texts)
        self._send = send
        self._numbers = itertools.count()
        self._to_do: dict[int, Callable[[], None]] = {}
        self._learned: dict[int, Callable[[StoredFit | None], None]] = {}

    def between(self, do: Callable[[], None]) -> None:
        """Have something done when all before a mark was told, and nothing after it."""
        number = next(self._numbers)
        self._to_do[number] = do
        self._send(Between(number))

    def keep_fit(self, fit: StoredFit, then: Callable[[StoredFit | None], None]) -> None:
        """Have a fit appended to the log."""
        number = next(self._numbers)
        self._learned[number] = then
        self._send(Learned(number, fit))

    def kept(self, number: int, fit: StoredFit | None) -> None:
        """It was, or could not be."""
        self._learned.pop(number)(fit)

    def marked(self, number: int) -> None:
        """The mark has come."""
        self._to_do.pop(number)()
        self._send(Taken(number))


class _Worker:
    def __init__(self, connection: socket.socket, now: Callable[[], int]) -> None:
        self._connection = connection
        self._now = now
        self._sending = threading.Lock()
        self._source: _Source | None = None
        self._current: Current | None = None

    def take(self, message: Message) -> None:
        """Do what a message says. Raises ValueError where it makes no sense, or comes before the first."""
        if isinstance(message, Open):
            self._source = _Source(message, self._send)
            self._current = Current(self._source, self._now, self._tell)
            return
        source, current = self._source, self._current
        if source is None or current is None:
            raise ValueError(f"{type(message).__name__} came before Open")
        match message:
            case Changed(told, texts):
                source.texts.grow(texts)
                current.told(told, later=False)
            case Ask():
                self._send(_answered(message, current, source.texts))
            case Keep(plan):
                current.keep(plan)
            case Mark(number, texts):
                source.texts.grow(texts)
                source.marked(number)
            case Kept(number, fit):
                source.kept(number, fit)
            case _:
                raise ValueError(f"nobody says {type(message).__name__} to a companion")

    def catch_up(self) -> bool:
        """Count some of what was told; whether more is left. So hardly anything is left for whoever asks next."""
        return self._current is not None and self._current.catch_up()

    def _tell(self) -> None:
        if self._current is not None:
            self._send(self._current.state())

    def _send(self, message: Message) -> None:
        data = pack(message)
        with self._sending:
            self._connection.sendall(data)


def _answered(ask: Ask, current: Current, texts: Texts) -> Answered:
    try:
        return Answered(ask.number, answer_of(ask.asked, current, texts))
    except KizashiError as error:
        return Answered(ask.number, None, error)
    except Exception:  # noqa: BLE001  # it is logged, and counted from the log
        _log.exception("an answer that is kept cannot be put together")
        return Answered(ask.number, None)
