"""Summaries completed with what journeys came to, and will come to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from msgspec import Struct, structs

from kizashi_collector.analysis import (
    FittedKeys,
    Interval,
    JourneyCells,
    Outcome,
    OutcomeColumns,
    Outcomes,
    RowCells,
    RowLayout,
    Summary,
    SummaryRows,
)
from kizashi_collector.store._current._ready import Judged
from kizashi_schemas import Reason

__all__ = ["KeptOutcomes", "row_cells", "with_outcomes"]

Key = tuple[str, ...]


class KeptOutcomes(Struct, frozen=True):
    """The outcomes of a window by fields that no summary is kept by: for each key that there may be, and in all.

    They are those of the events up to the number `last`, and events were complete up to `complete_until`.
    """

    interval: Interval
    complete_until: int | None
    last: int
    keys: Sequence[Key]
    rows: OutcomeColumns
    total: Outcome
    reasons: Mapping[Reason, str]

    def complete(self, summary: Summary) -> Summary | None:
        """The summary of the same interval and events with them; None where it has a row that nothing is known of."""
        rows = SummaryRows.of(summary.rows, list(summary.total.events))
        at = {key: place for place, key in enumerate(self.keys)}
        begun = [key for key, journeys in zip(self.keys, self.rows.journeys.tolist(), strict=True) if journeys]
        keys = sorted({*rows.keys, *begun})
        if not set(keys) <= at.keys():
            return None
        if len(keys) > len(rows):
            shown = {key: place for place, key in enumerate(rows.keys)}
            rows = rows.spread(keys, np.array([shown.get(key, -1) for key in keys], np.int64))
        outcomes = self.rows.take(np.array([at[key] for key in keys], np.int64))
        total = structs.replace(summary.total, outcome=self.total)
        return Summary(rows.with_outcomes(outcomes), total, summary.currency, summary.late_events, self.reasons)


def row_cells(cells: JourneyCells) -> RowCells:
    """The cells that outcomes are made of."""
    return RowCells(cells.keys, cells.journeys, cells.converted, cells.brought, cells.open_cells)


def with_outcomes(
    summary: Summary,
    cells: RowCells,
    fields: Key,
    by: Key,
    fitted: FittedKeys | None,
    judged: Judged,
    layouts: dict[Key, RowLayout] | None = None,
) -> Summary:
    """The same summary with the outcome of each row, and of all together. `layouts` are those of answers before."""
    rows = SummaryRows.of(summary.rows, list(summary.total.events))
    layout = None if layouts is None else layouts.get(by)
    if layout is None or not layout.serves(cells.keys, fitted, rows.keys):
        layout = RowLayout.of(cells.keys, fields, by, fitted, rows.keys)
        if layouts is not None:
            layouts[by] = layout
    outcomes = Outcomes.of(cells, layout, judged.judge)
    total = structs.replace(summary.total, outcome=outcomes.total)
    if not by:
        return Summary([total], total, summary.currency, summary.late_events, judged.reasons)
    if layout.shown_at is not None:
        # Journeys that began in the interval, and are credited to an event after it, make rows of their own.
        rows = rows.spread(layout.keys, layout.shown_at)
    return Summary(rows.with_outcomes(outcomes.rows), total, summary.currency, summary.late_events, judged.reasons)
