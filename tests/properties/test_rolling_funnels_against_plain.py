"""Funnels kept current equal the plain ones at every step: whatever order events come in, as time passes, with
adjustments and deletions, and whenever they began to be kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn

from kizashi_collector.analysis import Interval, LoggedEvent, Worth, evaluate_funnel
from kizashi_collector.analysis._rolling_funnel import RollingFunnels
from kizashi_schemas import Funnel, Histogram, Step
from kizashi_schemas.plan import Plan
from oracle.logs import GRID_MS, ORIGIN_MS, event_logs
from properties.test_rolling_against_plain import _BY, _WINDOWS, Kept
from properties.test_summary_against_oracle import PLANS
from tried import tried

_PROFILE = tried(60)
_WHERE: list[dict[str, Any]] = [
    *({}, {}, {}, {}),
    {"source.campaign": ""},
    {"source.campaign": ["g", "h"]},
    {"source.device": "d"},
]


@st.composite
def _usual_funnels(draw: DrawFn) -> Funnel:
    names = draw(st.lists(st.sampled_from("abcde"), min_size=1, max_size=4, unique=True))
    histogram = None
    if len(names) > 1 and draw(st.booleans()):
        begin = draw(st.integers(0, len(names) - 2))
        end = draw(st.one_of(st.none(), st.integers(begin + 1, len(names) - 1)))
        histogram = Histogram(from_=begin, to=end, bins=draw(st.integers(1, 4)))
    return Funnel(
        steps=[Step(event=name, where=draw(st.sampled_from(_WHERE))) for name in names],
        conversion_window=draw(st.sampled_from(["6h", "12h", "1d", "2d"])),
        histogram=histogram,
    )


class KeptFunnels(Kept):
    """Rolling funnels beside rolling summaries beside the log that they are fed from."""

    def __init__(
        self, log: list[LoggedEvent], plan: Plan | None, now: int, long_chain: int, funnels: dict[str, Funnel]
    ) -> None:
        super().__init__(log, plan, now, long_chain)
        self.funnels, self.long_chain = funnels, long_chain
        self.kept: RollingFunnels | None = None

    def ids(self, seqs: Sequence[int]) -> list[str]:
        assert list(seqs) == sorted(set(seqs))
        return [self.there[seq].id for seq in seqs]

    def keep(self, _: int) -> None:
        """Begin to keep the funnels, anew if they are kept already."""
        self.rolling.followers.clear()
        self.kept = RollingFunnels(self.rolling, self.funnels, self.ids, long_chain=self.long_chain)

    def build(self, slices: int) -> None:
        for _ in range(slices if self.kept is not None else 0):
            assert self.kept is not None
            done = self.kept.build_some(2)
            assert (done == 1) is self.kept.keeps("first", _WINDOWS[0], ())

    def build_all(self) -> None:
        assert self.kept is not None
        while self.kept.build_some(3) < 1:
            pass

    def check(self) -> None:
        if self.kept is None:
            return
        for name, funnel in self.funnels.items():
            for length in _WINDOWS:
                # With groups comes the total as well.
                for by in _BY:
                    if self.kept.keeps(name, length, by):
                        assert self.kept.figures(name, length, by) == self.plain(funnel, length, by)

    def plain(self, funnel: Funnel, length: int, by: tuple[str, ...]) -> Any:
        events = list(self.there.values())
        worth = Worth(self.plan, [event for event in events if event.adjust and event.time <= self.now])
        interval = Interval(self.now - length, self.now, self.now)
        return evaluate_funnel(events, funnel, interval, worth=worth, by=by, attribution="first")


_STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("arrive"), st.integers(1, 9)),
        st.tuples(st.just("advance"), st.sampled_from([0, 1, GRID_MS - 1, GRID_MS, 3 * GRID_MS, 20 * GRID_MS])),
        st.tuples(st.just("remove"), st.sampled_from(["i", "j", "ij"])),
        st.tuples(st.just("build"), st.integers(1, 4)),
        st.tuples(st.just("keep"), st.just(0)),
    ),
    max_size=9,
)


@_PROFILE
@given(
    log=event_logs(names="aaabbbcccdex", min_size=12, max_size=30, crowd=20, actors="iiiijk"),
    funnels=st.tuples(_usual_funnels(), _usual_funnels()),
    plan=st.sampled_from(sorted(PLANS)).map(PLANS.__getitem__),
    start=st.integers(-1, 12),
    at_once=st.booleans(),
    in_order=st.booleans(),
    steps=_STEPS,
    long_chain=st.sampled_from([2, 5, 100]),
    factor=st.sampled_from([1, 1, 10**9]),
)
def test_funnels_kept_current_equal_the_plain_ones_at_every_step(
    log: list[LoggedEvent],
    funnels: tuple[Funnel, Funnel],
    plan: Plan | None,
    start: int,
    at_once: bool,
    in_order: bool,
    steps: list[tuple[str, Any]],
    long_chain: int,
    factor: int,
) -> None:
    log = [msgspec.structs.replace(e, value=None if e.value is None else min(e.value * factor, 10**16)) for e in log]
    if in_order:
        log.sort(key=lambda event: event.time)
    named = dict(zip(("first", "second"), funnels, strict=True))
    kept = KeptFunnels(log, plan, ORIGIN_MS + start * GRID_MS, long_chain, named)
    if at_once:
        kept.keep(0)
    for what, argument in steps:
        getattr(kept, what)(argument)
        kept.check()
    if kept.kept is None:
        kept.keep(0)
    kept.build_all()
    kept.check()
    kept.arrive(len(log))
    kept.check()
    kept.advance(6 * GRID_MS)
    kept.check()
