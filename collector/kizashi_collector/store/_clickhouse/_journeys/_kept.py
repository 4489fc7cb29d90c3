"""Journeys that were walked before, and what has changed since.

What happens after the time up to which they were walked can only append to an actor's last journey, where that is
still open, and begin new ones. An open journey goes on from when it first came to each depth: what else belongs to it
changes nothing. Whatever changes of what happened before, such as an event that comes late, has the actor's journeys
walked anew.
"""

from __future__ import annotations

from msgspec import Struct

from kizashi_collector.analysis import Ladder
from kizashi_collector.store._clickhouse._planned import planned
from kizashi_collector.store._clickhouse._sql import Parameters, View

__all__ = ["KeptJourneys", "walked_events"]


class KeptJourneys(Struct, frozen=True):
    """The journeys of events up to `until`, in a table like `journeys` under a number; `anew` are the actors of whom
    something has changed since of what happened by then, and so are those of whom one began before `gone`."""

    generation: int
    until: int
    anew: tuple[int, ...] = ()
    gone: int | None = None
    table: str = "journeys"

    def standing(
        self, ladder: Ladder, view: View, as_of: int, parameters: Parameters, begun_after: int | None = None
    ) -> str:
        """The condition of journeys that stand as they did."""
        went_on = self._went_on(ladder, view, as_of, parameters)
        begun = "" if begun_after is None else f" AND begin > {parameters.add(begun_after, 'Int64')}"
        return f"{self.others(parameters)} AND NOT (open AND {went_on}){begun}"

    def going_on(self, ladder: Ladder, view: View, as_of: int, parameters: Parameters) -> str:
        """The condition of journeys to which something may have been added."""
        return f"{self.others(parameters)} AND open AND {self._went_on(ladder, view, as_of, parameters)}"

    def to_walk(self, parameters: Parameters) -> str:
        """The condition of events that are walked."""
        later = f"time > {parameters.add(self.until, 'Int64')}"
        anew = self._anew(parameters)
        return f"({later} OR actor_key GLOBAL IN ({anew}))" if anew else later

    @property
    def numbered(self) -> str:
        """The condition of all of them."""
        return f"generation = {self.generation}"

    def others(self, parameters: Parameters) -> str:
        """The condition of those of actors of whom nothing has changed."""
        anew = self._anew(parameters)
        return f"{self.numbered} AND actor_key GLOBAL NOT IN ({anew})" if anew else self.numbered

    def _went_on(self, ladder: Ladder, view: View, as_of: int, parameters: Parameters) -> str:
        later = planned(ladder, view, as_of, parameters, self.until)
        return f"actor_key GLOBAL IN (SELECT actor_key FROM {view.table} WHERE {later})"

    def _anew(self, parameters: Parameters) -> str:
        parts = []
        if self.anew:
            parts.append(f"SELECT arrayJoin({parameters.add(list(self.anew), 'Array(UInt128)')}) AS actor_key")
        if self.gone is not None:
            parts.append(f"SELECT actor_key FROM {self.table} WHERE {self.numbered} AND begin < {self.gone}")
        return " UNION ALL ".join(parts)


def walked_events(
    ladder: Ladder, view: View, as_of: int, parameters: Parameters, kept: KeptJourneys | None, since: int | None = None
) -> str:
    """The condition of the planned events that are walked: all in (since, as_of], or what is not kept of them."""
    where = planned(ladder, view, as_of, parameters, since)
    return where if kept is None else f"{where} AND {kept.to_walk(parameters)}"
