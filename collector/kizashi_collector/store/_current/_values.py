"""The journeys of a plan as they stand in a view, and what was learned of such journeys."""

from __future__ import annotations

import time
import zlib
from collections.abc import Callable, Mapping, Sequence

import msgspec
import numpy as np
from msgspec import Struct

from kizashi_collector.analysis import (
    Break,
    Fit,
    FittedKeys,
    Interval,
    Journeys,
    Ladder,
    LagGrid,
    NumberedFit,
    Outcomes,
    RollingJourneys,
    RollingSummaries,
    RowLayout,
    Statistics,
    Summary,
    fit,
    fit_groupings,
)
from kizashi_collector.store._chunks import DIMENSIONS
from kizashi_collector.store._current._completing import KeptOutcomes, row_cells, with_outcomes
from kizashi_collector.store._current._ready import Judged, grounds_of, judged
from kizashi_collector.store._fits import StoredFit
from kizashi_schemas.plan import Plan

__all__ = ["Learned", "Values", "learn"]

HOUR_MS = 3_600_000
_MINUTE_MS = 60_000
_GROWN, _GROWN_AT_LEAST = 1.2, 100
Key = tuple[str, ...]


class _Fits(Struct, array_like=True, frozen=True):
    """Fits of one boundary, each with the fields that its keys are made of; when the first journey began that they were
    learned from, and how many began up to the boundary."""

    fits: list[tuple[Key, Fit]]
    oldest: int
    journeys: int


class Learned:
    """What was learned, made ready for answers."""

    def __init__(self, stored: StoredFit) -> None:
        self.number, self.boundary, self.seconds = stored.number, stored.boundary, stored.seconds
        found = msgspec.msgpack.decode(zlib.decompress(stored.fits), type=_Fits)
        self._fitted = {by: FittedKeys(one) for by, one in found.fits}
        self.journeys = found.journeys
        # What nobody has been watched for as long as a horizon is taken not to happen: values are too low by far.
        self.young = any(found.oldest > one.boundary - one.edges[-1] for _, one in found.fits)

    @staticmethod
    def packed(fits: list[tuple[Key, Fit]], oldest: int, journeys: int) -> bytes:
        """Fits of one boundary as a store keeps them, each with the fields that its keys are made of; when the first
        journey began that they were learned from, and how many began up to the boundary."""
        return zlib.compress(msgspec.msgpack.encode(_Fits(fits, oldest, journeys)))

    @property
    def whole(self) -> NumberedFit:
        """What was learned for the first grouping, with its number and how long it took."""
        return NumberedFit(self.number, self.seconds, next(iter(self._fitted.values())).fit)

    def prepared(self) -> Learned:
        """The same, once what all answers need was worked out: some 100 ms that nobody has to wait for then."""
        for fitted in self._fitted.values():
            fitted.prepare()
        return self

    def covering(self, by: Sequence[str]) -> tuple[Key, FittedKeys] | None:
        """What was learned for the first grouping that has all these fields, if there is one."""
        return next(((fields, fitted) for fields, fitted in self._fitted.items() if set(by) <= set(fields)), None)


def learn(
    journeys: Journeys | list[Journeys],
    sources: Sequence[Mapping[str, str]],
    plan: Plan,
    ladder: Ladder,
    now: int,
    groupings: Sequence[Key] | None = None,
    check: Callable[[], None] = lambda: None,
) -> StoredFit:
    """Learn from journeys up to the last whole hour before `now`, for these groupings, or those that the plan asks for.

    A list of them in parts is emptied, so that each is let go of as it was counted. Their actors, depths and finals are
    not asked for, nor their order. Pure but for the seconds that it took: some 3 s for three million journeys, and
    200 MB; with thousands of keys 1.6 ms and 80 kB for each. The result has no number yet. `check` is called
    throughout.
    """
    began = time.perf_counter()
    boundary = now // HOUR_MS * HOUR_MS
    parts = [journeys] if isinstance(journeys, Journeys) else journeys
    countings = []
    for by in fit_groupings(plan.summaries) if groupings is None else groupings:
        keys = [tuple(source.get(field, "") for field in by) for source in sources]
        counting = Statistics.counting(
            np.arange(len(keys)),
            keys,
            steps=ladder.steps,
            boundary=boundary,
            horizon=ladder.horizon_ms,
            lookback=ladder.lookback_ms,
        )
        countings.append((by, counting))
    begun, oldest = 0, now
    while parts:
        part = parts.pop()
        for _, counting in countings:
            counting.add(part)
            check()
        begun += int(np.count_nonzero(part.begin <= boundary))
        oldest = min(oldest, int(part.begin.min(initial=now)))
    fits = [(by, fit(counting.taken(), check)) for by, counting in countings]
    packed = Learned.packed(fits, oldest, begun)
    return StoredFit(0, plan.learning_id, boundary, now, time.perf_counter() - began, packed)


class Values:
    """Journeys beside rolling summaries, from what the log held when these had taken that in; and what was learned."""

    def __init__(
        self,
        plan: Plan,
        ladder: Ladder,
        rolling: RollingSummaries,
        found: Journeys,
        stored: StoredFit | None,
        changed_at: int | None = None,
    ) -> None:
        self.changed_at = changed_at
        """When the plan last made another thing of journeys, if that is known to be lately; see rules_changed_at."""
        self.plan, self.ladder, self._rolling = plan, ladder, rolling
        self._grid = LagGrid.of(ladder.horizon_ms)
        edges = [edge // _MINUTE_MS for edge in self._grid.edges[:-1]]
        self.journeys = RollingJourneys(rolling, ladder, edges=edges)
        self.journeys.take_in(found)
        self.learned = None if stored is None else Learned(stored).prepared()
        self._layouts: dict[Key, RowLayout] = {}
        self._mending: set[int] = set()

    @property
    def to_mend(self) -> int:
        """Of how many actors the journeys are wrong, maybe, and are to be found anew in the log."""
        return len(self._mending | self.journeys.dirty)

    def begin_mending(self) -> set[int]:
        """The actors whose journeys are to be found anew now; those that change again meanwhile come later."""
        self._mending = set(self.journeys.dirty)
        self.journeys.dirty.clear()
        return self._mending

    def mend(self, found: Journeys, as_of: int) -> None:
        """Take in what was found of them, among the events up to `as_of`."""
        for actor in sorted(self._mending - self.journeys.dirty):
            self.journeys.mend(actor, found, as_of)
        self._mending = set()

    def mend_later(self) -> None:
        """It could not be found."""
        self.journeys.dirty.update(self._mending)
        self._mending = set()

    def due(self, now: int) -> bool:
        """Whether there is a whole hour more to learn from."""
        return self.learned is None or self.learned.boundary < now // HOUR_MS * HOUR_MS

    def grown(self) -> bool:
        """Whether much came since from before the last boundary, as when a history is imported."""
        if self.learned is None:
            return False
        begun = self.journeys.begun_until(self.learned.boundary)
        return begun > self.learned.journeys * _GROWN + _GROWN_AT_LEAST

    @property
    def groupings(self) -> list[Key]:
        """What values are learned for: of the groupings that are kept, those that no other one covers."""
        return fit_groupings([by for by in self._rolling.layout.groupings if set(by) <= set(DIMENSIONS)])

    def use(self, learned: Learned) -> None:
        """Answer from what was learned now."""
        self.learned = learned

    def redefined(self, as_of: int) -> bool:
        """Whether less than a horizon has passed since the plan made another thing of journeys."""
        return self.changed_at is not None and 0 <= as_of - self.changed_at < self.ladder.horizon_ms

    def version(self, length: int) -> str:
        """A text that changes whenever a number of this window may have changed."""
        number = None if self.learned is None else self.learned.number
        return f"{self.journeys.version(length)}-{number}-{self.to_mend}"

    def covering(self, by: Key) -> tuple[Key, FittedKeys] | None:
        """What was learned for a grouping that is kept and has all these fields."""
        covering = None if self.learned is None else self.learned.covering(by)
        return covering if covering is not None and covering[0] in self._rolling.layout.groupings else None

    def outcomes(
        self, length: int, by: Key, as_of: int, complete_until: int | None, found: Sequence[Break]
    ) -> Callable[[Summary], Summary]:
        """What completes the summary of the window of this length that ends now; from copies, at any later time."""
        fields, fitted = self.covering(by) or (by, None)
        cells = row_cells(self.journeys.cells(length, fields))
        told, layouts = self._judged(fitted, length, as_of, complete_until, found), self._layouts
        return lambda summary: with_outcomes(summary, cells, fields, by, fitted, told, layouts)

    def kept_outcomes(
        self, length: int, by: Key, as_of: int, complete_until: int | None, found: Sequence[Break], last: int
    ) -> Callable[[], KeptOutcomes] | None:
        """The outcomes of the window of this length that ends now by fields of which some kept grouping has more; None
        where none has. As `outcomes`; `last` is the number of the last event that is in them."""
        covering = self.covering(by)
        if covering is None or not self._rolling.keeps(length, covering[0]):
            return None
        fields, fitted = covering
        cells = row_cells(self.journeys.cells(length, fields))
        told = self._judged(fitted, length, as_of, complete_until, found)
        # Of any source there may be an event in the window that no journey is credited to.
        there = sorted({tuple(source.get(field, "") for field in by) for source in self._rolling.layout.codes.sources})
        interval = Interval(as_of - length, as_of, as_of)

        def put_together() -> KeptOutcomes:
            layout = RowLayout.of(cells.keys, fields, by, fitted, there)
            found = Outcomes.of(cells, layout, told.judge)
            return KeptOutcomes(interval, complete_until, last, layout.keys, found.rows, found.total, told.reasons)

        return put_together

    def _judged(
        self, fitted: FittedKeys | None, length: int, as_of: int, complete_until: int | None, found: Sequence[Break]
    ) -> Judged:
        grounds = grounds_of(
            self.plan,
            self.ladder,
            fitted,
            found,
            as_of=as_of,
            length=length,
            complete_until=complete_until,
            mending=bool(self.to_mend),
            redefined=self.redefined(as_of),
        )
        return judged(grounds, young=self.learned is not None and self.learned.young)
