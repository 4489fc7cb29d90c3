"""The counts of a summary, in one query over its interval."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from msgspec import Struct

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
    parameters = Parameters()
    amounts = Amounts.of(plan, view, interval.as_of, parameters, adjusted=adjusted)
    start, end = parameters.add(interval.start, "Int64"), parameters.add(interval.end, "Int64")
    within = f"{view.where} AND adjust = 0 AND time > {start} AND time <= {end}"
    late = f"SELECT countIf(received_at - time > {LATE_AFTER_MS} AND NOT imported) FROM {view.table} WHERE {within}"
    planned = "" if plan is None else f" AND name IN {parameters.add(list(plan.events), 'Array(String)')}"
    keys = [f"k{at}" for at in range(len(by))]
    fields = [f", {source_field(field, parameters)} AS {key}" for field, key in zip(by, keys, strict=True)]
    # Rows by name and key, by key, by name, and of all.
    sets = [["name", *keys], keys, ["name"], []] if by else [["name"], []]
    sql = f"""
        SELECT
            grouping(name) AS every_name, {"grouping(k0)" if by else "1"} AS every_key,
            toString(name), [{", ".join(f"toString({key})" for key in keys)}]::Array(String),
            count(), uniqExact(actor_key), {_total("sent")}, {_total("final")}, {_total("declared")},
            uniqExactIf(actor_key, NOT taken_back),
            arraySort(groupUniqArrayIf(2)(toString(currency), value >= 0 AND currency != ''))
        FROM (
            SELECT name, actor_key, value, currency{"".join(fields)},
                {amounts.sent} AS sent, {amounts.final} AS final, {amounts.declared} AS declared,
                {amounts.retracted} AS taken_back
            FROM {view.table} {amounts.join}
            WHERE {within}{planned}
        )
        GROUP BY GROUPING SETS ({", ".join(f"({', '.join(one)})" for one in sets)})
    """
    total, rows = _Row({}), dict[Key, _Row]()
    for every_name, every_key, name, key, *figures in zip(*ask(sql, parameters.values), strict=True):
        row = total if every_key else rows.setdefault(tuple(key), _Row({}))
        cell = _Cell(*figures)
        if every_name:
            row.actors = cell.actors
        elif cell.count:
            row.names[name] = cell
    names = list(plan.events) if plan is not None else sorted(total.names)
    whole = total.figures((), names, plan)
    ((late_events,),) = ask(late, {name: value for name, value in parameters.values.items() if f"{{{name}:" in late})
    currencies = {currency for cell in total.names.values() for currency in cell.currencies}
    return Summary(
        rows=[rows[key].figures(key, names, plan) for key in sorted(rows)] if by else [whole],
        total=whole,
        currency=plan.currency if plan is not None else (currencies.pop() if len(currencies) == 1 else None),
        late_events=late_events,
    )


def _total(amount: str) -> str:
    """A sum that is NULL where one of its parts is."""
    return f"if(countIf({amount} IS NULL) > 0, NULL, sum({amount}))"


class _Cell(Struct, frozen=True):
    """The events of one name, or of all, in one row. `standing` are the actors of those that were not taken back;
    of `currencies` there are two at most."""

    count: int
    actors: int
    sent: int | None
    final: int | None
    declared: int | None
    standing: int
    currencies: Sequence[str]


class _Row(Struct):
    names: dict[str, _Cell]
    actors: int = 0

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
