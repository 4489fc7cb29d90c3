"""The ledger of increments beside brute force: steps, finals, adjustments, late events, erasures, restarts, changes of
plan, time that passes and fits that come and go. Whatever happens, what feeds were told adds up to what journeys are
worth, by actor and source; and no line is ever told otherwise.
"""

from __future__ import annotations

import asyncio
import tempfile
import zlib
from contextlib import ExitStack
from functools import cache
from pathlib import Path
from typing import Any
from unittest.mock import patch

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn
from msgspec.structs import replace

from kizashi_collector.analysis import Fit, FittedKeys, Ladder, LoggedEvent, Worth, walked_journeys
from kizashi_collector.store import Candidate, IncrementLine, IncrementsReport, SqliteLog
from kizashi_collector.store._clickhouse._increments import _asking as _clickhouse_asking
from kizashi_collector.store._current import learn
from kizashi_collector.store._fits import StoredFit
from kizashi_collector.store._increments import _asking, _tasks
from kizashi_schemas.plan import Plan, load_plan
from oracle.increments import Credit, OpenStep, revenue, targets
from stores import STORES, StoreKind, open_answers, open_log
from tried import tried

HOUR = 3_600_000
ORIGIN = 1_790_000_000_000 // HOUR * HOUR
HORIZON = 48 * HOUR
EVENTS = """
    currency = "JPY"
    rates = { USD = 150.5 }
    summaries = [["campaign"]]
    [events.mv_look]
    [events.mv_cart]
    value = 300
    use = "learned"
    [events.mv_form]
    value = 50
    [events.mv_quote]
    value = "event"
    [events.purchase]
    final = true
    value = "event"
    [events.lead]
    final = true
    value = 5000
"""
LADDER = '[values]\nladder = ["mv_cart", "mv_form", "mv_quote"]\nhorizon = "2d"\nlookback = "30d"\n'
PLANS = {
    "last": load_plan(EVENTS + LADDER),
    "first": load_plan(EVENTS + LADDER + 'credit = "first"\n'),
    "learned": load_plan(EVENTS.replace("value = 50\n", 'value = 50\nuse = "learned"\n') + LADDER),
    "other ladder": load_plan(EVENTS + '[values]\nladder = ["mv_form", "mv_look"]\nhorizon = "5d"\nlookback = "30d"\n'),
    "short": load_plan(EVENTS + LADDER.replace('"2d"', '"3h"')),
}
NAMES = ["mv_look", "mv_cart", "mv_cart", "mv_form", "mv_quote", "purchase", "purchase", "lead", "unplanned"]
SOURCES: list[dict[str, str]] = [
    {},
    {"campaign": "g"},
    {"campaign": "h", "gclid": "1"},
    {"campaign": "h", "gclid": "2"},
    {"gclid": "3"},
]
FACTORS = (1.0, 0.25, 3.0)


@cache
def learned(plan: str, factor: float) -> tuple[Plan, Fit]:
    """What a small shop teaches, and the same where everything brings several times as much."""
    chosen = PLANS[plan]
    ladder = Ladder.of(chosen)
    assert ladder is not None
    events = []
    for number in range(60):
        begin, source = ORIGIN - (20 + number % 10) * 24 * HOUR, SOURCES[1 + number % 2]
        names = ["mv_cart", "mv_form", "purchase"][: 1 + number % 3]
        for step, name in enumerate(names):
            value = 7_000_000 if name == "purchase" else None
            time = begin + step * HOUR
            events.append(
                LoggedEvent(
                    id=f"{number}-{step}",
                    name=name,
                    time=time,
                    received_at=time,
                    actor=f"v{number}",
                    value=value,
                    currency="JPY" if value else None,
                    source=source,
                )
            )
    journeys, sources = walked_journeys(events, ladder, Worth(chosen, []), as_of=ORIGIN)
    stored = learn(journeys, sources, chosen, ladder, ORIGIN, [("campaign",)])
    ((_, fit),), *_ = msgspec.msgpack.decode(
        zlib.decompress(stored.fits), type=tuple[list[tuple[tuple[str, ...], Fit]], int, int]
    )
    return chosen, replace(fit, mean=tuple(factor * mean for mean in fit.mean))


def stored_fit(plan: str, factor: float, boundary: int) -> StoredFit:
    chosen, fit = learned(plan, factor)
    content = [(("campaign",), fit)], ORIGIN - 60 * 24 * HOUR, 60
    return StoredFit(0, chosen.learning_id, boundary, boundary, 0.0, zlib.compress(msgspec.msgpack.encode(content)))


class Happening(msgspec.Struct, frozen=True):
    """An event, so many hours before it is received; a negative number is in minutes to come."""

    name: str
    actor: str
    ago: int
    value: int | None
    currency: str
    source: int
    ordered: bool


class Adjusting(msgspec.Struct, frozen=True):
    """An adjustment of one of the orders so far."""

    which: int
    retract: bool
    value: int
    ago: int


class Asking(msgspec.Struct, frozen=True):
    """A feed that reads in pages, and one that goes on from some line."""

    limit: int
    since: int


class Shop:
    """A store, what it should hold, and what feeds were told."""

    def __init__(self, kind: StoreKind, folder: Path, plan: str) -> None:
        self.kind, self.folder, self.plan_name = kind, folder, plan
        self.now = ORIGIN
        self.log: list[LoggedEvent] = []
        self.told: dict[str, IncrementLine] = {}
        self.fits: list[tuple[str, float]] = []
        self.replanned = False
        self.serial = 0
        self.open()

    @property
    def plan(self) -> Plan:
        return PLANS[self.plan_name]

    def open(self) -> None:
        self.store = open_log(self.kind, self.folder)
        self.answers = open_answers(self.store, lambda: self.now)

    async def close(self) -> None:
        await self.answers.close()
        await self.store.close()

    # -- what happens -------------------------------------------------------------------------------------------------

    async def restart(self, _: None) -> None:
        await self.close()
        self.open()

    async def advance(self, hours: int) -> None:
        self.now += hours * HOUR

    async def change(self, plan: str) -> None:
        self.replanned = self.replanned or plan != self.plan_name
        self.plan_name = plan

    async def learn(self, factor: float) -> None:
        self.fits.append((self.plan_name, factor))
        fit = stored_fit(self.plan_name, factor, self.now // HOUR * HOUR)
        if isinstance(self.store, SqliteLog):
            await self.store.add_fit(fit)
        else:
            self.store.kept.add_fit(fit, self.store.next_number())

    async def erase(self, actor: str) -> None:
        await self.store.erase(actor)
        orders = {(event.name, event.order) for event in self.log if event.actor == actor and event.order is not None}
        self.log = [event for event in self.log if event.actor != actor and (event.name, event.order) not in orders]
        self.told = {cursor: line for cursor, line in self.told.items() if line.actor != actor}

    async def happen(self, happenings: list[Happening]) -> None:
        events = []
        for one in happenings:
            self.serial += 1
            carries = one.name in ("purchase", "mv_quote")
            value = one.value if carries else None
            events.append(
                LoggedEvent(
                    id=f"e{self.serial}",
                    name=one.name,
                    time=self.now - one.ago * HOUR if one.ago >= 0 else self.now - one.ago * 60_000,
                    received_at=self.now,
                    actor=one.actor,
                    value=value,
                    currency=None if value is None else one.currency,
                    order=f"o{self.serial}" if one.ordered else None,
                    source=SOURCES[one.source],
                )
            )
        await self._append(events)

    async def adjust(self, adjusting: Adjusting) -> None:
        ordered = [event for event in self.log if event.order is not None and event.adjust is None]
        if ordered:
            self.serial += 1
            original = ordered[adjusting.which % len(ordered)]
            adjustment = LoggedEvent(
                id=f"a{self.serial}",
                name=original.name,
                time=self.now - adjusting.ago * 60_000,
                received_at=self.now,
                value=None if adjusting.retract else adjusting.value,
                currency=None if adjusting.retract else original.currency or "JPY",
                order=original.order,
                adjust="retract" if adjusting.retract else "restate",
            )
            await self._append([adjustment])

    async def _append(self, events: list[LoggedEvent]) -> None:
        parts = [Candidate(event=e, refusal=None, id=e.id, body=b"{}", received_at=e.received_at) for e in events]
        assert {outcome.verdict for outcome in await self.store.append(parts)} <= {"accepted"}
        self.log += events

    # -- what is told -------------------------------------------------------------------------------------------------

    async def ask(self, asking: Asking) -> None:
        # Two feeds at once: what one has told, the other does not tell again.
        paged, whole = await asyncio.gather(self.read(None, asking.limit), self.read(None, 10_000))
        assert paged == whole
        cursors = [line.cursor for line in whole]
        assert cursors[: len(self.told)] == [*self.told]
        assert whole[: len(self.told)] == [*self.told.values()]
        self.told = {line.cursor: line for line in whole}
        assert len(self.told) == len(whole)
        if whole:
            at = asking.since % len(whole)
            assert await self.read(whole[at].cursor, asking.limit) == whole[at + 1 :]
        self.check(whole)

    async def read(self, since: str | None, limit: int) -> list[IncrementLine]:
        """All lines after a cursor, in pages."""
        lines: list[IncrementLine] = []
        while True:
            page = await self.answers.increments(self.plan, self.now, since, limit, _same)
            assert len(page.lines) <= limit
            lines += page.lines
            assert page.next_cursor == (lines[-1].cursor if lines else since or page.next_cursor)
            since = page.next_cursor
            if not page.more:
                return lines

    def check(self, lines: list[IncrementLine]) -> None:
        """What was told so far beside what it should add up to."""
        running: dict[str, int] = {}
        told: dict[Credit, int] = {}
        for line in lines:
            assert line.value
            running[line.journey] = running.get(line.journey, 0) + line.value
            assert line.emitted == running[line.journey]
            assert line.actor is not None
            credit = Credit(line.actor, frozenset(msgspec.json.decode(line.source, type=dict[str, str]).items()))
            told[credit] = told.get(credit, 0) + line.value
        if self.replanned:
            return
        over, standing = targets(self.log, self.plan, self.now)
        for credit in told.keys() | over.keys() | standing.keys():
            rest = told.get(credit, 0) - over.get(credit, 0)
            if credit in standing:
                assert rest in self.possible(standing[credit], dict(credit.source)), credit
            else:
                assert rest == 0, credit

    def possible(self, step: OpenStep, source: dict[str, str]) -> set[int]:
        """What a step may have been told to be worth: whatever was in force when the journey came there."""
        rule = self.plan.events[step.name]
        values = {step.declared}
        if rule.value == "event":
            # Steps are told as they stood then; an adjustment of a step tells a feed nothing.
            values |= {300_000_000, 1_000_000, 7, 0, 150_500_000, 45_150_000_000, 1054}
        if rule.use == "learned":
            for plan, factor in self.fits:
                if plan == self.plan_name:
                    fitted = FittedKeys(learned(plan, factor)[1])
                    values.add(round(fitted.values(fitted.place((source.get("campaign", ""),)))[step.depth]))
        return {value for value in values if value is not None}

    async def end(self) -> None:
        """When everything is over, feeds were told what it brought, to the micro."""
        self.now += 30 * 24 * HOUR
        await self.ask(Asking(3, 1))
        told: dict[str | None, int] = {}
        for line in self.told.values():
            told[line.actor] = told.get(line.actor, 0) + line.value
        brought = revenue(self.log, self.plan, self.now)
        assert {actor: amount for actor, amount in told.items() if amount} == {
            actor: amount for actor, amount in brought.items() if amount
        }


def _same(report: IncrementsReport) -> IncrementsReport:
    return report


_actors = st.sampled_from(["ann", "bob", "cy"])
_happenings = st.builds(
    Happening,
    name=st.sampled_from(NAMES),
    actor=_actors,
    ago=st.sampled_from([0, 0, 1, 2, 3, 20, 47, 48, 49, 96, -5]),
    value=st.sampled_from([None, 300_000_000, 1_000_000, 7]),
    currency=st.sampled_from(["JPY", "JPY", "USD"]),
    source=st.integers(0, len(SOURCES) - 1),
    ordered=st.booleans(),
)
_adjustings = st.builds(
    Adjusting,
    which=st.integers(0, 20),
    retract=st.booleans(),
    value=st.sampled_from([0, 300_000_000, 1_000_000]),
    ago=st.sampled_from([0, 30, -5]),
)


@st.composite
def _stories(draw: DrawFn) -> list[tuple[str, Any]]:
    acts = st.one_of(
        st.tuples(st.just("happen"), st.lists(_happenings, min_size=1, max_size=5)),
        st.tuples(st.just("happen"), st.lists(_happenings, min_size=1, max_size=3)),
        st.tuples(st.just("adjust"), _adjustings),
        st.tuples(st.just("advance"), st.sampled_from([1, 12, 47, 48, 49])),
        st.tuples(st.just("ask"), st.builds(Asking, limit=st.integers(1, 4), since=st.integers(0, 30))),
        st.tuples(st.just("ask"), st.builds(Asking, limit=st.integers(1, 4), since=st.integers(0, 30))),
        st.tuples(st.just("learn"), st.sampled_from(FACTORS)),
        st.tuples(st.sampled_from(["erase"]), _actors),
        st.tuples(st.just("restart"), st.none()),
        st.tuples(st.just("change"), st.sampled_from(sorted(PLANS))),
    )
    without_change = acts.filter(lambda act: act[0] != "change")
    return draw(
        st.lists(
            acts if draw(st.integers(0, 3)) == 0 else without_change,
            min_size=draw(st.sampled_from([0, 8])),
            max_size=16,
        )
    )


async def _play(kind: StoreKind, plan: str, story: list[tuple[str, Any]], share: int) -> None:
    """With a small `share`, the ledger begins with few actors at a time, and takes few journeys at a time then."""
    few = [
        patch.object(_asking, "_SHARE", share),
        *(patch.object(_clickhouse_asking, name, share) for name in ("_SHARE", "_ACTORS")),
        *(patch.object(_tasks, name, share) for name in ("_PART", "_AT_ONCE")),
    ]
    with ExitStack() as stack:
        for one in few:
            stack.enter_context(one)
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        shop = Shop(kind, Path(folder), plan)
        try:
            for act, what in story:
                await getattr(shop, act)(what)
            await shop.end()
        finally:
            await shop.close()


@pytest.mark.parametrize("kind", STORES)
def test_what_feeds_were_told_adds_up_to_what_journeys_bring(kind: StoreKind) -> None:
    # Each database takes a while to be made.
    @tried(30 if kind == "sqlite" else 3)
    @given(
        plan=st.sampled_from(["last", "last", "first", "learned"]), story=_stories(), share=st.sampled_from([2, 10**6])
    )
    def adds_up(plan: str, story: list[tuple[str, Any]], share: int) -> None:
        asyncio.run(_play(kind, plan, story, share))

    adds_up()
