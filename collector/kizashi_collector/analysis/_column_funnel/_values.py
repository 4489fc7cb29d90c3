"""What the events that took a step are worth, by cells."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from msgspec import Struct

from kizashi_collector.analysis._column_funnel._figures import Amounts
from kizashi_collector.analysis._events import LoggedEvent
from kizashi_collector.analysis._table import Codes, Column, EventTable, cell_sums, different
from kizashi_collector.analysis._table_money import Money
from kizashi_collector.analysis._worth import Worth
from kizashi_schemas import Funnel

__all__ = ["Values"]


class Values(Struct, frozen=True, eq=False):
    """The worth of a table's events under a plan, asked for by their rows."""

    table: EventTable
    codes: Codes
    worth: Worth
    adjusted: Mapping[int, LoggedEvent]
    funnel: Funnel

    def sums(self, step: int, rows: Column, cells: Column, size: int) -> tuple[Amounts, Amounts]:
        """Declared and final value of the rows that took a step, by cell. All None without a plan."""
        plan = self.worth.plan
        if plan is None:
            return [None] * size, [None] * size
        event = self.funnel.normal_steps[step].event
        if event != "*" and self.funnel.order != "unordered":
            rule = plan.events.get(event)
            number = 0 if rule is None or rule.value is None else rule.value
            if number != "event" and not any(one.name == event for one in self.adjusted.values()):
                whole: Amounts = [count * number for count in np.bincount(cells, minlength=size).tolist()]
                return whole, whole if rule is not None and rule.final else [0] * size
        return self._one_by_one(rows, cells, size)

    def _one_by_one(self, rows: Column, cells: Column, size: int) -> tuple[Amounts, Amounts]:
        plan = self.worth.plan
        table, names = self.table, list(self.codes.names)
        rules = [plan.events.get(name) if code and plan is not None else None for code, name in enumerate(names)]
        carries = np.array([rule is not None and rule.value == "event" for rule in rules], np.bool_)
        final = np.array([rule is not None and rule.final for rule in rules], np.bool_)
        number = [rule.value if rule is not None and isinstance(rule.value, int) else 0 for rule in rules]
        name = table.name[rows]
        money = Money.of(
            table.seq[rows],
            table.value[rows],
            table.currency[rows],
            codes=self.codes,
            plan=plan,
            worth=self.worth,
            adjusted=self.adjusted,
        )
        as_sent = carries[name]
        amounts = np.where(as_sent, money.sent, np.array(number, np.int64)[name])
        unknown = money.rateless & as_sent
        apart: dict[int, int | None] = {at: amount for at, amount in money.large.items() if as_sent[at]}
        apart |= money.stands
        adjusted = list(money.stands)
        amounts[adjusted], unknown[adjusted] = 0, False

        def total(counted: Column | None) -> Amounts:
            within = cells if counted is None else cells[counted]
            sums: Amounts = list(cell_sums(within, amounts if counted is None else amounts[counted], size))
            for at, amount in apart.items():
                if counted is None or final[name[at]]:
                    before = sums[cells[at]]
                    sums[cells[at]] = None if before is None or amount is None else before + amount
            for cell in different(cells[unknown if counted is None else unknown & final[name]]):
                sums[cell] = None
            return sums

        return total(None), total(np.flatnonzero(final[name]))
