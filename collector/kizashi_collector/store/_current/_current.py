"""Keeps the declared answers current, in a thread of its own: whoever asks finds all that was acknowledged before."""

from __future__ import annotations

import logging
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import TypeVar

from kizashi_collector.analysis import Interval
from kizashi_collector.store._chunks import Stored, Texts
from kizashi_collector.store._current._building import read_on
from kizashi_collector.store._current._view import Arrived, Unchanged, View
from kizashi_collector.store._protocol import AnswersState, Gone, SummaryReport
from kizashi_schemas.plan import Plan

T = TypeVar("T")
__all__ = ["Current"]

_log = logging.getLogger("kizashi.store")
_AT_ONCE = 10_000
"""So many events are counted at once, in some 20 ms; a question waits no longer for its turn."""

_BACKLOG = 50_000
_FEW, _A_MOMENT = 2_000, 0.03
_CAUGHT_UP = 20_000
_TICK_SECONDS = 1.0
_CLOCK_TOLERANCE_MS = 5_000
_AGAIN_SECONDS = 60.0
_FORGETTABLE = 1_000_000


class Current:
    """The answers that a plan declares, from a view that the log's writer feeds.

    `stored` is called in the writer's thread after each commit and before anybody is told of it, so that whoever asks
    later finds it in the queue at least; who asks empties the queue first. `keep` asks for a plan's answers. Until a
    view is built, and where something else is asked than what is kept, there is no answer here.
    """

    def __init__(self, path: Path, texts: Texts, now: Callable[[], int]) -> None:
        self._path = path
        self._texts = texts
        self._now = now
        self._queue: deque[Arrived | Gone] = deque()
        self._signal = threading.Event()
        # Whoever wants the lock waits for it alone: nobody who just had it takes it again before.
        self._turn, self._lock = threading.Lock(), threading.Lock()
        self._view: View | None = None
        self._taking = False
        self._wanted: tuple[Plan | None] | None = None
        self._building = False
        self._meanwhile: list[Gone] = []
        self._closed = threading.Event()
        self._not_before = 0.0
        self._put = self._taken = 0
        self._build_seconds: float | None = None
        self._connection = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._connection.execute("PRAGMA query_only=ON")
        self._thread: threading.Thread | None = None

    # -- for others ---------------------------------------------------------------------------------------------------

    def keep(self, plan: Plan | None) -> None:
        """Have this plan's answers kept from now on. They are built in the thread; there are none until then."""
        self._wanted = (plan,)
        if self._thread is None:
            self._thread = threading.Thread(target=self._work_forever, name="kizashi-current", daemon=True)
            self._thread.start()
        self._signal.set()

    def stored(self, stored: Stored) -> None:
        """Take what was committed. In the writer's thread; never raises."""
        if not self._taking:
            return
        self._queue.append(Arrived.of(stored))
        self._put += len(stored.events)
        self._signal.set()
        if self._put - self._taken > _BACKLOG and self._view is not None:
            self._hold(self._drain)

    def gone(self, gone: Gone) -> None:
        """Take what was deleted."""
        if self._thread is not None:
            self._queue.append(gone)
            self._signal.set()

    def summary(
        self, plan: Plan | None, interval: Interval, by: tuple[str, ...], *, moving: bool, known: str | None = None
    ) -> SummaryReport | Unchanged | None:
        """The summary of an interval that ends at its as_of, if it is kept; see Answers.summary. May take some 20 ms.

        Where another was asked a moment later and answered before, a moving one ends at that later instant.
        """
        return self._hold(lambda: self._answer(plan, interval, by, moving=moving, known=known))

    @property
    def state(self) -> AnswersState:
        """How things are."""
        view = self._view
        return AnswersState(
            current=view is not None and self._wanted is not None and _same(view.plan, self._wanted[0]),
            events=0 if view is None else view.rolling.held.count,
            backlog=self._put - self._taken,
            build_seconds=self._build_seconds,
        )

    def close(self) -> None:
        """Let go of everything."""
        self._closed.set()
        self._signal.set()
        if self._thread is not None:
            self._thread.join()
        self._view = None
        self._connection.close()

    # -- with the lock ------------------------------------------------------------------------------------------------

    def _hold(self, do: Callable[[], T]) -> T | None:
        with self._turn:
            self._lock.acquire()
        try:
            return do()
        except Exception:  # noqa: BLE001  # it is logged
            # Whatever it was, answers are counted from the log until a new view is there.
            _log.exception("what is kept current failed; answers are counted from the log until it is built anew, in a minute")
            self._view, self._taking = None, False
            self._not_before = time.monotonic() + _AGAIN_SECONDS
            return None
        finally:
            self._lock.release()

    def _answer(
        self, plan: Plan | None, interval: Interval, by: tuple[str, ...], *, moving: bool, known: str | None
    ) -> SummaryReport | Unchanged | None:
        if self._closed.is_set() or self._view is None or not _same(self._view.plan, plan):
            return None
        self._drain()
        as_of = interval.as_of
        ahead = self._view.rolling.now - as_of
        if ahead > 0 and moving:
            if ahead > _CLOCK_TOLERANCE_MS:
                self._view, self._taking = None, False  # the clock was set back
                return None
            as_of = self._view.rolling.now
        return self._view.report(self._connection, interval.end - interval.start, by, as_of, known)

    def _drain(self) -> None:
        """Count what was stored up to now, or before the clock's next tick."""
        view = self._view
        for _ in range(len(self._queue)):
            if not self._queue:
                break
            arrived: list[Arrived] = []
            events = 0
            while self._queue and isinstance(self._queue[0], Arrived) and events < _AT_ONCE:
                part = self._queue.popleft()
                assert isinstance(part, Arrived)  # noqa: S101  # as was just seen; only who holds the lock takes any
                arrived.append(part)
                events += part.last - part.first + 1
            self._taken += events
            if view is not None and arrived:
                view.advance(self._connection, self._now())
                view.add(self._connection, arrived)
            if self._queue and isinstance(self._queue[0], Gone):
                gone = self._queue.popleft()
                assert isinstance(gone, Gone)  # noqa: S101  # likewise
                if self._building:
                    self._meanwhile.append(gone)
                if view is not None:
                    view.remove(gone)

    # -- in the thread ------------------------------------------------------------------------------------------------

    def _work_forever(self) -> None:
        while not self._closed.is_set():
            self._signal.wait(_TICK_SECONDS)
            # Many small transactions cost as much as one large one; who asks meanwhile counts what is there.
            if self._put - self._taken < _FEW:
                self._closed.wait(_A_MOMENT)
            self._signal.clear()
            self._hold(self._tick)
            if self._due() and not self._closed.is_set() and time.monotonic() >= self._not_before:
                self._build()

    def _tick(self) -> None:
        self._drain()
        if self._view is not None:
            self._view.advance(self._connection, self._now())
            self._view.arrivals.move_on(self._now())

    def _due(self) -> bool:
        """Whether a view is to be built: for another plan, or since much of what is held lies before all windows."""
        view = self._view
        if view is None or (self._wanted is not None and not _same(view.plan, self._wanted[0])):
            return True
        behind = view.rolling.behind
        return behind > _FORGETTABLE and 2 * behind > view.rolling.held.count

    def _build(self) -> None:
        """Build a view from the log, beside the one that there is; it reads on until it has caught up."""
        if self._wanted is None:
            return
        began = time.perf_counter()
        try:
            view = View(self._wanted[0], self._texts, self._now())
            self._building, self._meanwhile = True, []
            with closing(sqlite3.connect(self._path, isolation_level=None)) as connection:
                connection.execute("PRAGMA query_only=ON")
                before = -_CAUGHT_UP
                while view.last - before >= _CAUGHT_UP and not self._closed.is_set():
                    before = view.last
                    read_on(connection, self._texts, view, self._closed.is_set)
            self._hold(lambda: self._take_over(view))
            self._build_seconds = time.perf_counter() - began
        except Exception:  # noqa: BLE001  # it is logged
            _log.exception("cannot keep answers current; they are counted from the log, and it is tried again")
            self._not_before = time.monotonic() + _AGAIN_SECONDS
        finally:
            self._building = False

    def _take_over(self, view: View) -> None:
        """Read the last of the log, and answer from this view from now on."""
        self._drain()
        self._taking = True
        read_on(self._connection, self._texts, view, self._closed.is_set)
        for gone in self._meanwhile:
            view.remove_perhaps(self._connection, gone)
        view.advance(self._connection, self._now())
        self._view = view


def _same(one: Plan | None, other: Plan | None) -> bool:
    return (None if one is None else one.id) == (None if other is None else other.id)
