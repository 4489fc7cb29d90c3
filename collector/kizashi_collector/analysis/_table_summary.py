"""The summary of a table: the same numbers as `summarize`, counted by the column."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from kizashi_collector.analysis._events import Interval, LoggedEvent
from kizashi_collector.analysis._matching import Check
from kizashi_collector.analysis._summary import LATE_AFTER_MS, EventFigures, Figures, Summary
from kizashi_collector.analysis._table import LARGEST, NO_VALUE, Codes, Column, EventTable, cell_sums, distinct
from kizashi_collector.analysis._worth import Worth
from kizashi_schemas import to_currency
from kizashi_schemas.plan import Plan

__all__ = ["summarize_table"]


def summarize_table(
    table: EventTable,
    codes: Codes,
    *,
    plan: Plan | None,
    worth: Worth,
    adjusted: Mapping[int, LoggedEvent],
    interval: Interval,
    by: tuple[str, ...] = (),
    check: Check = lambda: None,
) -> Summary:
    """Count the events of the interval by source fields; see `summarize`.

    `adjusted` holds those events, by their number, that `worth` knows adjustments of. `check` is called between steps.
    """
    table = table.only((table.time > interval.start) & (table.time <= interval.end))
    late = int(np.count_nonzero((table.received_at - table.time > LATE_AFTER_MS) & ~table.imported))
    names = list(plan.events) if plan is not None else sorted({codes.names[code] for code in _different(table.name)})
    # A name that is new since the table was read is in none of its events.
    known, columns = list(codes.names), {name: at for at, name in enumerate(names)}
    places = np.array([columns.get(name, -1) if code else -1 for code, name in enumerate(known)], np.int64)
    place = places[table.name]
    if plan is not None:
        planned = place >= 0
        table, place = table.only(planned), place[planned]
    check()
    keys, row = _rows(table.source, codes, by)
    money = _Money.of(table, codes, plan, worth, adjusted)
    count = partial(_figures, table=table, place=place, names=names, money=money, plan=plan, check=check)
    whole = count([()], np.zeros(len(table), np.int64))[0]
    return Summary(
        rows=count(keys, row) if by else [whole],
        total=whole,
        currency=plan.currency if plan is not None else money.only_currency(codes),
        late_events=late,
    )


class _Money(Struct, frozen=True, eq=False):
    """What the events of a table are worth, each: as sent, and as it stands where the plan takes what it carries.

    Amounts that do not fit a column, and events that were adjusted, are kept apart by their place in the table.
    """

    sent: Column
    rateless: NDArray[np.bool_]
    large: dict[int, int]
    stands: dict[int, int | None]
    retracted: NDArray[np.bool_]
    currency: Column

    @classmethod
    def of(
        cls, table: EventTable, codes: Codes, plan: Plan | None, worth: Worth, adjusted: Mapping[int, LoggedEvent]
    ) -> _Money:
        valued = table.value != NO_VALUE
        sent = np.where(valued, table.value, 0)
        rateless = np.zeros(len(table), np.bool_)
        large: dict[int, int] = {}
        currency = np.where(valued, table.currency, 0)
        for code in _different(currency):
            rate = plan.rate(codes.currencies[code]) if plan is not None and code else None
            if not code or plan is None or codes.currencies[code] == plan.currency:
                continue
            (at,) = np.nonzero(currency == code)
            if rate is None:
                rateless[at] = True
                sent[at] = 0
                continue
            amounts, inverse = np.unique(sent[at], return_inverse=True)
            converted = [to_currency(amount, rate) for amount in amounts.tolist()]
            sent[at] = np.array([amount if amount < LARGEST else 0 for amount in converted], np.int64)[inverse]
            if max(converted) >= LARGEST:
                large |= {
                    where: converted[which]
                    for where, which in zip(at.tolist(), inverse.tolist(), strict=True)
                    if converted[which] >= LARGEST
                }
        stands: dict[int, int | None] = {}
        retracted = np.zeros(len(table), np.bool_)
        if adjusted:
            (at,) = np.nonzero(np.isin(table.seq, np.fromiter(adjusted, np.int64, len(adjusted))))
            for where in at.tolist():
                event = adjusted[int(table.seq[where])]
                stands[where] = worth.declared(event)
                retracted[where] = worth.retracted(event)
        return cls(sent, rateless, large, stands, retracted, currency)

    def only_currency(self, codes: Codes) -> str | None:
        different = [code for code in _different(self.currency) if code]
        return codes.currencies[different[0]] if len(different) == 1 else None


def _figures(
    keys: list[tuple[str, ...]],
    row: Column,
    *,
    table: EventTable,
    place: Column,
    names: list[str],
    money: _Money,
    plan: Plan | None,
    check: Check,
) -> list[Figures]:
    size = len(keys) * len(names)
    cells = row * len(names) + place
    counts = np.bincount(cells, minlength=size).tolist()
    actors = distinct(cells, table.actor, size).tolist()
    check()
    row_actors = distinct(row, table.actor, len(keys)).tolist()
    check()
    sent: list[int | None] = list(_sums(cells, money.sent, money.large, size))
    mixed = money.rateless if plan is not None else _beyond_one(cells, money.currency, size)
    for cell in _different(cells[mixed]):
        sent[cell] = None
    check()
    stands, live, credited = sent, counts, actors
    if money.stands:
        # Where events were adjusted, what stands is counted apart from what was sent.
        plain = np.ones(len(table), np.bool_)
        plain[list(money.stands)] = False
        large = {at: amount for at, amount in money.large.items() if at not in money.stands}
        stands = list(_sums(cells, np.where(plain, money.sent, 0), large, size))
        for cell in _different(cells[money.rateless & plain]):
            stands[cell] = None
        for at, amount in money.stands.items():
            before = stands[cells[at]]
            stands[cells[at]] = None if before is None or amount is None else before + amount
        kept = ~money.retracted
        live = np.bincount(cells[kept], minlength=size).tolist()
        credited = distinct(cells[kept], table.actor[kept], size).tolist()
        check()
    figures = []
    for at, key in enumerate(keys):
        first, beyond = at * len(names), (at + 1) * len(names)
        final, declared = _worths(plan, stands[first:beyond], live[first:beyond], credited[first:beyond])
        figures.append(
            Figures(
                key=key,
                actors=row_actors[at],
                events={
                    name: EventFigures(counts[cell], actors[cell], sent[cell]) for cell, name in enumerate(names, first)
                },
                final_value=final,
                declared_value=declared,
            )
        )
    return figures


def _worths(
    plan: Plan | None, stands: list[int | None], live: list[int], credited: list[int]
) -> tuple[int | None, int | None]:
    """Final and declared value of one row, from what stands, how many were not retracted, and by how many actors."""
    if plan is None or not plan.finals:
        return None, None
    final: int | None = 0
    declared: int | None = 0
    for rule, amount, count, actors in zip(plan.events.values(), stands, live, credited, strict=False):
        if rule.value is None:
            continue
        every = amount if rule.value == "event" else rule.value * count
        if rule.final:
            final = None if final is None or every is None else final + every
        if rule.action == "primary":
            counted = every if rule.counting == "every" or rule.value == "event" else rule.value * actors
            declared = None if declared is None or counted is None else declared + counted
    return final, declared


def _sums(cells: Column, amounts: Column, large: Mapping[int, int], size: int) -> list[int]:
    found = cell_sums(cells, amounts, size)
    for at, amount in large.items():
        found[cells[at]] += amount
    return found


def _beyond_one(cells: Column, currency: Column, size: int) -> NDArray[np.bool_]:
    """Which events lie in a cell whose values have several currencies."""
    valued = currency > 0
    several = distinct(cells[valued], currency[valued], size) > 1
    mixed: NDArray[np.bool_] = several[cells] if size else valued
    return mixed


def _rows(source: Column, codes: Codes, by: tuple[str, ...]) -> tuple[list[tuple[str, ...]], Column]:
    """The keys in their order, and the place of each event's key among them."""
    different = _different(source)
    key_of = {code: tuple(codes.sources[code].get(field, "") for field in by) for code in different}
    keys = sorted(set(key_of.values()))
    places = {key: at for at, key in enumerate(keys)}
    rows = np.zeros(len(codes.sources), np.int64)
    for code, key in key_of.items():
        rows[code] = places[key]
    return keys, rows[source]


def _different(codes: Column) -> list[int]:
    """The different codes of a column, in ascending order; they are small numbers."""
    return np.flatnonzero(np.bincount(codes)).tolist() if len(codes) else []
