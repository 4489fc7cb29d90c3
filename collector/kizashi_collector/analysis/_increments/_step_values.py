"""What a feed is told of a step: the learned value or the declared one, as the plan says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from kizashi_collector.analysis._events import LoggedEvent
from kizashi_collector.analysis._journeys import Ladder
from kizashi_collector.analysis._values import FittedKeys
from kizashi_collector.analysis._worth import Worth

__all__ = ["SourceText", "StepValues", "source_text"]

SourceText = str
"""A whole source as JSON, its keys sorted: equal sources have equal texts."""


def source_text(source: Mapping[str, str]) -> SourceText:
    """A source as the text that stands for it."""
    return msgspec.json.encode(source, order="sorted").decode()


class StepValues:
    """What a feed is told of a step, in micros of the plan's currency, and the number of the fit that says so.

    The learned value where the plan uses that and `fitted` is given, a fit by these `fields` of the source; else the
    declared one, or None where no rate leads to the plan's currency.
    """

    def __init__(
        self, ladder: Ladder, worth: Worth, fields: Sequence[str], fitted: FittedKeys | None, number: int
    ) -> None:
        self._ladder, self._worth, self._fields, self._number = ladder, worth, fields, number
        self._fitted = fitted if fitted is not None and fitted.fit.steps == ladder.steps else None
        self._by_place: dict[int, list[int]] = {}
        self._by_source: dict[SourceText, list[int]] = {}

    def of(self, event: LoggedEvent, source: SourceText) -> tuple[int | None, int | None]:
        """The value of a step under the source of its journey, just after it was reached."""
        plan = self._worth.plan
        rule = None if plan is None else plan.events.get(event.name)
        if self._fitted is None or rule is None or rule.use != "learned":
            return self._worth.declared(event), None
        learned = self._by_source.get(source)
        if learned is None:
            fields = msgspec.json.decode(source, type=dict[str, str])
            place = self._fitted.place(tuple(fields.get(field, "") for field in self._fields))
            learned = self._by_place.get(place)
            if learned is None:
                learned = self._by_place[place] = [round(value) for value in self._fitted.values(place)]
            self._by_source[source] = learned
        return learned[self._ladder.depths[event.name]], self._number
