"""The counts of a summary, in one query over its interval."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from kizashi_collector.analysis import LATE_AFTER_MS, EventFigures, Figures, Interval, Summary
from kizashi_collector.store._clickhouse._amounts import Amounts
from kizashi_collector.store._clickhouse._rows import source_field
from kizashi_collector.store._clickhouse._sql import Ask, Parameters, View
from kizashi_schemas.plan import Plan

__all__ = ["counted"]

Key = tuple[str, ...]


def counted(ask: Ask, view: View, plan: Plan | None, interval: Interval, by: Key, *, adjusted: bool) -> Summary:
    """The summary of the view's events in the interval by source fields, without outcomes, as `analysis.summarize`
    has it. `adjusted` tells whether there are any adjustments.
    """
    question = _Question(ask, view, plan, interval, adjusted)
    total, rows = _Row({}), dict[Key, _Row]()
    keys: dict[int, Key] = {}
    for name, hashed, key, *figures in question.sums(by):
        keys[hashed] = key
        of_key = rows.setdefault(key, _Row({}))
        of_key.names[name] = _Cell(*figures)
        total.names[name] = total.names.get(name, _NOTHING).plus(of_key.names[name])
    for hashed, row_actors, of_names in question.actors(by, sorted(total.names)):
        rows[keys[hashed]].count(row_actors, of_names)
    for _, row_actors, of_names in question.actors((), sorted(total.names)) if by else ():
        total.count(row_actors, of_names)
    if not by:
        total = rows.get((), total)
    names = list(plan.events) if plan is not None else sorted(total.names)
    whole = total.figures((), names, plan)
    currencies = {currency for cell in total.names.values() for currency in cell.currencies}
    return Summary(
        rows=[rows[key].figures(key, names, plan) for key in sorted(rows)] if by else [whole],
        total=whole,
        currency=plan.currency if plan is not None else (currencies.pop() if len(currencies) == 1 else None),
        late_events=question.late(),
    )


class _Question(Struct, frozen=True):
    """What is counted of the events of an interval. Each query groups by little: to group all by all at once takes
    several times as long."""

    ask: Ask
    view: View
    plan: Plan | None
    interval: Interval
    adjusted: bool

    def sums(self, by: Key) -> Iterable[tuple[Any, ...]]:
        """A row for each name and key: name, a hash of the key, the key, and what a _Cell begins with."""
        parameters = Parameters()
        amounts = self._amounts(parameters)
        # Without a plan nothing says what one currency is worth in another.
        currencies = "[]" if self.plan else "groupUniqArrayIf(2)(toString(currency), value >= 0 AND currency != '')"
        keys = [f"k{at}" for at in range(len(by))]
        fields = [f", {source_field(field, parameters)} AS {key}" for field, key in zip(by, keys, strict=True)]
        sql = f"""
            SELECT toString(name), {_hashed(keys)}, [{", ".join(f"toString({key})" for key in keys)}]::Array(String),
                count(), {_total("sent")}, {_total("final")}, {_total("declared")}, {currencies}
            FROM (
                SELECT name, value, currency{"".join(fields)},
                    {amounts.sent} AS sent, {amounts.final} AS final, {amounts.declared} AS declared
                FROM {self.view.table} {amounts.join}
                WHERE {self._planned(parameters)}
            )
            GROUP BY {", ".join(["name", *keys])}
        """
        for name, hashed, key, *figures in zip(*self.ask(sql, parameters.values), strict=True):
            yield name, hashed, tuple(key), *figures

    def actors(self, by: Key, names: Sequence[str]) -> Iterable[tuple[int, int, Mapping[str, tuple[int, int]]]]:
        """A row for each key: its hash, how many actors it has, and how many of each name, and of those whose event
        was not taken back.

        Each actor of a key is one number, with a bit for each name.
        """
        parameters = Parameters()
        amounts = self._amounts(parameters)
        bits = [self._bits(names[at : at + _BITS], parameters) for at in range(0, len(names), _BITS)]
        seen = [f"groupBitOr({bit})" for bit in bits]
        if self.adjusted:
            seen += [f"groupBitOrIf({bit}, NOT {amounts.retracted})" for bit in bits]
        hashed = _hashed([source_field(field, parameters) for field in by])
        counts = [f"countIf(bitTest(seen_{at}, {bit}))" for at in range(len(seen)) for bit in range(_BITS)]
        used = [*counts[: len(names)], *counts[len(bits) * _BITS :][: len(names)]]
        sql = f"""
            SELECT key, count(){"".join(f", {count}" for count in used)}
            FROM (
                SELECT {hashed} AS key, actor_key{"".join(f", {one} AS seen_{at}" for at, one in enumerate(seen))}
                FROM {self.view.table} {amounts.join}
                WHERE {self._planned(parameters)}
                GROUP BY key, actor_key
            )
            GROUP BY key
        """
        for key, every, *found in zip(*self.ask(sql, parameters.values), strict=True):
            standing = found[len(names) :] if self.adjusted else found
            yield key, every, dict(zip(names, zip(found, standing, strict=False), strict=True))

    def late(self) -> int:
        """How many came late, whatever their names."""
        parameters = Parameters()
        late = f"countIf(received_at - time > {LATE_AFTER_MS} AND NOT imported)"
        sql = f"SELECT {late} FROM {self.view.table} WHERE {self._within(parameters)}"
        return int(self.ask(sql, parameters.values)[0][0])

    def _amounts(self, parameters: Parameters) -> Amounts:
        return Amounts.of(self.plan, self.view, self.interval.as_of, parameters, adjusted=self.adjusted)

    def _within(self, parameters: Parameters) -> str:
        start, end = parameters.add(self.interval.start, "Int64"), parameters.add(self.interval.end, "Int64")
        return f"{self.view.where} AND adjust = 0 AND time > {start} AND time <= {end}"

    def _planned(self, parameters: Parameters) -> str:
        within = self._within(parameters)
        return within if self.plan is None else f"{within} AND name IN {_list(self.plan.events, parameters)}"

    @staticmethod
    def _bits(names: Sequence[str], parameters: Parameters) -> str:
        bits = ", ".join(f"toUInt64({1 << at})" for at in range(len(names)))
        return f"transform(name, {_list(names, parameters)}, [{bits}], toUInt64(0))"


_BITS = 64


def _list(names: Iterable[str], parameters: Parameters) -> str:
    return parameters.add(list(names), "Array(String)")


def _hashed(keys: Sequence[str]) -> str:
    """A number for a key. Each text is hashed by itself: a column of few distinct ones hashes each of them once."""
    return f"sipHash64({', '.join(f'sipHash64({key})' for key in keys)})" if keys else "toUInt64(0)"


def _total(amount: str) -> str:
    """A sum that is NULL where one of its parts is."""
    return f"if(countIf({amount} IS NULL) > 0, NULL, sum({amount}))"


class _Cell(Struct, frozen=True):
    """The events of one name in one row, or in all. Of `currencies` there are two at most."""

    count: int
    sent: int | None
    final: int | None
    declared: int | None
    currencies: Sequence[str]
    actors: int = 0
    standing: int = 0
    """The actors of those that were not taken back."""

    def plus(self, other: _Cell) -> _Cell:
        """Both together, without actors."""
        currencies = sorted({*self.currencies, *other.currencies})[:2]
        sums = (_plus(self.sent, other.sent), _plus(self.final, other.final), _plus(self.declared, other.declared))
        return _Cell(self.count + other.count, *sums, currencies)


_NOTHING = _Cell(0, 0, 0, 0, ())


def _plus(one: int | None, other: int | None) -> int | None:
    return None if one is None or other is None else one + other


class _Row(Struct):
    names: dict[str, _Cell]
    actors: int = 0

    def count(self, actors: int, of_names: Mapping[str, tuple[int, int]]) -> None:
        """Add the actors, and those of each name."""
        self.actors = actors
        for name, cell in self.names.items():
            self.names[name] = replace(cell, actors=of_names[name][0], standing=of_names[name][1])

    def figures(self, key: Key, names: Sequence[str], plan: Plan | None) -> Figures:
        """The row with all these names."""
        valued = plan is not None and bool(plan.finals)
        return Figures(
            key=key,
            actors=self.actors,
            events={name: self._event(name, plan) for name in names},
            final_value=self._sum(plan, _final) if plan is not None and valued else None,
            declared_value=self._sum(plan, _declared) if plan is not None and valued else None,
        )

    def _event(self, name: str, plan: Plan | None) -> EventFigures:
        cell = self.names.get(name)
        if cell is None:
            return EventFigures(0, 0, 0)
        # Without a plan nothing says what one currency is worth in another, so a mixed sum is no number.
        mixed = plan is None and len(cell.currencies) > 1
        return EventFigures(cell.count, cell.actors, None if mixed else cell.sent)

    def _sum(self, plan: Plan, amount: Callable[[Plan, str, _Cell], int | None]) -> int | None:
        total = 0
        for name, cell in self.names.items():
            one = amount(plan, name, cell)
            if one is None:
                return None
            total += one
        return total


def _final(_: Plan, __: str, cell: _Cell) -> int | None:
    return cell.final


def _declared(plan: Plan, name: str, cell: _Cell) -> int | None:
    rule = plan.events[name]
    if rule.action != "primary":
        return 0
    if rule.counting == "once":
        # The first of each actor that was not taken back; `once` goes with a number alone.
        return cell.standing * rule.value if isinstance(rule.value, int) else 0
    return cell.declared
