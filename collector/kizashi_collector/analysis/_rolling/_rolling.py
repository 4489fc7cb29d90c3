"""The summary of windows that end now, kept current as events come and time passes.

For each grouping there are the sums of all events held, and for each window the sums of those that have left it. An
answer is the difference, so a new event changes one set of sums however many windows there are, and an answer costs as
much as it has cells, however many events lie behind it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from msgspec import Struct

from kizashi_collector.analysis._events import LoggedEvent
from kizashi_collector.analysis._rolling._answer import Cells, only_currency
from kizashi_collector.analysis._rolling._follower import Follower
from kizashi_collector.analysis._rolling._held import GONE, LATE, PLANNED, RETRACTED, SPECIAL, Held, Places
from kizashi_collector.analysis._rolling._lasts import (
    CREDIT,
    EVENT,
    LONG_CHAIN,
    MOST_GROUPINGS,
    ROW,
    Lasts,
    Turned,
)
from kizashi_collector.analysis._rolling._layout import Layout
from kizashi_collector.analysis._rolling._sums import Sums
from kizashi_collector.analysis._rolling._waiting import Waiting
from kizashi_collector.analysis._summary import Summary
from kizashi_collector.analysis._table import NO_VALUE, Codes, EventTable
from kizashi_collector.analysis._worth import Worth
from kizashi_schemas import to_currency
from kizashi_schemas.plan import Plan

__all__ = ["RollingSummaries"]

_HUGE = 1 << 62


class _Window(Struct, eq=False):
    """A window: where it begins now, and the sums of the events that it has left behind."""

    start: int
    left: Sums
    changes: int = 0


class _Special(Struct, frozen=True):
    """What one event is worth that no column sums: as sent and as it stands, None where no rate leads there."""

    sent: int | None
    stands: int | None
    retracted: bool


class RollingSummaries:
    """Summaries of some windows, in milliseconds, by some groupings, under one plan; see `summarize`.

    It starts at `now`, in milliseconds since 1970, with no events. They are added in the order of their numbers, with
    any times: what lies before all windows is passed over, and what lies ahead of now waits. Time never goes back.
    Raises ValueError for groupings without a plan: which currencies are in a sum is told of all rows together alone.
    """

    def __init__(
        self,
        plan: Plan | None,
        codes: Codes,
        *,
        windows: Sequence[int],
        groupings: Sequence[tuple[str, ...]],
        now: int,
        long_chain: int = LONG_CHAIN,
    ) -> None:
        self.plan = plan
        self.now = now
        self.held = Held()
        kept = dict.fromkeys(by for by in groupings if by)
        if kept and plan is None:
            raise ValueError(f"groupings: {list(kept)} without a plan; without one only the total is kept")
        self._layout = Layout([(), *kept][:MOST_GROUPINGS], plan, codes)
        self._place_of = {by: at for at, by in enumerate(self._layout.groupings)}
        self._ever = Sums(self._layout)
        self._windows = {length: _Window(now - length, Sums(self._layout)) for length in windows}
        self._lasts = Lasts(self.held, self._layout, long_chain)
        self._shifts = np.arange(0, 3 * len(self._layout.groupings), 3, dtype=np.uint32)[:, None]
        self._longest = self._windows[max(self._windows)] if self._windows else None
        self._behind = 0
        self._retractions = False
        self._changes = 0
        self._waiting = Waiting()
        self._expected: dict[int, tuple[LoggedEvent, Sequence[LoggedEvent]]] = {}
        self._special: dict[int, _Special] = {}
        self.followers: list[Follower] = []

    def version(self, length: int) -> str:
        """A text that changes whenever a number of this window may have changed."""
        return f"{self._changes}-{self._windows[length].changes}"

    def keeps(self, length: int, by: tuple[str, ...]) -> bool:
        """Whether this window and grouping are among those kept."""
        return length in self._windows and by in self._place_of

    def holds(self, seq: int) -> bool:
        """Whether the event with this number lies in a window, or waits for its time."""
        return bool(len(self.held.places_of(np.array([seq])))) or seq in self._waiting

    @property
    def since(self) -> int:
        """Where the longest window begins."""
        return min((window.start for window in self._windows.values()), default=self.now)

    @property
    def layout(self) -> Layout:
        """The rows of the groupings."""
        return self._layout

    @property
    def starts(self) -> dict[int, int]:
        """Where each window begins now, by its length."""
        return {length: window.start for length, window in self._windows.items()}

    def stands(self, place: int) -> int | None:
        """What an event held that is flagged SPECIAL stands at; None where no rate leads to the plan's currency."""
        return self._special[place].stands

    @property
    def behind(self) -> int:
        """How many of the events held lie before all windows."""
        return self._behind

    # -- taking in ----------------------------------------------------------------------------------------------------

    def add(self, events: EventTable) -> None:
        """Take events in. Their numbers are greater than those of all before."""
        events = events.only(events.time > self.since)
        ahead = events.time > self.now
        if ahead.any():
            self._waiting.add(events.only(ahead))
            events = events.only(~ahead)
        self._enter(events)

    def adjust(self, seq: int, original: LoggedEvent, adjustments: Sequence[LoggedEvent]) -> None:
        """Have these adjustments, all with time ≤ now, in force for the event with this number, in place of others."""
        if self.plan is None:
            return
        self._changes += 1
        if seq in self._waiting:
            self._expected[seq] = original, adjustments
        for place in self.held.places_of(np.array([seq])).tolist():
            flags = int(self.held.flags[place])
            if not flags & PLANNED or flags & GONE:
                continue
            for follower in self.followers:
                follower.changing(np.array([place], np.int32))
            self._weigh(place, -1)
            self._note(place, original, adjustments)
            self._weigh(place, 1)
            if (int(self.held.flags[place]) ^ flags) & RETRACTED and self._lasts.matters(place):
                self._turned(self._lasts.again(int(self.held.actor[place])))

    def remove(self, seqs: Sequence[int]) -> None:
        """Forget the events with these numbers."""
        self._changes += 1
        gone = np.array(seqs, np.int64)
        self._waiting.remove(gone)
        places = self.held.places_of(gone)
        places = places[(self.held.flags[places] & GONE) == 0]
        if not len(places):
            return
        for follower in self.followers:
            follower.changing(places)
        self._count(places, -1)
        self.held.flags[places] |= GONE
        marks = self.held.marks[places]
        self.held.marks[places] = 0
        self._turned(Turned(places, marks, np.zeros_like(marks)))
        gone_places = set(places.tolist())
        for actor in np.unique(self.held.actor[places]).tolist():
            self.held.unlink(actor, gone_places)
            self._turned(self._lasts.again(actor))
        for place in places.tolist():
            self._special.pop(place, None)

    def advance(self, now: int) -> None:
        """Let time pass until `now`; does nothing where that is past."""
        if now <= self.now:
            return
        self.now = now
        due = self._waiting.due(now)
        if due is not None:
            self._enter(due)
        for length, window in self._windows.items():
            self._slide(window, now - length)

    def _enter(self, events: EventTable) -> None:
        if not len(events):
            return
        self._changes += 1
        places = self.held.add(events)
        self._layout.learn_sources(self.held.source[places])
        self.held.flags[places[self._layout.columns(self.held.name[places]) >= 0]] |= PLANNED
        self._price(places)
        self._count(places, 1)
        planned = places[(self.held.flags[places] & PLANNED) > 0]
        if len(planned):
            self._turned(self._lasts.add(planned))
        for follower in self.followers:
            follower.entered(places)

    def _price(self, places: Places) -> None:
        """Turn what was sent into the plan's currency; note what no column holds, and what was adjusted already."""
        held = self.held
        value = held.value[places]
        held.currency[places[value == NO_VALUE]] = 0
        held.value[places[value == NO_VALUE]] = 0
        if self.plan is None:
            return
        codes = self._layout.codes
        for code in np.flatnonzero(np.bincount(held.currency[places])).tolist():
            if code and codes.currencies[code] != self.plan.currency:
                self._convert(places[held.currency[places] == code], self.plan.rate(codes.currencies[code]))
        for place in places.tolist() if self._expected else ():
            adjusted = self._expected.pop(held.number(place), None)
            if adjusted is not None and held.flags[place] & PLANNED:
                self._note(place, *adjusted)

    def _convert(self, places: Places, rate: int | None) -> None:
        amounts, which = np.unique(self.held.value[places], return_inverse=True)
        converted = [None if rate is None else to_currency(amount, rate) for amount in amounts.tolist()]
        summed = [0 if amount is None or amount >= _HUGE else amount for amount in converted]
        self.held.value[places] = np.array(summed, np.int64)[which]
        for place, at in zip(places.tolist(), which.tolist(), strict=True):
            amount = converted[at]
            if amount is None or amount >= _HUGE:
                self._special[place] = _Special(amount, amount, retracted=False)
                self.held.flags[place] |= SPECIAL

    def _note(self, place: int, original: LoggedEvent, adjustments: Sequence[LoggedEvent]) -> None:
        """Note what an adjusted event is worth."""
        worth = Worth(self.plan, adjustments)
        retracted = worth.retracted(original)
        self._special[place] = _Special(worth.sent(original), worth.declared(original), retracted)
        self.held.value[place] = 0
        self._retractions |= retracted
        self.held.flags[place] = int(self.held.flags[place]) & ~RETRACTED | SPECIAL | RETRACTED * retracted

    # -- counting -----------------------------------------------------------------------------------------------------

    def _count(self, places: Places, sign: int) -> None:
        """Count events in or out: among all, and among what the windows have left behind."""
        self._add(self._ever, places, sign)
        time = self.held.time[places]
        least = int(time.min())
        for window in self._windows.values():
            if least <= window.start:
                self._add(window.left, places[time <= window.start], sign)

    def _add(self, sums: Sums, places: Places, sign: int) -> None:
        held = self.held
        flags = held.flags[places]
        sums.late += sign * int(np.count_nonzero(flags & LATE))
        planned = (flags & PLANNED) > 0
        if not planned.all():
            places = places[planned]
        if not len(places):
            return
        column, rows, amount = self._cells(places), self._layout.rows(held.source[places]), held.value[places]
        sums.fit()
        sums.add(rows, column, amount if amount.any() else None, sign)
        if self.plan is None:
            sums.add_currencies(column, held.currency[places], sign)
        if (flags & SPECIAL).any():
            for place in places[(held.flags[places] & SPECIAL) > 0].tolist():
                self._weigh_special(sums, place, sign)

    def _cells(self, places: Places) -> Places:
        return self._layout.columns(self.held.name[places])

    def _weigh(self, place: int, sign: int) -> None:
        """Take the worth of one event out of all sums that it is in, or put it in, and leave its count."""
        held, one = self.held, slice(place, place + 1)
        rows, column = self._layout.rows(held.source[one])[:, 0], int(self._layout.columns(held.name[one])[0])
        left = [window.left for window in self._windows.values() if held.time[place] <= window.start]
        for sums in (self._ever, *left):
            sums.fit()
            if held.flags[place] & SPECIAL:
                self._weigh_special(sums, place, sign)
            sums.weigh(rows, column, int(held.value[place]), sign)

    def _weigh_special(self, sums: Sums, place: int, sign: int) -> None:
        special = self._special[place]
        column = int(self._layout.columns(self.held.name[place : place + 1])[0])
        for g, row in enumerate(self._layout.numbers(int(self.held.source[place]))):
            extra = sums.extra[g][row, column]
            if special.sent is None:
                extra.sent_rateless += sign
            else:
                extra.sent += sign * special.sent
            if special.stands is None:
                extra.stands_rateless += sign
            else:
                extra.stands += sign * special.stands
            extra.live -= sign * special.retracted

    def _turned(self, turned: Turned | None) -> None:
        """Marks of these events have changed: count the actors in and out."""
        if turned is None:
            return
        self._turn(self._ever, turned)
        time = self.held.time[turned.places]
        least = int(time.min())
        for window in self._windows.values():
            if least <= window.start:
                self._turn(window.left, turned.only(time <= window.start))

    def _turn(self, sums: Sums, turned: Turned) -> None:
        places = turned.places
        rows, column = self._layout.rows(self.held.source[places]), self._cells(places)
        before, after = turned.before >> self._shifts, turned.after >> self._shifts
        in_row = (after & ROW).astype(np.int64) - (before & ROW).astype(np.int64)
        in_cell = ((after & EVENT).astype(np.int64) - (before & EVENT).astype(np.int64)) // np.int64(EVENT)
        sums.fit()
        sums.turn(rows, column, in_row, in_cell)
        if self._retractions:
            # Without any, the last event and the last that was not retracted are always one and the same.
            credited = ((after & CREDIT).astype(np.int64) - (before & CREDIT).astype(np.int64)) // np.int64(CREDIT)
            starts = self._layout.starts
            for g, at in np.argwhere(credited != in_cell).tolist():
                extra = sums.extra[g][int(rows[g, at]) - starts[g], int(column[at])]
                extra.credited += int(credited[g, at]) - int(in_cell[g, at])

    def _slide(self, window: _Window, start: int) -> None:
        """Let a window begin at `start`."""
        places, before = self.held.between(window.start, start), window.start
        window.start = start
        if window is self._longest:
            self._behind += len(places)
        if not len(places):
            return
        window.changes += 1
        flags = self.held.flags[places]
        if (flags & GONE).any():
            places = places[(flags & GONE) == 0]
        self._add(window.left, places, 1)
        marks = self.held.marks[places]
        (marked,) = np.nonzero(marks)
        if len(marked):
            self._turn(window.left, Turned(places[marked], np.zeros(len(marked), np.uint32), marks[marked]))
        for follower in self.followers:
            follower.slid(self.now - start, before, start, places)

    # -- answering ----------------------------------------------------------------------------------------------------

    def summary(self, length: int, by: tuple[str, ...]) -> Callable[[], Summary]:
        """The summary of the window of this length that ends now, by source fields. Raises KeyError if not kept.

        What is returned puts it together: from copies, at any later time, in any thread.
        """
        left, at = self._windows[length].left, self._place_of[by]
        total = Cells.of(self._ever, left, self._layout, 0)
        rows = Cells.of(self._ever, left, self._layout, at) if by else None
        currency = self._currency(left)
        late = self._ever.late - left.late

        def put_together() -> Summary:
            [whole] = total.rows()
            return Summary([whole] if rows is None else rows.rows(), whole, currency, late)

        return put_together

    def _currency(self, left: Sums) -> str | None:
        if self.plan is not None:
            return self.plan.currency
        code = only_currency(self._ever, left)
        return self._layout.codes.currencies[code] if code else None
