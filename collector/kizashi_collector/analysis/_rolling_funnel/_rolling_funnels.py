"""The funnels of a plan over windows that end now, kept current as events come and time passes.

For each actor those attempts are kept that count for some beginning of an interval; and for each window what those
that count in it add up to. A new event has its actor's attempts found anew. As a window moves, only actors one of whose
first steps it leaves behind change. An answer costs as much as it has cells, however many events lie behind it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from kizashi_collector.analysis._column_funnel import NO_STEP
from kizashi_collector.analysis._funnel import FunnelFigures, GroupFigures
from kizashi_collector.analysis._rolling import NONE, Places, RollingSummaries
from kizashi_collector.analysis._rolling_funnel._arriving import in_turns
from kizashi_collector.analysis._rolling_funnel._figures import Cells, histogram_of
from kizashi_collector.analysis._rolling_funnel._histories import LONG_CHAIN, Actors, Histories
from kizashi_collector.analysis._rolling_funnel._kept import KeptFunnel
from kizashi_collector.analysis._rolling_funnel._steps import is_usual
from kizashi_collector.analysis._rolling_funnel._ties import Ids, Ties
from kizashi_schemas import Funnel

__all__ = ["RollingFunnels"]

_SLICE_EVENTS = 50_000
_SLICE_ACTORS = 50_000
_ALL = 1 << 31


class RollingFunnels:
    """Funnels beside rolling summaries, over the events that those hold; see `evaluate_funnel`.

    Of the given funnels, by name, those of the usual kind are kept, for the windows and groupings of the summaries. It
    follows the summaries from when it is made; take it out of their `followers` to end that. What they hold by then is
    taken in by `build_some`. `ids` is asked about events that are alike in actor, time and step and differ otherwise.
    """

    def __init__(
        self, rolling: RollingSummaries, funnels: Mapping[str, Funnel], ids: Ids, *, long_chain: int = LONG_CHAIN
    ) -> None:
        self._rolling, self._held = rolling, rolling.held
        ties = Ties(rolling.held, ids)
        self._kept = {name: KeptFunnel(rolling, one, ties) for name, one in funnels.items() if is_usual(one)}
        self._places = {by: at for at, by in enumerate(rolling.layout.groupings)}
        self._histories = Histories(rolling.held, long_chain)
        self._built = 0 if rolling.held.count and self._kept else _ALL
        """Actors with codes below are kept."""
        self._slices: list[int] = []
        self._waiting: set[int] = set()
        rolling.followers.append(self)

    @staticmethod
    def can_keep(funnel: Funnel) -> bool:
        """Whether a funnel is of the kind that is kept."""
        return is_usual(funnel)

    def keeps(self, name: str, length: int, by: tuple[str, ...], attribution: str = "first") -> bool:
        """Whether the figures of this funnel, window and breakdown are kept, and are there by now."""
        return (
            self._built == _ALL
            and name in self._kept
            and length in self._rolling.starts
            and by in self._places
            and (not by or attribution == "first")
        )

    def figures(self, name: str, length: int, by: tuple[str, ...]) -> FunnelFigures:
        """The figures for the window of this length that ends now. Raises KeyError if they are not kept."""
        return self.copied(name, length, by)()

    def copied(self, name: str, length: int, by: tuple[str, ...]) -> Callable[[], FunnelFigures]:
        """The same in two parts: what is returned puts the figures together, at any later time, in any thread."""
        if not self.keeps(name, length, by):
            raise KeyError(name)
        self._catch_up()
        kept, plan, layout = self._kept[name], self._rolling.plan, self._rolling.layout
        window = kept.window(length)
        total = Cells.of(kept, plan, layout, window, 0)
        grouped = Cells.of(kept, plan, layout, window, self._places[by]) if by else None

        def put_together() -> FunnelFigures:
            [(_, steps)] = total.rows()
            return FunnelFigures(
                steps=steps,
                groups=None if grouped is None else [GroupFigures(*row) for row in grouped.rows()],
                trend=None,
                histogram=histogram_of(kept.funnel.histogram, total.ordered[0]),
            )

        return put_together

    # -- building -----------------------------------------------------------------------------------------------------

    def build_some(self, events: int = _SLICE_EVENTS) -> float:
        """Take in the attempts of some actors more, with about so many events; return what part is done, 1 at last.

        It costs some 0.4 µs for each of these events and each funnel. An actor is taken in as a whole, and of one with
        more than 255 events the others are not seen when the events are counted.
        """
        if self._built == _ALL:
            return 1.0
        length = self._held.length
        if not self._slices:
            self._slices = _cut(length, events)
        end = next(bound for bound in self._slices if bound > self._built)
        actors = np.arange(max(self._built, 1), min(end, len(length)), dtype=np.int32)
        actors = actors[length[actors] > 0]
        self._built = end
        self._histories.passed(self._replace(actors, self._heads(actors), dict.fromkeys(self._kept, actors)))
        return 1.0 if end == _ALL else (self._slices.index(end) + 1) / len(self._slices)

    # -- following ----------------------------------------------------------------------------------------------------

    def entered(self, places: Places) -> None:
        """Take new events in."""
        if not self._kept:
            return
        self._histories.entered(places)
        if not self._built:
            return
        self._catch_up()
        ahead = self._histories.ahead(places)
        actor, time = self._held.actor[places], self._held.time[places]
        anew: dict[str, Actors] = {}
        for name, kept in self._kept.items():
            step = kept.table.of(self._held, places)
            (at,) = np.nonzero((step != NO_STEP) & (actor > 0) & (actor < self._built))
            if len(at):
                turns, anew[name] = in_turns(actor[at], time[at], step[at], places[at], ahead[at])
                for turn in turns:
                    kept.arrive(turn)
        self._histories.passed(places)
        if any(map(len, anew.values())):
            found = np.unique(np.concatenate(list(anew.values())))
            # From the last that came, so that the first one found of each actor is the head of what there is.
            backwards = np.flatnonzero(np.isin(actor, found))[::-1]
            actors, head = np.unique(actor[backwards], return_index=True)
            self._replace(actors, places[backwards[head]], anew)

    def changing(self, places: Places) -> None:
        """Take back what these events' actors add up to, for now."""
        for kept in self._kept.values():
            actors = np.unique(self._held.actor[places[self._fitting(kept, places)]])
            kept.withdraw(actors)
            self._waiting.update(actors.tolist())

    def slid(self, length: int, start: int, end: int, places: Places) -> None:
        """Follow a window."""
        for kept in self._kept.values():
            kept.slid(length, start, end, places)

    def _fitting(self, kept: KeptFunnel, places: Places) -> NDArray[np.bool_]:
        fits: NDArray[np.bool_] = kept.table.of(self._held, places) != NO_STEP
        fits &= self._held.actor[places] > 0
        if self._built != _ALL:
            fits &= self._held.actor[places] < self._built
        return fits

    def _catch_up(self) -> None:
        """Find the attempts of those anew for whom something has changed."""
        if not self._waiting:
            return
        actors = np.array(sorted(self._waiting), np.int32)
        self._waiting.clear()
        self._replace(actors, self._heads(actors), dict.fromkeys(self._kept, actors))

    def _heads(self, actors: Actors) -> Places:
        """The last event that came of each actor, or NONE."""
        return np.array([next(self._held.chain(actor), NONE) for actor in actors.tolist()], np.int32)

    def _replace(self, actors: Actors, last: Places, touched: Mapping[str, Actors]) -> Places:
        """Find the attempts of actors anew, for each funnel of those whom it is about; return all their events."""
        if not len(actors):
            return last
        whose, places = self._histories.of(actors, last, self._rolling.since)
        for name, kept in self._kept.items():
            own = np.unique(touched.get(name, actors[:0]))
            if len(own) == len(actors):
                kept.replace(actors, whose, places)
            elif len(own):
                place = np.full(len(actors), -1, np.int32)
                place[np.searchsorted(actors, own)] = np.arange(len(own), dtype=np.int32)
                theirs = place[whose]
                kept.replace(own, theirs[theirs >= 0], places[theirs >= 0])
        return places


def _cut(length: NDArray[np.uint8], events: int) -> list[int]:
    """Bounds of the codes of actors that are taken in together; the last is for those who come meanwhile, too."""
    full = np.cumsum(length[1:], dtype=np.int64) // events
    bounds = set((np.flatnonzero(full[1:] > full[:-1]) + 2).tolist())
    bounds |= set(range(_SLICE_ACTORS, int(np.flatnonzero(length).max(initial=0)), _SLICE_ACTORS))
    return [*sorted(bounds), _ALL]
