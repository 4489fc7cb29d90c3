"""Rolling summaries equal the plain count at every step: whatever order events come in, as time passes, with
adjustments and deletions.
"""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kizashi_collector.analysis import Codes, EventTable, Interval, LoggedEvent, Worth, summarize
from kizashi_collector.analysis._rolling import RollingSummaries
from kizashi_schemas.plan import Plan
from oracle.logs import GRID_MS, ORIGIN_MS, event_logs
from properties.test_summary_against_oracle import PLANS, table_of
from tried import tried

_PROFILE = tried(80)
_WINDOWS = (GRID_MS, 4 * GRID_MS, 8 * GRID_MS + 1)
_BY: list[tuple[str, ...]] = [("campaign",), ("campaign", "device"), ("nowhere",)]


class Kept:
    """Rolling summaries beside the log that they are fed from."""

    def __init__(self, log: list[LoggedEvent], plan: Plan | None, now: int, long_chain: int) -> None:
        self.plan, self.now = plan, now
        self.table, codes = table_of(log)
        self.log = dict(enumerate(log, 1))
        self.there: dict[int, LoggedEvent] = {}
        self.by = [] if plan is None else _BY
        self.rolling = RollingSummaries(
            plan, codes, windows=_WINDOWS, groupings=self.by, now=now, long_chain=long_chain
        )

    def arrive(self, count: int) -> None:
        """The next events of the log arrive in one batch."""
        seqs = range(len(self.there) + 1, min(len(self.there) + count, len(self.log)) + 1)
        batch = self.table.only((self.table.seq >= seqs.start) & (self.table.seq < seqs.stop))
        self.there |= {seq: self.log[seq] for seq in seqs}
        if len(batch):
            self.rolling.add(batch)
        self.adjust()

    def advance(self, by: int) -> None:
        self.now += by
        self.rolling.advance(self.now)
        self.adjust()

    def adjust(self) -> None:
        """Bring every adjustment that is there and due to its original."""
        due = [event for event in self.there.values() if event.adjust and event.time <= self.now]
        for seq, original in self.there.items():
            own = [event for event in due if (event.name, event.order) == (original.name, original.order)]
            if own and original.adjust is None and original.id != "gone":
                self.rolling.adjust(seq, original, own)

    def remove(self, actors: str) -> None:
        seqs = [seq for seq, event in self.there.items() if event.actor is not None and event.actor in actors]
        self.rolling.remove(seqs)
        for seq in seqs:
            self.there[seq] = msgspec.structs.replace(self.there[seq], id="gone", time=-1, order=None)

    def check(self) -> None:
        for length in _WINDOWS:
            for by in [(), *self.by]:
                interval = Interval(self.now - length, self.now, self.now)
                events = list(self.there.values())
                worth = Worth(self.plan, [event for event in events if event.adjust and event.time <= self.now])
                plain = summarize(events, plan=self.plan, worth=worth, interval=interval, by=by)
                assert self.rolling.summary(length, by)() == plain


_STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("arrive"), st.integers(1, 9)),
        st.tuples(st.just("advance"), st.sampled_from([0, 1, GRID_MS - 1, GRID_MS, 3 * GRID_MS, 20 * GRID_MS])),
        st.tuples(st.just("remove"), st.sampled_from(["i", "j", "ij"])),
    ),
    max_size=12,
)


@_PROFILE
@given(
    log=event_logs(names="aaaabcccdex", min_size=12, max_size=30, crowd=20, actors="iiiij"),
    plan=st.sampled_from(sorted(PLANS)).map(PLANS.__getitem__),
    start=st.integers(-1, 12),
    steps=_STEPS,
    long_chain=st.sampled_from([2, 5, 100]),
    factor=st.sampled_from([1, 1, 10**9]),
)
def test_rolling_summaries_equal_the_plain_count_at_every_step(
    log: list[LoggedEvent], plan: Plan | None, start: int, steps: list[tuple[str, Any]], long_chain: int, factor: int
) -> None:
    log = [msgspec.structs.replace(e, value=None if e.value is None else min(e.value * factor, 10**16)) for e in log]
    kept = Kept(log, plan, ORIGIN_MS + start * GRID_MS, long_chain)
    for what, argument in steps:
        getattr(kept, what)(argument)
        kept.check()
    kept.arrive(len(log))
    kept.check()
    kept.advance(6 * GRID_MS)
    kept.check()


def test_without_a_plan_there_is_no_breakdown() -> None:
    with pytest.raises(ValueError, match=r"campaign.*without a plan"):
        RollingSummaries(None, Codes([""], [""], [{}]), windows=_WINDOWS, groupings=[("campaign",)], now=ORIGIN_MS)


def test_nothing_is_there_at_the_beginning() -> None:
    kept = Kept([], None, ORIGIN_MS, 5)
    kept.rolling.add(EventTable.empty())
    kept.check()
