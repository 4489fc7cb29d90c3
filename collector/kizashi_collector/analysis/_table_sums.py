"""What the events of a summary add up to, by cell, while rows and events come in."""

from __future__ import annotations

from collections import defaultdict
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from kizashi_collector.analysis._table import Column, different
from kizashi_collector.analysis._table_money import Money

__all__ = ["Amounts", "CellSums"]

Amounts = list[int | None]

_LIMB = 32
_LOW = (1 << _LIMB) - 1
_EXACT = 1 << 53
_HALF = 26
_MIXED = -1
A = TypeVar("A", np.int64, np.bool_)


class CellSums:
    """Counts and exact sums of the cells from 0 on, of which there may come to be more.

    At most 2²² events are to be added at one time, whose amounts are below 2⁵⁶ where they stand in columns.
    """

    def __init__(self) -> None:
        none = np.zeros(0, np.int64)
        self.counts = self._retracted = self._low = self._high = self._currency = none
        self._unknown = self._stays_unknown = none.astype(np.bool_)
        self.currencies: set[int] = set()
        # What does not fit a column, and what adjusted events were sent with and stand at.
        self._large: defaultdict[int, int] = defaultdict(int)
        self._gone: defaultdict[int, int] = defaultdict(int)
        self._standing: dict[int, int | None] = {}

    def add(self, cells: Column, money: Money, size: int) -> None:
        """Add events that lie in these cells, all of which are below `size`."""
        self.make_room(size)
        room = len(self.counts)
        self.counts += np.bincount(cells, minlength=room)
        largest = int(money.sent.max(initial=0))
        if largest * len(cells) < _EXACT:
            self._add(cells, money.sent, 0)
        else:
            self._add(cells, money.sent & ((1 << _HALF) - 1), 0)
            self._add(cells, money.sent >> _HALF, _HALF)
        for at, amount in money.large.items():
            self._large[int(cells[at])] += amount
        self._unknown[cells[money.rateless]] = True
        for code in different(money.currency):
            if code:
                self._note_currency(np.flatnonzero(np.bincount(cells[money.currency == code])), code)
        rateless = money.rateless
        if money.stands:
            rateless = rateless.copy()
            rateless[list(money.stands)] = False
            self._retracted += np.bincount(cells[money.retracted], minlength=room)
        self._stays_unknown[cells[rateless]] = True
        for at, stands in money.stands.items():
            cell = int(cells[at])
            self._gone[cell] += int(money.sent[at]) + money.large.get(at, 0)
            before = self._standing.get(cell, 0)
            self._standing[cell] = None if before is None or stands is None else before + stands

    def make_room(self, size: int) -> None:
        """See to it that there are so many cells at least."""
        if size > len(self.counts):
            room = size * 2
            self.counts, self._retracted = _longer(self.counts, room), _longer(self._retracted, room)
            self._low, self._high = _longer(self._low, room), _longer(self._high, room)
            self._currency = _longer(self._currency, room)
            self._unknown, self._stays_unknown = _longer(self._unknown, room), _longer(self._stays_unknown, room)

    def _add(self, cells: Column, amounts: Column, shift: int) -> None:
        """Add amounts, shifted to the left, whose sums floats hold: every whole number up to 2⁵³."""
        whole = np.bincount(cells, weights=amounts, minlength=len(self._low)).astype(np.int64)
        self._low += (whole & (_LOW >> shift)) << shift
        self._high += whole >> (_LIMB - shift)

    def _note_currency(self, cells: Column, code: int) -> None:
        self.currencies.add(code)
        before = self._currency[cells]
        self._currency[cells] = np.where((before == 0) | (before == code), code, _MIXED)

    def sent(self, size: int, *, planned: bool) -> Amounts:
        """What was sent in each of so many cells.

        None where no rate leads to the plan's currency, or without a plan, where there are several.
        """
        return _or_none(self._sums(size), self._unknown[:size] if planned else self._currency[:size] == _MIXED)

    def one_currency(self, places: int, size: int) -> list[bool]:
        """Whether all that was sent at each place of all rows is in one currency, if in any."""
        rows = self._currency[:size].reshape(-1, places)
        most = rows.max(axis=0, initial=0)
        one: list[bool] = ((rows == 0) | (rows == most)).all(axis=0).tolist()
        return one

    def stands(self, size: int) -> Amounts:
        """What they stand at under a plan, adjustments applied."""
        sums = _or_none(self._sums(size), self._stays_unknown[:size])
        for cell, amount in self._standing.items():
            before = sums[cell]
            sums[cell] = None if before is None or amount is None else before - self._gone[cell] + amount
        return sums

    def live(self, size: int) -> list[int]:
        """How many events were not retracted."""
        live: list[int] = (self.counts[:size] - self._retracted[:size]).tolist()
        return live

    def _sums(self, size: int) -> list[int]:
        high, low = self._high[:size].tolist(), self._low[:size].tolist()
        sums = [(above << _LIMB) + below for above, below in zip(high, low, strict=True)]
        for cell, amount in self._large.items():
            sums[cell] += amount
        return sums


def _longer(column: NDArray[A], room: int) -> NDArray[A]:
    longer: NDArray[A] = np.zeros(room, column.dtype)
    longer[: len(column)] = column
    return longer


def _or_none(sums: list[int], unknown: NDArray[np.bool_]) -> Amounts:
    amounts: Amounts = [*sums]
    for cell in np.flatnonzero(unknown).tolist():
        amounts[cell] = None
    return amounts
