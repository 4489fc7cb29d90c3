"""Which step of a funnel an event fits, by tables that grow with the codes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from kizashi_collector.analysis._column_funnel import NO_STEP, Conditions, StepNumbers
from kizashi_collector.analysis._rolling import Held, Places
from kizashi_collector.analysis._table import Codes
from kizashi_schemas import Funnel

__all__ = ["StepTable", "is_usual"]


def is_usual(funnel: Funnel) -> bool:
    """Whether a funnel is of the kind that is kept current.

    It is ordered, every first step begins an attempt, an actor counts once, nothing is excluded or optional, there is
    no trend; and name and source of an event tell its only step.
    """
    steps = funnel.normal_steps
    names = [step.event for step in steps]
    return (
        funnel.order == "ordered"
        and not funnel.one_at_a_time
        and not funnel.exclude
        and not funnel.optional
        and not funnel.trend
        and "*" not in names
        and len(set(names)) == len(names)
        and all(key.startswith("source.") for step in steps for key in step.where)
    )


class StepTable:
    """The step of each event of a usual funnel."""

    def __init__(self, funnel: Funnel, codes: Codes) -> None:
        self._steps = funnel.normal_steps
        self._codes = codes
        self._conditional = any(step.where for step in self._steps)
        self._of_name: StepNumbers = np.zeros(0, np.uint8)
        self._by_source: NDArray[np.uint64] = np.zeros(0, np.uint64)

    def of(self, held: Held, places: Places) -> StepNumbers:
        """The step that each of these events fits, NO_STEP for none."""
        name = held.name[places]
        if len(name) and int(name.max()) >= len(self._of_name):
            self._learn_names()
        step: StepNumbers = self._of_name[name]
        if self._conditional:
            source = held.source[places]
            if len(source) and int(source.max()) >= len(self._by_source):
                self._learn_sources()
            fits = self._by_source[source] >> np.minimum(step, 63).astype(np.uint64) & np.uint64(1)
            step[fits == 0] = NO_STEP
        return step

    def _learn_names(self) -> None:
        known = {step.event: number for number, step in enumerate(self._steps)}
        new = [known.get(name, NO_STEP) for name in self._codes.names[len(self._of_name) :]]
        self._of_name = np.concatenate([self._of_name, np.array(new, np.uint8)])

    def _learn_sources(self) -> None:
        new = self._codes.sources[len(self._by_source) :]
        masks = Conditions.of(self._steps, Codes([], [], new)).by_source
        if masks is not None:
            self._by_source = np.concatenate([self._by_source, masks.astype(np.uint64)])
