"""Senders that send the same events to several collectors at a time, each in an order and in batches of its own."""

from __future__ import annotations

import http.client
import random
import threading
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Any, Self

import msgspec

from faults.serving import Answer, Serving

__all__ = ["Senders"]

_EACH = 2
_MOST = 60


class Senders:
    """Send until every event was taken by every collector, whatever happens to those meanwhile.

    A batch is sent again after an error and after a connection that broke. `collectors` may be changed by the test.
    `taken` counts the batches that each took, `acknowledged` has the ids, `refused` the answers that were no 200.
    """

    def __init__(self, collectors: list[Serving], events: Sequence[dict[str, Any]], seed: int) -> None:
        self._collectors, self._events = collectors, events
        self.taken = [0] * len(collectors)
        self.refused: list[Answer] = []
        self._acknowledged: set[str] = set()
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._threads = ThreadPoolExecutor(_EACH * len(collectors))
        self._sending: list[Future[None]] = [
            self._threads.submit(self._send, place, random.Random(seed * 100 + place * 10 + sender))
            for place in range(len(collectors))
            for sender in range(_EACH)
        ]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stop.set()
        self._threads.shutdown()

    @property
    def acknowledged(self) -> set[str]:
        """The ids that somebody took by now."""
        with self._lock:
            return set(self._acknowledged)

    @property
    def busy(self) -> bool:
        """Whether anybody still sends; raises what a sender came upon."""
        return not all(sending.done() and sending.result() is None for sending in self._sending)

    def _send(self, place: int, rng: random.Random) -> None:
        left = rng.sample(self._events, len(self._events))
        while left and not self._stop.is_set():
            batch = left[: rng.randint(1, _MOST)]
            try:
                answer = self._collectors[place].ask(
                    "POST", "/v1/events", msgspec.json.encode({"events": batch}), key="w-secret"
                )
            except (OSError, http.client.HTTPException):
                self._stop.wait(0.05)  # it was killed: the same to the next one
                continue
            if answer.status == 200:
                assert answer.body["accepted"] + answer.body["duplicates"] == len(batch), answer
                with self._lock:
                    self._acknowledged |= {event["id"] for event in batch}
                    self.taken[place] += 1
                del left[: len(batch)]
            else:
                assert answer.status == 503, answer
                assert int(answer.headers["retry-after"]) > 0
                self.refused.append(answer)
                self._stop.wait(0.05)
