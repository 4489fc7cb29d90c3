"""What is asked of what is kept, so that it can travel to where that is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from msgspec import Struct

from kizashi_collector.analysis import Break, Interval
from kizashi_collector.store._chunks import Texts
from kizashi_collector.store._current._completing import KeptOutcomes
from kizashi_collector.store._current._current import Current
from kizashi_collector.store._current._view import Unchanged
from kizashi_collector.store._protocol import AnswersState, FunnelReport, SummaryReport
from kizashi_schemas.plan import Plan

__all__ = ["Answer", "Asked", "BreaksAsked", "FunnelAsked", "Kept", "OutcomesAsked", "SummaryAsked", "answer_of"]


class SummaryAsked(Struct, frozen=True):
    """A summary under the plan with this id, and what is to be made of it; see Answers.summary."""

    plan: str | None
    interval: Interval
    by: tuple[str, ...]
    then: Callable[[SummaryReport], Any]
    moving: bool
    known: str | None

    def of(self, current: Current) -> SummaryReport | Unchanged | None:
        """What is kept of it."""
        return current.summary(self.plan, self.interval, self.by, moving=self.moving, known=self.known)


class FunnelAsked(Struct, frozen=True):
    """A funnel of the plan with this id, and what is to be made of it; see Answers.funnel."""

    plan: str | None
    name: str
    interval: Interval
    by: tuple[str, ...]
    attribution: str
    then: Callable[[FunnelReport], Any]
    moving: bool

    def of(self, current: Current) -> FunnelReport | None:
        """What is kept of it."""
        return current.funnel(self.plan, self.name, self.interval, self.by, self.attribution, moving=self.moving)


class OutcomesAsked(Struct, frozen=True):
    """What completes a summary that is not kept, under the plan with this id, where outcomes by more fields are."""

    plan: str
    interval: Interval
    by: tuple[str, ...]
    moving: bool

    def of(self, current: Current) -> KeptOutcomes | None:
        """What is kept of it."""
        return current.outcomes(self.plan, self.interval, self.by, moving=self.moving)

    def then(self, outcomes: KeptOutcomes) -> KeptOutcomes:
        """They are to be sent as they are."""
        return outcomes


class BreaksAsked(Struct, frozen=True):
    """The breaks in the tracking of the events of the plan with this id, now."""

    plan: str
    as_of: int

    def of(self, current: Current) -> list[Break] | None:
        """What is kept of it."""
        return current.breaks(self.plan, self.as_of)

    def then(self, found: list[Break]) -> list[Break]:
        """They are to be sent as they are."""
        return found


Asked = SummaryAsked | FunnelAsked | OutcomesAsked | BreaksAsked


class Answer(Struct, frozen=True):
    """What was made of a report; None where the asker has it already."""

    made: Any


class Kept(Protocol):
    """Where the plan's answers are kept current."""

    def keep(self, plan: Plan | None) -> None:
        """Keep this plan's answers from now on."""

    async def ask(self, asked: Asked) -> Answer | None:
        """The answer, with all in it that was acknowledged before; None where it is not kept."""

    def state(self) -> AnswersState:
        """How things are, a second ago at most."""

    async def close(self) -> None:
        """Let go of everything."""


def answer_of(asked: Asked, current: Current, texts: Texts) -> Answer | None:
    """Ask what is kept. Raises what `then` raises."""
    report: Any = asked.of(current)
    # Sources may have grown beyond the bound meanwhile, which is nothing to a pace.
    if report is None or not (texts.sources_are_whole or isinstance(asked, BreaksAsked)):
        return None
    return Answer(None if isinstance(report, Unchanged) else asked.then(report))
