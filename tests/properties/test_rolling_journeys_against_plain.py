"""Journeys kept current add up to what the plain ones do, at every step: whatever order events come in, as time passes,
with adjustments and deletions, and whenever they began to be kept.
"""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from kizashi_collector.analysis import Column, LoggedEvent, RollingSummaries, Worth
from kizashi_collector.analysis._journeys import Journey, Journeys, Ladder, find_journeys, walk_journeys
from kizashi_collector.analysis._rolling_journeys import JourneyCells, RollingJourneys
from kizashi_schemas.plan import Plan
from oracle.logs import GRID_MS, ORIGIN_MS, event_logs
from properties.test_journeys_against_oracle import PLANS, ladder_of
from properties.test_rolling_against_plain import Kept
from properties.test_summary_against_oracle import table_of
from tried import tried

_PROFILE = tried(60)
_BY: list[tuple[str, ...]] = [("campaign",), ("campaign", "device"), ("nowhere",)]
_MINUTE = 60_000
_EDGES = (0, 1, 3, 4, 360, 720)

Figures = dict[tuple[str, ...], tuple[int, int, int | None, int, Any]]


def _figures(cells: JourneyCells) -> Figures:
    assert cells.rows.tolist() == sorted(set(cells.rows.tolist()))
    columns = cells.journeys, cells.converted, cells.open, cells.open_cells
    numbers = zip(cells.keys, cells.brought, *(column.tolist() for column in columns), strict=True)
    return {
        key: (journeys, converted, brought, opened, at) for key, brought, journeys, converted, opened, at in numbers
    }


class KeptJourneys(Kept):
    """Rolling journeys beside rolling summaries beside the log that they are fed from."""

    def __init__(
        self,
        log: list[LoggedEvent],
        plan: Plan,
        ladder: Ladder,
        now: int,
        step: int,
        long_chain: int,
        room: int,
        back: bool,
    ) -> None:
        self.plan, self.now, self.ladder, self.long_chain, self.room = plan, now, ladder, long_chain, room
        self.back = back
        self.windows = (step, 2 * step, 4 * step + 1)
        self.table, self.codes = table_of(log)
        self.all = {name: list(getattr(self.codes, name)) for name in ("names", "currencies", "sources")}
        self.log = dict(enumerate(log, 1))
        self.there: dict[int, LoggedEvent] = {}
        self.learn()
        self.rolling = RollingSummaries(plan, self.codes, windows=self.windows, groupings=_BY, now=now)
        self.adjusted: dict[int, list[LoggedEvent]] = {}
        self.known: dict[Any, tuple[str, Figures]] = {}
        self.keep(True)

    def learn(self) -> None:
        """Codes are there once an event that came has them, as in the log."""
        came = self.table.seq <= len(self.there)
        for name, column in (("names", "name"), ("currencies", "currency"), ("sources", "source")):
            codes = getattr(self.codes, name)
            codes[:] = self.all[name][: int(getattr(self.table, column)[came].max(initial=0)) + 1]

    def code(self, seq: int) -> int:
        return int(self.table.actor[self.table.seq == seq][0])

    def worth(self) -> Worth:
        return Worth(self.plan, [event for event in self.there.values() if event.adjust and event.time <= self.now])

    def find(self, as_of: int) -> Journeys:
        worth = self.worth()
        seqs = [seq for seq, event in self.there.items() if event.id != "gone"]
        table = self.table.only(np.isin(self.table.seq, seqs))
        adjusted = {seq: event for seq, event in self.there.items() if (event.name, event.order) in worth.adjusted}
        return find_journeys(table, self.codes, self.ladder, worth=worth, adjusted=adjusted, as_of=as_of)

    def keep(self, told: bool) -> None:
        """Begin to keep journeys, anew if they are kept already."""
        self.rolling.followers.clear()
        self.kept = RollingJourneys(self.rolling, self.ladder, edges=_EDGES, long_chain=self.long_chain, room=self.room)
        self.kept.take_in(self.find(self.now), self.credited() if told else None)
        self.known.clear()

    def journeys(self) -> dict[int, list[Journey]]:
        """The plain journeys of each actor."""
        own: dict[int, list[LoggedEvent]] = {}
        for seq, event in self.there.items():
            if event.adjust is None and event.id != "gone":
                own.setdefault(self.code(seq), []).append(event)
        return {actor: walk_journeys(own[actor], self.ladder, as_of=self.now) for actor in sorted(own)}

    def credited(self) -> Column:
        """When the event was that each journey is credited to the source of."""
        times = []
        for journey in (journey for own in self.journeys().values() for journey in own):
            sourced = [event.time for event in journey.events if event.source]
            times.append((sourced[0] if self.ladder.credit == "first" else sourced[-1]) if sourced else -1)
        return np.array(times, np.int64)

    def arrive(self, count: int) -> None:
        first = len(self.there) + 1
        seqs = range(first, min(first + count, len(self.log) + 1))
        self.there |= {seq: self.log[seq] for seq in seqs}
        self.learn()
        batch = self.table.only((self.table.seq >= seqs.start) & (self.table.seq < seqs.stop))
        self.kept.passed_over(batch)
        if len(batch):
            self.rolling.add(batch)
        self.adjust()

    def adjust(self) -> None:
        """Bring every adjustment to its original; of what is not held, the log must tell."""
        due = [event for event in self.there.values() if event.adjust and event.time <= self.now]
        for seq, original in self.there.items():
            own = [event for event in due if (event.name, event.order) == (original.name, original.order)]
            if original.adjust is None and original.id != "gone" and own != self.adjusted.get(seq, []):
                self.adjusted[seq] = own
                self.rolling.adjust(seq, original, own)
                if not self.rolling.holds(seq):
                    self.kept.dirty.add(self.code(seq))

    def remove(self, actors: str) -> None:
        gone = [seq for seq, event in self.there.items() if event.actor is not None and event.actor in actors]
        self.kept.dirty.update(self.code(seq) for seq in gone if not self.rolling.holds(seq))
        super().remove(actors)

    def take_out(self, number: int) -> None:
        """Delete one event alone."""
        there = [seq for seq, event in self.there.items() if event.id != "gone" and event.adjust is None]
        if there:
            seq = there[number % len(there)]
            if not self.rolling.holds(seq):
                self.kept.dirty.add(self.code(seq))
            self.rolling.remove([seq])
            self.there[seq] = msgspec.structs.replace(self.there[seq], id="gone", time=-1, order=None)

    def check(self) -> None:
        self.kept.advance(self.now)
        while self.kept.dirty:
            as_of, actor = self.rolling.since if self.back else self.now, self.kept.dirty.pop()
            # Nobody is dirty whose events were all held.
            own = [event for seq, event in self.there.items() if event.adjust is None and self.code(seq) == actor]
            assert min(event.time for event in own) <= self.rolling.since
            self.kept.mend(actor, self.find(as_of), as_of)
        for length in self.windows:
            for by in [(), *_BY]:
                figures, version = _figures(self.kept.cells(length, by)), self.kept.version(length)
                assert figures == self.plain(length, by)
                before = self.known.get((length, by))
                assert before is None or before[0] != version or before[1] == figures
                self.known[length, by] = version, figures
        self.check_columns()

    def plain(self, length: int, by: tuple[str, ...]) -> Figures:
        worth = self.worth()
        rows: Figures = {}
        for own in self.journeys().values():
            for journey in own:
                if journey.begin <= self.now - length:
                    continue
                key = tuple(journey.source(self.ladder).get(field, "") for field in by)
                none = [[0] * len(_EDGES) for _ in range(self.ladder.final)]
                journeys, converted, brought, opened, cells = rows.get(key, (0, 0, 0, 0, none))
                if journey.final is not None:
                    converted += not worth.retracted(journey.final)
                    more = worth.final(journey.final)
                    brought = None if brought is None or more is None else brought + more
                elif self.now <= journey.clock + self.ladder.horizon_ms:
                    opened += 1
                    age = self.now // _MINUTE - journey.clock // _MINUTE
                    cells[journey.deepest(self.ladder)][sum(edge <= age for edge in _EDGES) - 1] += 1
                rows[key] = journeys + 1, converted, brought, opened, cells
        return rows

    def check_columns(self) -> None:
        kept, found = self.kept.columns(), self.find(self.now)
        (rows,) = np.nonzero(found.begin > self.now - self.kept.reach)
        for name in ("actor", "begin", "source", "deepest", "reached", "ended", "end", "final", "brought"):
            assert getattr(kept, name).tolist() == getattr(found, name)[rows].tolist()
        assert {int(rows[at]): amount for at, amount in kept.apart.items()} == {
            at: amount for at, amount in found.apart.items() if at in rows
        }


def _moved(log: list[LoggedEvent], step: int) -> list[LoggedEvent]:
    """The same on another grid."""
    moved = []
    for event in log:
        slot = round((event.time - ORIGIN_MS) / GRID_MS)
        time = ORIGIN_MS + slot * step + (event.time - ORIGIN_MS - slot * GRID_MS)
        moved.append(msgspec.structs.replace(event, time=time, received_at=time))
    return moved


_STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("arrive"), st.integers(1, 9)),
        st.tuples(st.just("arrive"), st.integers(1, 9)),
        st.tuples(
            st.just("advance"), st.sampled_from([(0, 1), (1, 0), (1, -1), (1, 1), (3, 0), (20, 0), (0, _MINUTE)])
        ),
        st.tuples(st.just("remove"), st.sampled_from(["i", "j", "ij"])),
        st.tuples(st.just("take_out"), st.integers(0, 9)),
        st.tuples(st.just("keep"), st.booleans()),
    ),
    max_size=12,
)


@_PROFILE
@given(
    log=event_logs(names="aaabbccooffgx", min_size=12, max_size=30, crowd=20, actors="iiiij"),
    plan=st.sampled_from(PLANS),
    step=st.sampled_from([GRID_MS, _MINUTE, 90_000, 20_000]),
    horizon=st.sampled_from([(1, 0), (1, -1), (2, 0), (3, 7), (40, 0)]),
    lookback=st.sampled_from([1, 4]),
    start=st.integers(-1, 12),
    in_order=st.booleans(),
    steps=_STEPS,
    long_chain=st.sampled_from([2, 5, 100]),
    room=st.sampled_from([1, 4, 100]),
    back=st.booleans(),
    factor=st.sampled_from([1, 1, 10**9]),
)
def test_journeys_kept_current_add_up_as_the_plain_ones_at_every_step(
    log: list[LoggedEvent],
    plan: Plan,
    step: int,
    horizon: tuple[int, int],
    lookback: int,
    start: int,
    in_order: bool,
    steps: list[tuple[str, Any]],
    long_chain: int,
    room: int,
    back: bool,
    factor: int,
) -> None:
    log = [msgspec.structs.replace(e, value=None if e.value is None else min(e.value * factor, 10**16)) for e in log]
    log = _moved(log, step)
    if in_order:
        log.sort(key=lambda event: event.time)
    ladder = msgspec.structs.replace(
        ladder_of(plan), horizon_ms=horizon[0] * step + horizon[1], lookback_ms=lookback * step
    )
    kept = KeptJourneys(log, plan, ladder, ORIGIN_MS + start * step, step, long_chain, room, back)
    for what, argument in steps:
        if what == "advance":
            kept.advance(argument[0] * step + argument[1])
        else:
            getattr(kept, what)(argument)
        kept.check()
    kept.arrive(len(log))
    kept.check()
    kept.advance(6 * step)
    kept.check()
