"""Each store beside the brute force: events that come late, twice, out of order, at one instant and with other
content, adjustments, erasures, retention, changes of plan, restarts, and time that passes. After each, every answer
equals the oracle's: of what is kept current and of what is counted from the log.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import Phase, given
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn

from kizashi_collector.analysis import Interval, LoggedEvent
from kizashi_collector.store import Answers, Candidate, FunnelReport, LogAnswers, SqliteLog, SummaryReport
from kizashi_schemas import Funnel, parse_duration
from kizashi_schemas.plan import DEFAULT_WINDOWS, Plan, load_plan
from live_collector import until
from oracle.funnels import funnel_answer
from oracle.logs import GRID_MS, ORIGIN_MS, event_logs
from oracle.outcomes import without_outcomes
from oracle.summary import complete_until_ever, summary_answer
from properties.test_funnels_against_oracle import _breakdowns, _funnels
from properties.test_funnels_against_oracle import _plain as funnel_plain
from properties.test_once import Model, grouped
from properties.test_summary_against_oracle import DOLLARS, EVENTS
from properties.test_summary_against_oracle import _plain as figures_plain
from stores import StoreKind, drop_databases, open_answers, open_log
from tried import tried

KEPT = """
    timezone = "America/New_York"
    windows = ["6h", "2d"]
    summaries = [["campaign"], ["device", "campaign"]]
"""
FUNNELS = """
    [funnels.kept]
    steps = ["a", "c"]
    conversion_window = "1d"
    [funnels.kept_too]
    steps = ["a", { event = "b", where = { "source.campaign" = ["", "g"] } }, "c", "d"]
    conversion_window = "2d"
    [funnels.from_the_log]
    steps = ["a", "b", "c"]
    order = "strict"
    conversion_window = "12h"
    exclude = [{ event = "x", from = 0 }]
    trend = true
"""
PLANS: dict[str, Plan | None] = {
    "yen": load_plan(KEPT + EVENTS + FUNNELS),
    "dollars": load_plan(KEPT + DOLLARS + FUNNELS),
    "no rate": load_plan(KEPT + EVENTS.replace("rates = { USD = 150.5 }", "") + FUNNELS),
    "none": None,
}
_CROWD = 4
"""The oracle tries the events of one instant in every order: no actor has more of them."""


class _Once(Model):
    """The rules of once, of retention and of erasure: `kept` is the log, `in_force` its adjustments."""

    def __init__(self) -> None:
        super().__init__()
        self.in_force: list[LoggedEvent] = []
        self.erased: set[str] = set()

    def judge(self, candidate: Candidate) -> tuple[str, str | None]:
        if candidate.id in self.erased:
            return "duplicate", "erased"
        verdict = super().judge(candidate)
        event = candidate.event
        if verdict == ("accepted", None) and event is not None and event.adjust is not None:
            self.in_force.append(event)
        return verdict

    def erase(self, actor: str) -> int:
        orders = {(e.name, e.order) for e in self.kept if e.actor == actor and e.adjust is None and e.order is not None}

        def goes(event: LoggedEvent) -> bool:
            return event.actor == actor or (event.adjust is not None and (event.name, event.order) in orders)

        gone = [event for event in self.kept if goes(event)]
        self.erased.update(event.id for event in gone)
        self.kept = [event for event in self.kept if not goes(event)]
        self.in_force = [event for event in self.in_force if not goes(event)]
        return len(gone)

    def retain(self, before: int) -> int:
        gone = [event for event in self.kept if event.time < before]
        self.kept = [event for event in self.kept if event.time >= before]
        originals = {(event.name, event.order) for event in self.kept if event.adjust is None}
        self.in_force = [e for e in self.in_force if e.time >= before or (e.name, e.order) in originals]
        return len(gone)

    @property
    def counting(self) -> list[LoggedEvent]:
        """What answers are about: events that are stored, and adjustments in force."""
        return [event for event in self.kept if event.adjust is None] + self.in_force


class Sent(msgspec.Struct, frozen=True):
    """An event, and when it happened: at its own time, or so long before it is received. `again` sends an old one, and
    an adjustment adjusts the old one that `adjusts` tells, if that has an order.
    """

    event: LoggedEvent
    ago: int | None
    again: int | None
    other_value: bool
    adjusts: int


class Question(msgspec.Struct, frozen=True):
    """What is asked beside what the plan declares. Times are before now; as_of is the latest of them. `turn` says what
    of it all is asked of ClickHouse, which takes as long for one answer as the other store for all of them.
    """

    instants: tuple[int, int, int]
    by: tuple[str, ...]
    funnel: Funnel
    breakdown: tuple[tuple[str, ...], str]
    turn: int

    def interval(self, now: int) -> Interval:
        as_of, end, start = (now - ago for ago in sorted(self.instants))
        return Interval(start, end, as_of)


class Shop:
    """A store and what it should hold, at a time that the test sets."""

    def __init__(self, kind: StoreKind, folder: Path, plan: str) -> None:
        self.kind, self.folder, self.plan = kind, folder, PLANS[plan]
        self.now = ORIGIN_MS + 6 * GRID_MS  # in the midst of what is drawn
        self.model = _Once()
        self.sent: list[LoggedEvent] = []
        self.open()

    def open(self) -> None:
        self.log = open_log(self.kind, self.folder)
        self.kept = open_answers(self.log, lambda: self.now)
        # ClickHouse counts all that it is asked.
        self.counted: Answers = LogAnswers(self.log) if isinstance(self.log, SqliteLog) else self.kept
        self.kept.keep(self.plan)

    async def close(self) -> None:
        await self.kept.close()
        await self.counted.close()
        await self.log.close()

    # -- what happens -------------------------------------------------------------------------------------------------

    async def restart(self, _: None) -> None:
        await self.close()
        self.open()

    async def change(self, plan: str) -> None:
        self.plan = PLANS[plan]
        self.kept.keep(self.plan)

    async def advance(self, by: int) -> None:
        self.now += by

    async def erase(self, actor: str) -> None:
        assert (await self.log.erase(actor)).events == self.model.erase(actor)

    async def retain(self, ago: int) -> None:
        assert await self.log.retain(self.now - ago) == self.model.retain(self.now - ago)

    async def store(self, sent: list[Sent]) -> None:
        """Receive them in two requests at once."""
        crowds = Counter((event.actor, event.time) for event in self.sent)
        batch = []
        for at, one in enumerate(sent):
            event = self._event(one, received_at=self.now - at % 3)
            crowds[event.actor, event.time] += 1
            if event.adjust is None and crowds[event.actor, event.time] > _CROWD:
                continue
            self.sent.append(event)
            batch.append(Candidate(event=event, refusal=None, id=event.id, body=b"{}", received_at=event.received_at))
        parts = batch[: len(batch) // 2], batch[len(batch) // 2 :]
        expected = [[self.model.judge(candidate) for candidate in part] for part in parts]
        outcomes = await asyncio.gather(*(self.log.append(grouped(part)) for part in parts))
        assert [[(outcome.verdict, outcome.code) for outcome in part] for part in outcomes] == expected

    def _event(self, sent: Sent, received_at: int) -> LoggedEvent:
        if sent.again is not None and self.sent:
            old = self.sent[sent.again % len(self.sent)]
            value = 5_000_000 if sent.other_value and old.value is not None else old.value
            return msgspec.structs.replace(old, received_at=received_at, value=value)
        event = sent.event
        if event.adjust is not None and self.sent:
            original = self.sent[-1 - sent.adjusts % len(self.sent)]
            currency = event.currency if original.value is None else original.currency
            if original.order is not None:
                event = msgspec.structs.replace(event, name=original.name, order=original.order, currency=currency)
        elif event.order is not None:
            # Two tills: more orders are new than are known.
            event = msgspec.structs.replace(event, order=f"{event.order}-{sent.adjusts % 2}")
        return msgspec.structs.replace(
            event,
            # Ids that do not follow the order of arrival: they decide within an instant.
            id=f"{len(self.sent) * 7_919 % 10_000:04}",
            time=event.time if sent.ago is None else received_at - sent.ago,
            received_at=received_at,
        )

    # -- what is answered ---------------------------------------------------------------------------------------------

    async def check(self, question: Question) -> None:
        assert (await self.log.newest(9_999))[::-1] == self.model.kept
        await until(lambda: self.kept.state().current)
        windows: tuple[str, ...] = DEFAULT_WINDOWS if self.plan is None else self.plan.windows
        summaries: tuple[tuple[str, ...], ...] = () if self.plan is None else self.plan.summaries
        declared = [(parse_duration(window), by) for window in windows for by in [(), *summaries]]
        funnels = [] if self.plan is None else list(self.plan.funnels.items())
        asked = question.interval(self.now)
        if self.kind == "clickhouse":
            what, which = question.turn % 4, question.turn // 4
            length, by = declared[which % len(declared)]
            interval = Interval(self.now - length, self.now, self.now)
            if what == 0:
                await self._check_summary(interval, by)
            elif what == 1 and funnels:
                name, funnel = funnels[which % len(funnels)]
                await self._check_funnel(funnel, interval, by, "first", name)
            elif what == 2:
                await self._same_from_the_log(asked, question.by, self._summary(asked, question.by))
            else:
                await self._check_funnel(question.funnel, asked, *question.breakdown, None)
            return
        for length, by in declared:
            interval = Interval(self.now - length, self.now, self.now)
            await self._check_summary(interval, by)
            for name, funnel in funnels:
                await self._check_funnel(funnel, interval, by, "first", name)
        await self._same_from_the_log(asked, question.by, self._summary(asked, question.by))
        await self._check_funnel(question.funnel, asked, *question.breakdown, None)

    async def _check_summary(self, interval: Interval, by: tuple[str, ...]) -> None:
        """What is kept current, where anything is, and what is counted from the log."""
        expected = self._summary(interval, by)
        for moving in (False, True):
            kept = await self.kept.summary(self.plan, interval, by, _as_it_is, moving=moving)
            assert kept is not None
            assert (kept.version is not None) == (self.kind == "sqlite")
            assert (kept.interval, _summary_plain(kept)) == (interval, expected)
            if self.counted is self.kept:
                return
        await self._same_from_the_log(interval, by, expected)

    async def _same_from_the_log(self, interval: Interval, by: tuple[str, ...], expected: dict[str, Any]) -> None:
        counted = await self.counted.summary(self.plan, interval, by, _as_it_is)
        assert counted is not None
        assert counted.version is None
        assert _summary_plain(counted) == expected

    async def _check_funnel(
        self, funnel: Funnel, interval: Interval, by: tuple[str, ...], attribution: str, name: str | None
    ) -> None:
        zone = "UTC" if self.plan is None else self.plan.timezone
        expected = funnel_answer(
            self.model.counting, funnel, interval, plan=self.plan, zone=zone, by=by, attribution=attribution
        )
        report = await self.kept.funnel(self.plan, funnel, interval, by, attribution, _as_they_are, name=name)
        assert report.interval == interval
        assert funnel_plain(report.figures) == expected

    def _summary(self, interval: Interval, by: tuple[str, ...]) -> dict[str, Any]:
        receipts = [(event.received_at, event.time) for event in self.model.kept if not event.imported]
        return {
            **summary_answer(self.model.counting, interval, plan=self.plan, by=by),
            "complete_until": complete_until_ever(receipts, interval.as_of),
        }


def _as_it_is(report: SummaryReport) -> SummaryReport:
    return report


def _as_they_are(report: FunnelReport) -> FunnelReport:
    return report


def _summary_plain(report: SummaryReport) -> dict[str, Any]:
    summary = without_outcomes(report.summary)
    assert [row.key for row in summary.rows] == sorted(row.key for row in summary.rows)
    return {
        "rows": {row.key: figures_plain(row) for row in summary.rows},
        "total": figures_plain(summary.total),
        "late_events": summary.late_events,
        "complete_until": report.complete_until,
    }


# -- what is drawn -----------------------------------------------------------------------------------------------------

_AGO = st.sampled_from(
    [None, None, None, 0, 1, -1, 600_000, 600_001, GRID_MS, GRID_MS - 1, GRID_MS + 1, 8 * GRID_MS, -1_000]
)
_AGAIN = st.one_of(st.none(), st.none(), st.integers(0, 50))


@st.composite
def _sent(draw: DrawFn) -> list[Sent]:
    events = draw(event_logs(names="aaaabbcccdex", min_size=6, max_size=14, crowd=_CROWD, actors="iiij"))
    named = st.sampled_from([None, None, None, "i", "j"])
    return [
        Sent(
            # An adjustment may be sent with an actor.
            event if event.adjust is None else msgspec.structs.replace(event, actor=draw(named)),
            draw(_AGO),
            draw(_AGAIN),
            draw(st.booleans()),
            draw(st.integers(0, 9)),
        )
        for event in events
    ]


@st.composite
def _questions(draw: DrawFn) -> Question:
    slots = st.integers(0, 12)
    beside = st.sampled_from([0, 0, 0, 1, 2])
    instants = draw(st.tuples(*[st.builds(lambda slot, more: slot * GRID_MS + more, slots, beside)] * 3))
    if draw(st.booleans()):
        instants = (0, 0, instants[2])
    funnel = draw(_funnels())
    by = draw(st.sampled_from([(), ("campaign",), ("device",), ("campaign", "device"), ("nowhere", "campaign")]))
    return Question(instants, by, funnel, draw(_breakdowns(len(funnel.steps))), draw(st.integers(0, 47)))


_ADVANCES = [0, 1, 600_000, GRID_MS - 1, GRID_MS, GRID_MS, 2 * GRID_MS, 3 * GRID_MS, 9 * GRID_MS]
_WHAT: st.SearchStrategy[tuple[str, Any]] = st.one_of(
    st.tuples(st.just("store"), _sent()),
    st.tuples(st.just("store"), _sent()),
    st.tuples(st.just("store"), _sent()),
    st.tuples(st.just("store"), _sent()),
    st.tuples(st.just("advance"), st.sampled_from(_ADVANCES)),
    st.tuples(st.just("advance"), st.sampled_from(_ADVANCES)),
    st.tuples(st.just("erase"), st.sampled_from("ij")),
    st.tuples(st.just("retain"), st.sampled_from([GRID_MS, 8 * GRID_MS, 30 * GRID_MS])),
    st.tuples(st.just("change"), st.sampled_from(sorted(PLANS))),
    st.tuples(st.just("restart"), st.none()),
)
_STORE: st.SearchStrategy[tuple[str, Any]] = st.tuples(st.just("store"), _sent())
_STEPS = st.builds(
    lambda first, others: [first, *others],
    st.tuples(_STORE, _questions()),
    st.lists(st.tuples(_WHAT, _questions()), min_size=5, max_size=12),
)


async def _run(kind: StoreKind, folder: Path, plan: str, steps: list[tuple[tuple[str, Any], Question]]) -> None:
    shop = Shop(kind, folder, plan)
    try:
        for (what, argument), question in steps:
            await getattr(shop, what)(argument)
            await shop.check(question)
    finally:
        await shop.close()


@pytest.mark.parametrize(("kind", "examples"), [("sqlite", 6), ("clickhouse", 2)])
def test_every_answer_of_the_store_equals_the_brute_force(kind: StoreKind, examples: int) -> None:
    # With ClickHouse, to look for a smaller example takes longer than a test may.
    @tried(examples, phases=[Phase.generate] if kind == "clickhouse" else list(Phase))
    @given(plan=st.sampled_from(sorted(PLANS)), steps=_STEPS)
    def hold(plan: str, steps: list[tuple[tuple[str, Any], Question]]) -> None:
        with tempfile.TemporaryDirectory() as folder:
            asyncio.run(_run(kind, Path(folder), plan, steps))
        drop_databases()

    hold()
