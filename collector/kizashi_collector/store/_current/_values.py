"""The journeys of a plan as they stand in a view, and what was learned of such journeys."""

from __future__ import annotations

import time
import zlib
from collections.abc import Callable, Mapping, Sequence

import msgspec
import numpy as np
from msgspec import Struct, structs

from kizashi_collector.analysis import (
    Break,
    Fit,
    FittedKeys,
    JourneyCells,
    Journeys,
    Ladder,
    LagGrid,
    NumberedFit,
    Outcomes,
    RollingJourneys,
    RollingSummaries,
    RowCells,
    RowLayout,
    Statistics,
    Summary,
    SummaryRows,
    fit,
    fit_groupings,
)
from kizashi_collector.store._chunks import DIMENSIONS
from kizashi_collector.store._current._ready import grounds_of, judge
from kizashi_collector.store._fits import StoredFit
from kizashi_schemas.plan import Plan

__all__ = ["Learned", "Values", "learn", "with_outcomes"]

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
    journeys: Journeys,
    sources: Sequence[Mapping[str, str]],
    plan: Plan,
    ladder: Ladder,
    now: int,
    groupings: Sequence[Key] | None = None,
) -> StoredFit:
    """Learn from journeys up to the last whole hour before `now`, for these groupings, or those that the plan asks for.

    Their actors, depths and finals are not asked for, nor their order. Pure but for the seconds that it took: some 3 s
    for three million journeys, and 200 MB beside them. The result has no number yet.
    """
    began = time.perf_counter()
    boundary = now // HOUR_MS * HOUR_MS
    fits = []
    for by in fit_groupings(plan.summaries) if groupings is None else groupings:
        keys = [tuple(source.get(field, "") for field in by) for source in sources]
        statistics = Statistics.of(
            journeys,
            np.arange(len(keys)),
            keys,
            boundary=boundary,
            horizon=ladder.horizon_ms,
            lookback=ladder.lookback_ms,
        )
        fits.append((by, fit(statistics)))
    begun = int(np.count_nonzero(journeys.begin <= boundary))
    oldest = int(journeys.begin.min()) if len(journeys) else now
    packed = zlib.compress(msgspec.msgpack.encode(_Fits(fits, oldest, begun)))
    return StoredFit(0, plan.id, boundary, now, time.perf_counter() - began, packed)


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

    def outcomes(
        self, length: int, by: Key, as_of: int, complete_until: int | None, found: Sequence[Break]
    ) -> Callable[[Summary], Summary]:
        """What completes the summary of the window of this length that ends now; from copies, at any later time."""
        learned = self.learned
        covering = None if learned is None else learned.covering(by)
        if covering is not None and covering[0] not in self._rolling.layout.groupings:
            covering = None
        fields, fitted = (by, None) if covering is None else covering
        cells = row_cells(self.journeys.cells(length, fields))
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
        young = learned is not None and learned.young
        judged, layouts = judge(grounds, young=young), self._layouts
        return lambda summary: with_outcomes(summary, cells, fields, by, fitted, judged, layouts)


def row_cells(cells: JourneyCells) -> RowCells:
    """The cells that outcomes are made of."""
    return RowCells(cells.keys, cells.journeys, cells.converted, cells.brought, cells.open_cells)


def with_outcomes(
    summary: Summary,
    cells: RowCells,
    fields: Key,
    by: Key,
    fitted: FittedKeys | None,
    judge: Callable[[float], str | None],
    layouts: dict[Key, RowLayout] | None = None,
) -> Summary:
    """The same summary with the outcome of each row, and of all together. `layouts` are those of answers before."""
    rows = SummaryRows.of(summary.rows, list(summary.total.events))
    layout = None if layouts is None else layouts.get(by)
    if layout is None or not layout.serves(cells.keys, fitted, rows.keys):
        layout = RowLayout.of(cells.keys, fields, by, fitted, rows.keys)
        if layouts is not None:
            layouts[by] = layout
    outcomes = Outcomes.of(cells, layout, judge)
    total = structs.replace(summary.total, outcome=outcomes.total)
    if not by:
        return Summary([total], total, summary.currency, summary.late_events)
    if layout.shown_at is not None:
        # Journeys that began in the interval, and are credited to an event after it, make rows of their own.
        rows = rows.spread(layout.keys, layout.shown_at)
    return Summary(rows.with_outcomes(outcomes.rows), total, summary.currency, summary.late_events)
