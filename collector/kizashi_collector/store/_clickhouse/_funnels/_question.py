"""What is asked of a funnel, in numbers: which steps are open after which, and what spoils and counts an attempt."""

from __future__ import annotations

from msgspec import Struct

from kizashi_collector.analysis import Interval
from kizashi_collector.store._clickhouse._sql import View
from kizashi_schemas import Funnel, parse_duration
from kizashi_schemas.plan import Plan

__all__ = ["BEYOND", "Question"]

BEYOND = 1 << 62
"""The time of the place after an actor's last event: no window reaches it."""


class Question(Struct, frozen=True):
    """One funnel over a view, as of an instant.

    `by` and `attribution` are those of the breakdown that this question is about; without `by` there is none.
    """

    view: View
    funnel: Funnel
    interval: Interval
    plan: Plan | None
    adjusted: bool
    zone: str
    by: tuple[str, ...] = ()
    attribution: str = "first"

    @property
    def last(self) -> int:
        """The number of the last step."""
        return self.funnel.last

    @property
    def window(self) -> int:
        """The conversion window in milliseconds."""
        return int(parse_duration(self.funnel.conversion_window))

    @property
    def ordered(self) -> bool:
        """Whether the order of steps matters."""
        return self.funnel.order != "unordered"

    @property
    def strict(self) -> bool:
        """Whether any event in between ends an attempt."""
        return self.funnel.order == "strict"

    @property
    def by_steps(self) -> bool:
        """Whether events of one instant may be sorted by the step that they fit, which advances furthest."""
        return self.funnel.order == "ordered" and not self.funnel.one_at_a_time

    @property
    def of_one_key(self) -> bool:
        """Whether the funnel runs on the events of each key alone."""
        return bool(self.by) and self.attribution == "all"

    @property
    def named_by(self) -> int | None:
        """The step whose events name the keys that the funnel runs for, if the breakdown is such a one."""
        return int(self.attribution.removeprefix("step:")) if self.by and self.attribution.startswith("step:") else None

    @property
    def begins(self) -> int:
        """The steps with which an attempt may begin; bit k is step k."""
        return 1 if self.ordered else (1 << self.last + 1) - 1

    def open_after(self, step: int) -> int:
        """The steps that may be taken next where this one, not the last, was taken last; bit k is step k."""
        required = next((k for k in range(step + 1, self.last) if k not in self.funnel.optional), self.last)
        return sum(1 << k for k in range(step + 1, required + 1))

    @property
    def exclusions(self) -> list[tuple[int, int]]:
        """From which step to which each exclusion holds."""
        return [(rule.from_, self.funnel.end_of(rule)) for rule in self.funnel.exclude]

    def previous_required(self, step: int) -> int | None:
        """The last step before this one that is not optional; None for the first."""
        return next((k for k in range(step - 1, -1, -1) if k not in self.funnel.optional), None)
