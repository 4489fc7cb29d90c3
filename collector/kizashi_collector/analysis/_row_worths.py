"""What the rows of a summary are worth, from what their cells add up to."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from kizashi_collector.analysis._summary_rows import Amounts
from kizashi_collector.analysis._table import Column
from kizashi_schemas.plan import Plan

__all__ = ["RowWorths"]


class RowWorths:
    """Final and declared value of the rows of a summary, from what its cells add up to; None without a final."""

    def __init__(self, plan: Plan | None) -> None:
        self._rules = [
            (
                at,
                None if rule.value == "event" else rule.value,
                rule.final,
                rule.action == "primary",
                rule.counting == "once" and rule.value != "event",
            )
            for at, rule in enumerate(plan.events.values() if plan is not None and plan.finals else ())
            if rule.value is not None
        ]
        self._known = plan is not None and bool(plan.finals)

    def columns(
        self, stands: Column | Sequence[Sequence[int | None]], live: Column, credited: Column
    ) -> tuple[Amounts | None, Amounts | None]:
        """Final and declared value of rows, rows × planned events each as in `of`."""
        if not self._known:
            return None, None
        if isinstance(stands, np.ndarray) and self._fits(stands, live):
            final = np.zeros(len(stands), np.int64)
            declared = np.zeros(len(stands), np.int64)
            for at, fixed, is_final, is_primary, once in self._rules:
                every = stands[:, at] if fixed is None else fixed * live[:, at]
                if is_final:
                    final += every
                if is_primary:
                    declared += fixed * credited[:, at] if once and fixed is not None else every
            return final, declared
        rows = stands.tolist() if isinstance(stands, np.ndarray) else stands
        found = [self.of(*row) for row in zip(rows, live.tolist(), credited.tolist(), strict=True)]
        return [final for final, _ in found], [declared for _, declared in found]

    def _fits(self, stands: Column, live: Column) -> bool:
        """Whether no sum over a row's events comes near to 64 bits."""
        most = max(1, int(np.abs(stands).max(initial=0)))
        fixed = max((abs(fixed) for _, fixed, *_ in self._rules if fixed is not None), default=0)
        return max(most, fixed * int(np.abs(live).max(initial=0))) * max(1, len(self._rules)) < 1 << 62

    def of(
        self, stands: Sequence[int | None], live: Sequence[int], credited: Sequence[int]
    ) -> tuple[int | None, int | None]:
        """Final and declared value of one row.

        Of each planned event, in the plan's order: what those of the row stand at, how many were not retracted, and of
        how many actors those are.
        """
        if not self._known:
            return None, None
        final: int | None = 0
        declared: int | None = 0
        for at, fixed, is_final, is_primary, once in self._rules:
            every = stands[at] if fixed is None else fixed * live[at]
            if is_final:
                final = None if final is None or every is None else final + every
            if is_primary:
                counted = fixed * credited[at] if once and fixed is not None else every
                declared = None if declared is None or counted is None else declared + counted
        return final, declared
