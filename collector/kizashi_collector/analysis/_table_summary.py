"""The summary of a table: the same numbers as `summarize`, counted by the column."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

import numpy as np
from numpy.typing import NDArray

from kizashi_collector.analysis._events import Interval, LoggedEvent
from kizashi_collector.analysis._matching import Check
from kizashi_collector.analysis._summary import LATE_AFTER_MS, EventFigures, Figures, Summary
from kizashi_collector.analysis._table import CodeColumn, Codes, Column, EventTable, cell_sums, different, distinct
from kizashi_collector.analysis._table_money import Money
from kizashi_collector.analysis._worth import RowWorths, Worth
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
    names = list(plan.events) if plan is not None else sorted({codes.names[code] for code in different(table.name)})
    # A name that is new since the table was read is in none of its events.
    known, columns = list(codes.names), {name: at for at, name in enumerate(names)}
    places = np.array([columns.get(name, -1) if code else -1 for code, name in enumerate(known)], np.int64)
    place = places[table.name]
    if plan is not None:
        planned = place >= 0
        table, place = table.only(planned), place[planned]
    check()
    keys, row = _rows(table.source, codes, by)
    money = Money.of(table.seq, table.value, table.currency, codes=codes, plan=plan, worth=worth, adjusted=adjusted)
    count = partial(_figures, table=table, place=place, names=names, money=money, plan=plan, check=check)
    whole = count([()], np.zeros(len(table), np.int64))[0]
    return Summary(
        rows=count(keys, row) if by else [whole],
        total=whole,
        currency=plan.currency if plan is not None else money.only_currency(codes),
        late_events=late,
    )


def _figures(
    keys: list[tuple[str, ...]],
    row: Column,
    *,
    table: EventTable,
    place: Column,
    names: list[str],
    money: Money,
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
    for cell in different(cells[mixed]):
        sent[cell] = None
    check()
    stands, live, credited = sent, counts, actors
    if money.stands:
        # Where events were adjusted, what stands is counted apart from what was sent.
        plain = np.ones(len(table), np.bool_)
        plain[list(money.stands)] = False
        large = {at: amount for at, amount in money.large.items() if at not in money.stands}
        stands = list(_sums(cells, np.where(plain, money.sent, 0), large, size))
        for cell in different(cells[money.rateless & plain]):
            stands[cell] = None
        for at, amount in money.stands.items():
            before = stands[cells[at]]
            stands[cells[at]] = None if before is None or amount is None else before + amount
        kept = ~money.retracted
        live = np.bincount(cells[kept], minlength=size).tolist()
        credited = distinct(cells[kept], table.actor[kept], size).tolist()
        check()
    worths = RowWorths(plan)
    figures = []
    for at, key in enumerate(keys):
        first, beyond = at * len(names), (at + 1) * len(names)
        final, declared = worths.of(stands[first:beyond], live[first:beyond], credited[first:beyond])
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


def _rows(source: CodeColumn, codes: Codes, by: tuple[str, ...]) -> tuple[list[tuple[str, ...]], Column]:
    """The keys in their order, and the place of each event's key among them."""
    key_of = {code: tuple(codes.sources[code].get(field, "") for field in by) for code in different(source)}
    keys = sorted(set(key_of.values()))
    places = {key: at for at, key in enumerate(keys)}
    rows = np.zeros(len(codes.sources), np.int64)
    for code, key in key_of.items():
        rows[code] = places[key]
    return keys, rows[source]
