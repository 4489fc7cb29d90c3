"""Which events of a table may matter to a funnel: what each fits, by one pass over the columns."""

from __future__ import annotations

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from kizashi_collector.analysis._column_funnel._conditions import Conditions, Details, Masks
from kizashi_collector.analysis._column_funnel._kind import Kind
from kizashi_collector.analysis._column_funnel._order import BLOCK, NO_STEP, Layout, StepNumbers
from kizashi_collector.analysis._events import Interval
from kizashi_collector.analysis._matching import Check
from kizashi_collector.analysis._table import Codes, EventTable
from kizashi_schemas import Funnel

__all__ = ["Mattering"]

_SPARSE = 8


class Mattering(Struct, frozen=True, eq=False):
    """What each event of a table fits, and where it goes among others of its actor and instant.

    `place` is the one step that it fits, or the number of steps where it fits none and matters still; where some event
    fits several steps, it is 0 for all. It is NO_STEP for what does not matter. `masks` and `excluded` are true of the
    others alone; `excluded` is None where nothing is. `starters` tells which actors begin in the interval, if not all
    are to be looked at.
    """

    masks: Masks
    excluded: Masks | None
    place: StepNumbers
    starters: NDArray[np.bool_] | None
    layout: Layout | None
    """None where nothing matters."""

    @classmethod
    def of(
        cls,
        table: EventTable,
        codes: Codes,
        funnel: Funnel,
        kind: Kind,
        interval: Interval,
        details: Details,
        check: Check,
    ) -> Mattering:
        """Look at all events. What came before the interval matters only where attempts go one after the other."""
        steps = Conditions.of(funnel.normal_steps, codes)
        exclusions = Conditions.of(funnel.exclude, codes) if funnel.exclude else None
        since = -1 if kind.one_at_a_time else interval.start
        actors = int(table.actor.max(initial=0)) + 1
        starters = np.zeros(actors, np.bool_) if len(table) * _SPARSE > actors else None
        masks = np.zeros(len(table), steps.by_name.dtype)
        excluded = None if exclusions is None else np.zeros(len(table), exclusions.by_name.dtype)
        place = np.full(len(table), NO_STEP, np.uint8)
        disjoint, rows = True, 0
        first, last = interval.as_of, since + 1
        begins = masks.dtype.type(kind.begins())
        for begin in range(0, len(table), BLOCK):
            check()
            part = slice(begin, begin + BLOCK)
            time = table.time[part]
            places = np.flatnonzero((time > since) & (time <= interval.as_of) & (table.actor[part] != 0)) + begin
            columns = (table.name[places], table.source[places], table.seq[places], details, check)
            fits = steps.masks(*columns)
            kept = fits != 0
            if starters is not None:
                begun = places[(fits & begins) != 0]
                time = table.time[begun]
                starters[table.actor[begun[(time > interval.start) & (time <= interval.end)]]] = True
            if exclusions is not None and excluded is not None:
                out = exclusions.masks(*columns)
                excluded[places] = out
                kept |= out != 0
            masks[places] = fits
            disjoint = disjoint and not (fits & (fits - fits.dtype.type(1))).any()
            place[places] = np.uint8(0) if not disjoint else _only(fits, kind.steps)
            if not kind.strict:
                place[places[~kept]] = NO_STEP
                places = places[kept]
            if len(places):
                time = table.time[places]
                first, last = min(first, int(time.min())), max(last, int(time.max()))
                rows += len(places)
        if not disjoint:
            place[place != NO_STEP] = 0
        layout = None
        if rows:
            layout = Layout.of(
                actor=actors - 1,
                first=first,
                last=last,
                steps=kind.steps + 1 if disjoint else 1,
                window=kind.window,
                rows=rows,
            )
        return cls(masks, excluded, place, starters, layout)


def _only(masks: Masks, none: int) -> StepNumbers:
    """The number of the one bit of each mask; `none` where there is none."""
    # A power of two is exact as a float, and its exponent is the number of its bit.
    numbers: StepNumbers = (np.frexp(masks.astype(np.float64))[1] - 1).astype(np.uint8)
    numbers[masks == 0] = none
    return numbers
