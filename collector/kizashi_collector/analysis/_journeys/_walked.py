"""Journeys that were walked one by one, as columns."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from kizashi_collector.analysis._events import LoggedEvent
from kizashi_collector.analysis._journeys._journeys import CONVERTED, NEVER, RETRACTED, UNENDED, Journeys
from kizashi_collector.analysis._journeys._ladder import Ladder
from kizashi_collector.analysis._journeys._walk import walk_journeys
from kizashi_collector.analysis._matching import Check
from kizashi_collector.analysis._table import LARGEST
from kizashi_collector.analysis._worth import Worth

__all__ = ["walked_journeys"]


def walked_journeys(
    events: Iterable[LoggedEvent], ladder: Ladder, worth: Worth, *, as_of: int, check: Check = lambda: None
) -> tuple[Journeys, list[Mapping[str, str]]]:
    """The journeys of all actors as columns, and the sources that their codes stand for: whole ones, click ids and all.

    For what no table of numbers can tell; a thousand times slower than `find_journeys`. Names of finals are left out.
    """
    codes: dict[frozenset[tuple[str, str]], int] = {frozenset(): 0}
    sources: list[Mapping[str, str]] = [{}]
    actors: list[int] = []
    begins: list[int] = []
    credited: list[int] = []
    deepest: list[int] = []
    reached: list[list[int]] = []
    ended: list[int] = []
    ends: list[int] = []
    brought: list[int] = []
    apart: dict[int, int | None] = {}
    of_actors: dict[str, list[LoggedEvent]] = {}
    for event in events:
        if event.actor is not None:
            of_actors.setdefault(event.actor, []).append(event)
    for number, own in enumerate(of_actors.values(), 1):
        check()
        for journey in walk_journeys(own, ladder, as_of=as_of):
            source = journey.source(ladder)
            code = codes.setdefault(frozenset(source.items()), len(sources))
            if code == len(sources):
                sources.append(source)
            actors.append(number)
            begins.append(journey.begin)
            credited.append(code)
            deepest.append(journey.deepest(ladder))
            reached.append([journey.reached.get(depth, NEVER) for depth in range(ladder.final)])
            final = journey.final
            ends.append(NEVER if final is None else final.time)
            taken_back = final is not None and worth.retracted(final)
            ended.append(UNENDED if final is None else RETRACTED if taken_back else CONVERTED)
            amount = 0 if final is None else worth.final(final)
            if amount is None or amount >= LARGEST:
                apart[len(brought)] = amount
                amount = 0
            brought.append(amount)
    columns = (np.array(column, np.int64) for column in (actors, begins, credited, ends, brought))
    actor, begin, source_codes, end, amounts = columns
    journeys = Journeys(
        actor=actor,
        begin=begin,
        source=source_codes,
        deepest=np.array(deepest, np.int16),
        reached=np.array(reached, np.int64).reshape(-1, ladder.final),
        ended=np.array(ended, np.int8),
        end=end,
        final=np.zeros(len(actor), np.int64),
        brought=amounts,
        apart=apart,
    )
    return journeys, sources
