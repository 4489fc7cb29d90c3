"""Keeps the declared answers current, in a thread of its own: whoever asks finds all that was acknowledged before."""

from __future__ import annotations

import logging
import sqlite3
import threading
import time
from collections.abc import Callable
from contextlib import closing
from functools import partial
from typing import TypeVar

from kizashi_collector.analysis import Break, Interval
from kizashi_collector.store._current._building import begin, found_values, read_in
from kizashi_collector.store._current._completing import KeptOutcomes
from kizashi_collector.store._current._source import Source, reader
from kizashi_collector.store._current._upkeep import AGAIN_SECONDS, FEW, ClosingError, Upkeep
from kizashi_collector.store._current._view import Told, Unchanged, View
from kizashi_collector.store._protocol import AnswersState, FunnelReport, SummaryReport
from kizashi_collector.store._spare_memory import give_back, give_back_large
from kizashi_schemas.plan import Plan

__all__ = ["Current"]

T = TypeVar("T")
_log = logging.getLogger("kizashi.store")
_AT_ONCE = 3_000
"""So many events are counted at once, in some 6 ms; a question waits no longer for its turn."""

_BACKLOG = 50_000
_A_MOMENT = 0.03
_TICK_SECONDS = 1.0
_CLOCK_TOLERANCE_MS = 5_000
_MANY_TO_MEND = 20_000
_FORGETTABLE = 1_000_000


class Current:
    """The answers that a plan declares, from a view that the log's writer feeds.

    The writer has it `told` what each transaction changed after the commit and before anybody else is, so that whoever
    asks later finds it in the view's queue at least; who asks counts the queue first. `keep` asks for a plan's answers.
    Until a view is built, and where something else is asked than what is kept, there is no answer here. `on_news` is
    called once a second, and when a view came.
    """

    def __init__(self, log: Source, now: Callable[[], int], on_news: Callable[[], None] = lambda: None) -> None:
        self._log = log
        self._now = now
        self._on_news = on_news
        self._signal = threading.Event()
        self._closed = threading.Event()
        # Whoever wants the lock waits for it alone: nobody who just had it takes it again before.
        self._turn, self._lock = threading.Lock(), threading.Lock()
        self._view: View | None = None
        # The view that is answered from, and the one that is being built, are told of every change. Views come and go
        # in different threads, one at a time.
        self._told: tuple[View, ...] = ()
        self._telling = threading.Lock()
        # What was asked for last, and what the view was built for: the same object, or a view is to be built.
        self._wanted: tuple[Plan | None] | None = None
        self._built_for: tuple[Plan | None] | None = None
        self._not_before = self._next_news = 0.0
        self._build_seconds: float | None = None
        self._progress = 0.0
        self._connection = reader(log)
        self._upkeep = Upkeep(log, now, self)
        self._thread: threading.Thread | None = None

    # -- for others ---------------------------------------------------------------------------------------------------

    def keep(self, plan: Plan | None) -> None:
        """Have this plan's answers kept from now on. They are built in the thread; there are none until then.

        A plan that comes back after another one makes a view of its own: by when it came back rows are judged.
        """
        if self._wanted is None or _id(self._wanted[0]) != _id(plan):
            self._wanted = (plan,)
        if self._thread is None:
            self._thread = threading.Thread(target=self._work_forever, name="kizashi-current", daemon=True)
            self._thread.start()
        self._signal.set()

    def summary(
        self, plan: str | None, interval: Interval, by: tuple[str, ...], *, moving: bool, known: str | None = None
    ) -> SummaryReport | Unchanged | None:
        """The summary of an interval that ends at its as_of, if it is kept; see Answers.summary. May take some 20 ms.

        `plan` is the id of the plan that it is asked under. Where another was asked a moment later and answered before,
        a moving one ends at that later instant.
        """

        def ask() -> Callable[[], SummaryReport] | Unchanged | None:
            view, as_of = self._ready(plan, interval.as_of, moving=moving)
            return None if view is None else view.summary(interval.end - interval.start, by, as_of, known)

        found = self.hold(ask)
        return found if found is None or isinstance(found, Unchanged) else found()

    def funnel(
        self, plan: str | None, name: str, interval: Interval, by: tuple[str, ...], attribution: str, *, moving: bool
    ) -> FunnelReport | None:
        """A funnel of the plan over an interval that ends at its as_of, if it is kept; as `summary`."""

        def ask() -> Callable[[], FunnelReport] | None:
            view, as_of = self._ready(plan, interval.as_of, moving=moving)
            length = interval.end - interval.start
            return None if view is None else view.funnel(name, length, by, attribution, as_of)

        found = self.hold(ask)
        return None if found is None else found()

    def outcomes(self, plan: str, interval: Interval, by: tuple[str, ...], *, moving: bool) -> KeptOutcomes | None:
        """What completes the summary of an interval that ends at its as_of, by fields of which some kept grouping has
        more; as `summary`."""

        def ask() -> Callable[[], KeptOutcomes] | None:
            view, as_of = self._ready(plan, interval.as_of, moving=moving)
            return None if view is None else view.outcomes(interval.end - interval.start, by, as_of)

        found = self.hold(ask)
        return None if found is None else found()

    def breaks(self, plan: str, as_of: int) -> list[Break] | None:
        """The breaks in the tracking of the plan's events by now, which `as_of` was a moment ago, if its answers are
        kept; see View.breaks."""

        def ask() -> list[Break] | None:
            view, now = self._ready(plan, as_of, moving=True)
            return None if view is None else view.breaks(now)

        return self.hold(ask)

    def state(self) -> AnswersState:
        """How things are."""
        return self.hold(self._state) or AnswersState(build_seconds=self._build_seconds)

    def close(self) -> None:
        """Let go of everything."""
        self._closed.set()
        self._signal.set()
        if self._thread is not None:
            self._thread.join()
        self.hold(self._drop)
        self._connection.close()

    # -- for whoever is told by the writer ----------------------------------------------------------------------------

    def told(self, told: Told, *, later: bool = True) -> None:
        """Tell the views what a transaction changed. It is counted in the thread, or, if not `later`, by `catch_up`."""
        views = self._told
        if not views:
            return
        for view in views:
            view.tell(told)
        if later:
            self._signal.set()
        current = self._view
        if current is not None and current.backlog > (_BACKLOG if later else 2 * _AT_ONCE):
            self.hold(lambda: self._count(len(current.queue)))

    def catch_up(self) -> bool:
        """Count some of what was told; whether more is left."""
        view = self._view
        if view is None or not view.queue:
            return False
        self.hold(lambda: self._count(1))
        return bool(view.queue) and self._view is view

    def missed(self) -> None:
        """Something was not told: what there is serves no more, and is built anew."""
        views, self._view = self._told, None
        for view in views:
            self._tell_no_more(view)

    def _tell_no_more(self, view: View | None) -> None:
        with self._telling:
            self._told = tuple(other for other in self._told if other is not view)

    # -- for upkeep ---------------------------------------------------------------------------------------------------

    @property
    def view(self) -> View | None:
        """The one that is answered from."""
        return self._view

    def wake(self) -> None:
        """Have the thread look again at once."""
        self._signal.set()

    def check(self) -> None:
        """Raise ClosingError once nobody waits any more."""
        if self._closed.is_set():
            raise ClosingError

    def tell_news(self) -> None:
        """Tell how things are."""
        self._next_news = time.monotonic() + _TICK_SECONDS
        self._on_news()

    # -- with the lock ------------------------------------------------------------------------------------------------

    def hold(self, do: Callable[[], T]) -> T | None:
        """Do something while nobody else uses the view; None where that failed."""
        with self._turn:
            self._lock.acquire()
        try:
            return do()
        except Exception:  # noqa: BLE001  # it is logged
            # Whatever it was, answers are counted from the log until a new view is there.
            _log.exception("what is kept current failed; answers are counted from the log until it is built anew")
            self._drop()
            self._not_before = time.monotonic() + AGAIN_SECONDS
            return None
        finally:
            self._lock.release()

    def _drop(self) -> None:
        view, self._view = self._view, None
        self._tell_no_more(view)

    def _ready(self, plan: str | None, as_of: int, *, moving: bool) -> tuple[View | None, int]:
        """The view to answer from, all that was acknowledged counted, if there is one; and the instant to answer at."""
        view = self._view
        if view is None or _id(view.plan) != plan or self._came_back(plan):
            return None, as_of
        self._count(len(view.queue))
        now = self._now()
        if view.values is not None and view.values.due(now):
            self._signal.set()
        if view.rolling.now > now + _CLOCK_TOLERANCE_MS:
            self._drop()  # the clock was set back
            return None, as_of
        if moving:
            # What was counted just now may have been received since the question came.
            return view, max(as_of, now, view.rolling.now)
        # Nobody takes the others along into what is to come.
        return (view, as_of) if as_of <= now else (None, as_of)

    def _came_back(self, plan: str | None) -> bool:
        """Whether another plan was in force since the view was built for this one."""
        wanted = self._wanted
        return wanted is not None and wanted is not self._built_for and _id(wanted[0]) == plan

    def _count(self, changes: int) -> None:
        """Count so many changes of the queue, at least, if they are there; time passes as they come."""
        view = self._view
        if view is None:
            return
        before = len(view.queue)
        view.advance(self._now())
        while changes > 0 and view.count(_AT_ONCE):
            after = len(view.queue)
            changes -= max(1, before - after)
            before = after

    def _state(self) -> AnswersState:
        view = self._view
        if view is None:
            return AnswersState(progress=self._progress, build_seconds=self._build_seconds)
        current = self._built_for is self._wanted
        learned = None if view.values is None else view.values.learned
        return AnswersState(
            current=current,
            progress=1.0 if current else self._progress,
            events=view.rolling.held.count,
            backlog=max(view.backlog, len(view.queue)),
            build_seconds=self._build_seconds,
            complete_until=view.complete_until(),
            learned_until=None if learned is None else learned.boundary,
            learning_seconds=None if learned is None else learned.seconds,
            mending=0 if view.values is None else view.values.to_mend,
        )

    # -- in the thread ------------------------------------------------------------------------------------------------

    def _work_forever(self) -> None:
        while not self._closed.is_set():
            self._signal.wait(_TICK_SECONDS)
            # Many small transactions cost as much as one large one; who asks meanwhile counts what is there.
            view = self._view
            if view is not None and view.backlog < FEW:
                self._closed.wait(_A_MOMENT)
            self._signal.clear()
            if self._closed.is_set():
                return
            due = self.hold(self._tick)
            if due and time.monotonic() >= self._not_before:
                self._build()
                self.tell_news()
            elif not due:
                self._upkeep.work()
            if time.monotonic() >= self._next_news:
                self.tell_news()

    def _tick(self) -> bool:
        """Count what is there; whether a view is to be built."""
        view = self._view
        if view is None or self._wanted is None:
            return True
        # In parts, so that whoever asks comes in between.
        self._count(1)
        if view.queue:
            self._signal.set()
        view.arrivals.move_on(self._now())
        behind = view.rolling.behind
        if self._built_for is not self._wanted or _many_to_mend(view):
            return True
        return behind > _FORGETTABLE and 2 * behind > view.rolling.held.count

    def _build(self) -> None:
        """Build a view from the log, beside the one that there is, and put it in its place."""
        wanted = self._wanted
        if wanted is None:
            return
        began = time.perf_counter()
        view = values = None
        self._progress = 0.0
        give_back_large()
        try:
            with closing(reader(self._log)) as connection:
                view = View(wanted[0], self._log.texts, self._now(), connection)
                if not self._begun(connection, view):
                    return
                values = found_values(self._log.texts, view, self.check)
                read_in(self._log.texts, view, begin(self._log.texts, view), self._closed.is_set, self._got_on)
                if values is not None:
                    view.values, values = values(), None
                while view.backlog > _AT_ONCE and not self._closed.is_set():
                    view.advance(self._now())
                    view.count(_AT_ONCE)
                view.connection = self._connection
            if not self._closed.is_set():
                self.hold(partial(self._replace, view, wanted))
                self._build_seconds = time.perf_counter() - began
            give_back()
        except ClosingError:
            return
        except Exception:  # noqa: BLE001  # it is logged
            _log.exception("cannot keep answers current; they are counted from the log, and it is tried again")
            self._not_before = time.monotonic() + AGAIN_SECONDS
        finally:
            if self._view is not view:
                self._tell_no_more(view)

    def _check(self) -> None:
        if self._closed.is_set():
            raise ClosingError

    def _got_on(self, progress: float) -> None:
        self._progress = progress
        if time.monotonic() >= self._next_news:
            self.tell_news()

    def _begun(self, connection: sqlite3.Connection, view: View) -> bool:
        """Begin a snapshot between two transactions: all before is in it, and of all after the view is told."""
        done = threading.Event()

        def between() -> None:
            try:
                connection.execute("BEGIN")
                connection.execute("SELECT high FROM logs").fetchone()  # a snapshot begins with the first look
                with self._telling:
                    self._told = (*self._told, view)
            except sqlite3.Error:
                _log.exception("cannot read the log to keep answers current")
            finally:
                done.set()

        self._log.between(between)
        while not done.wait(_TICK_SECONDS):
            if self._closed.is_set():
                return False
        return view in self._told

    def _replace(self, view: View, wanted: tuple[Plan | None]) -> None:
        if view not in self._told:
            return  # it missed a change
        self._drop()
        self._view, self._built_for = view, wanted
        self._count(len(view.queue))


def _id(plan: Plan | None) -> str | None:
    return None if plan is None else plan.id


def _many_to_mend(view: View) -> bool:
    """Whether so many actors are to be looked up in the log that all journeys are found anew sooner."""
    return view.values is not None and len(view.values.journeys.dirty) > _MANY_TO_MEND
