"""One companion, from its first word to its last."""

from __future__ import annotations

import asyncio
import itertools
import logging
import socket
import threading
from collections.abc import Callable

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
    Unpacker,
    pack,
)
from kizashi_collector.store._companion._outbox import Outbox
from kizashi_collector.store._current import Answer, Asked, Told
from kizashi_collector.store._fits import StoredFit
from kizashi_collector.store._log import SqliteLog
from kizashi_collector.store._protocol import AnswersState, StoreError
from kizashi_schemas.plan import Plan

__all__ = ["Session"]

_log = logging.getLogger("kizashi.store")
_READ = 1 << 20
_SNAPSHOT_SECONDS = 10.0


class Session:
    """Talks to one companion; in the event loop, but for `tell`, which is for the log's writer.

    `on_end` is called once, in the event loop, when the companion has gone, or cannot be talked to.
    """

    def __init__(self, connection: socket.socket, log: SqliteLog, on_end: Callable[[], None]) -> None:
        connection.setblocking(False)
        self.state = AnswersState()
        self._connection = connection
        self._log = log
        self._on_end = on_end
        self._loop = asyncio.get_running_loop()
        self._outbox = Outbox(connection, self._loop)
        self._unpacker = Unpacker()
        self._numbers = itertools.count()
        self._waiting: dict[int, asyncio.Future[Answered]] = {}
        self._marks: dict[int, threading.Event] = {}
        self._keeping: set[asyncio.Task[None]] = set()
        self._ended = False
        # Texts are told in the order of their numbers, whoever tells.
        self._telling = threading.Lock()
        self._texts = [0, 0, 0]
        with self._telling:
            self._outbox.send(pack(Open(log.path, self._new_texts(skip=1))))
        self._loop.add_reader(connection, self._read)

    def _new_texts(self, skip: int = 0) -> list[list[str]]:
        """What the companion does not know yet; each kind begins with a text for none, which it has."""
        texts = self._log.texts.since(self._texts)
        self._texts = [known + len(more) for known, more in zip(self._texts, texts, strict=True)]
        return [more[skip:] for more in texts]

    def keep(self, plan: Plan | None) -> None:
        """Have it keep this plan's answers."""
        self._send(Keep(plan))

    def tell(self, told: Told) -> None:
        """Tell it what a transaction changed, in the writer's thread. Raises OSError where it takes nothing more."""
        with self._telling:
            self._outbox.send(pack(Changed(told, self._new_texts())))

    async def ask(self, asked: Asked) -> Answer | None:
        """Ask it; None where it does not keep that, or has gone. Raises what the asker's own `then` raises."""
        number = next(self._numbers)
        future = self._waiting[number] = self._loop.create_future()
        try:
            self._send(Ask(number, asked))
            answered: Answered = await future
        finally:
            self._waiting.pop(number, None)
        if answered.error is not None:
            raise answered.error
        return answered.answer

    def _send(self, message: Message) -> None:
        try:
            self._outbox.send(pack(message))
        except OSError:
            self.end()

    def _read(self) -> None:
        try:
            data = self._connection.recv(_READ)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self.end()
            return
        try:
            for message in self._unpacker.fed(data):
                self._take(message)
        except Exception:  # noqa: BLE001  # it is logged, and the next companion begins anew
            _log.exception("what is kept current cannot be understood; it is built anew")
            self.end()

    def _take(self, message: Message) -> None:
        match message:
            case Answered(number):
                future = self._waiting.get(number)
                if future is not None and not future.done():
                    future.set_result(message)
            case AnswersState():
                self.state = message
            case Between(number):
                taken = self._marks[number] = threading.Event()
                self._log.between(lambda: self._mark(number, taken))
            case Learned(number, fit):
                task = self._loop.create_task(self._keep_fit(number, fit))
                self._keeping.add(task)
                task.add_done_callback(self._keeping.discard)
            case Taken(number):
                self._marks.pop(number).set()
            case _:
                raise ValueError(f"no companion says {type(message).__name__}")

    async def _keep_fit(self, number: int, fit: StoredFit) -> None:
        kept: StoredFit | None = None
        try:
            kept = await self._log.add_fit(fit)
        except StoreError:
            _log.exception("what was learned cannot be kept")
        if not self._ended:
            self._send(Kept(number, kept))

    def _mark(self, number: int, taken: threading.Event) -> None:
        """Hold the log until the companion has its snapshot; some milliseconds, unless it is in trouble."""
        if self._ended:
            return
        try:
            with self._telling:
                self._outbox.send(pack(Mark(number, self._new_texts())))
        except OSError:
            return
        if not taken.wait(_SNAPSHOT_SECONDS):
            _log.error("what is kept current got no snapshot within %g s; it is built anew", _SNAPSHOT_SECONDS)
            self._loop.call_soon_threadsafe(self.end)

    def end(self) -> None:
        """Talk to it no more: it ends, and whoever waits for it is told that it has no answer."""
        if self._ended:
            return
        self._ended = True
        self._loop.remove_reader(self._connection)
        self._outbox.close()
        self._connection.close()
        for taken in self._marks.values():
            taken.set()
        for number, future in self._waiting.items():
            if not future.done():
                future.set_result(Answered(number, None))
        self._on_end()
