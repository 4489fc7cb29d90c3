"""What only the log can tell a view, or is to be learned from it, in the thread that keeps it."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from contextlib import closing
from functools import partial
from typing import Any, Protocol

from kizashi_collector.store._current._building import Mending
from kizashi_collector.store._current._source import Source, reader
from kizashi_collector.store._current._values import Learned, learn
from kizashi_collector.store._current._view import View
from kizashi_collector.store._fits import StoredFit
from kizashi_collector.store._spare_memory import give_back

__all__ = ["AGAIN_SECONDS", "FEW", "ClosingError", "Upkeep"]

_log = logging.getLogger("kizashi.store")
AGAIN_SECONDS = 60.0
"""What failed is tried again after so long."""

FEW = 2_000
"""So many events are not many to wait to be counted."""

_LOOK_SECONDS = 5.0
_MEND_SHARE = 20
"""For each second of looking actors up in the log, nobody is looked up for so many."""


class ClosingError(Exception):
    """Raised within work that nobody waits for any more."""


class Keeping(Protocol):
    """Who keeps the view."""

    @property
    def view(self) -> View | None:
        """The one that is answered from."""

    def hold(self, do: Callable[[], Any]) -> Any:
        """Do something while nobody else uses the view; None where that failed."""

    def wake(self) -> None:
        """Have the thread look again at once."""

    def check(self) -> None:
        """Raise ClosingError once nobody waits any more."""

    def tell_news(self) -> None:
        """Something is to be told."""


class Upkeep:
    """Learns from a view each hour, and finds those journeys anew that it cannot know."""

    def __init__(self, log: Source, now: Callable[[], int], keeping: Keeping) -> None:
        self._log, self._now, self._keeping = log, now, keeping
        self._learning = False
        self._learn_not_before = self._look_not_before = self._mend_not_before = 0.0

    def work(self) -> None:
        """Do what is due."""
        self._mend()
        self._learn()

    def _learn(self) -> None:
        """Learn from the journeys of the view up to the last whole hour, and answer from that once the log has it."""
        view, now = self._keeping.view, self._now()
        if view is None or view.values is None or self._learning or time.monotonic() < self._learn_not_before:
            return
        values = view.values
        if not values.due(now):
            if time.monotonic() < self._look_not_before:
                return
            self._look_not_before = time.monotonic() + _LOOK_SECONDS
            if view.backlog > FEW or not self._keeping.hold(values.grown):
                return
        journeys = self._keeping.hold(values.journeys.for_values)
        if journeys is None:
            return
        self._learning = True
        try:
            fit = learn(
                journeys, list(self._log.texts.codes.sources), values.plan, values.ladder, now, values.groupings
            )
            del journeys
            give_back()
            self._log.keep_fit(fit, self._learned)
        except Exception:  # noqa: BLE001  # it is logged
            _log.exception("cannot learn what steps are worth; it is tried again")
            self._learned(None)

    def _learned(self, fit: StoredFit | None) -> None:
        """A fit is in the log, or could not be written."""
        self._learning = False
        if fit is None:
            self._learn_not_before = time.monotonic() + AGAIN_SECONDS
            return
        # A view that was built meanwhile answers from what the log has last, as it would after a start.
        view = self._keeping.view
        if view is not None and view.values is not None and view.values.plan.learning_id == fit.plan:
            self._keeping.hold(partial(view.values.use, Learned(fit).prepared()))
        self._keeping.tell_news()

    def _mend(self) -> None:
        """Find the journeys anew of those actors of whom only the log can tell."""
        view = self._keeping.view
        if view is None or view.values is None or not view.values.journeys.dirty:
            return
        if time.monotonic() < self._mend_not_before:
            return
        began = time.monotonic()
        values = view.values
        mending = self._keeping.hold(lambda: Mending.begun(view, values))
        if mending is None:
            return
        try:
            with closing(reader(self._log)) as connection:
                found = mending.found(connection, self._log.texts, values, self._keeping.check)
        except ClosingError:
            return
        except Exception:  # noqa: BLE001  # it is logged
            _log.exception("journeys cannot be found anew; it is tried again")
            self._keeping.hold(values.mend_later)
            self._mend_not_before = time.monotonic() + AGAIN_SECONDS
            return
        self._keeping.hold(lambda: values.mend(found, mending.as_of))
        ended = time.monotonic()
        self._mend_not_before = ended + _MEND_SHARE * (ended - began)
        if view.values.journeys.dirty:
            self._keeping.wake()
