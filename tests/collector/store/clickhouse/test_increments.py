"""The ledger of increments in ClickHouse: what several collectors tell of one store, and what is left of the dead."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from collector.store.increments.test_ledger import DAY, NOW, PLAN, happened
from kizashi_collector.analysis import LoggedEvent
from kizashi_collector.store import (
    Answers,
    Candidate,
    IncrementsReport,
    SqliteLog,
    StoreBusyError,
    StoreError,
    UnknownCursorError,
)
from kizashi_collector.store._clickhouse import _deleting
from kizashi_collector.store._clickhouse._engine import Engine
from kizashi_collector.store._clickhouse._increments import Increments, Lease, Ledger, _asking
from kizashi_collector.store._clickhouse._increments._ledger import News
from kizashi_collector.store.clickhouse import ClickHouseLog
from stores import STORES, StoreKind, address_of, open_answers, open_log

Told = tuple[str, str | None, int]


class Clock:
    """The server's, and some time more; whoever waits makes it later."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def __call__(self, now: int) -> int:
        return now + int(self.ahead * 1000)

    def pause(self, seconds: float) -> None:
        self.ahead += seconds

    def lease(self, engine: Engine) -> Lease:
        return Lease(engine, clock=self, pause=self.pause, chance=lambda: 0.5)


class Broken(Engine):
    """Refuses to write into one table, like a server that goes down."""

    table = ""

    def insert(self, table: str, columns: Sequence[str], rows: bytes) -> None:
        if table == self.table:
            raise StoreError("the server is gone")
        super().insert(table, columns, rows)


def clickhouse(place: Path) -> ClickHouseLog:
    log = open_log("clickhouse", place)
    assert isinstance(log, ClickHouseLog)
    return log


@asynccontextmanager
async def collectors(place: Path, kind: StoreKind = "clickhouse", count: int = 1) -> AsyncIterator[list[Collector]]:
    some = [Collector(kind, place) for _ in range(count)]
    try:
        yield some
    finally:
        for one in some:
            await one.answers.close()
            await one.log.close()


class Collector:
    """One of those that share a store."""

    def __init__(self, kind: StoreKind, place: Path) -> None:
        self.log: SqliteLog | ClickHouseLog = open_log(kind, place)
        self.answers: Answers = open_answers(self.log, lambda: NOW)

    async def store(self, *events: LoggedEvent) -> None:
        await store(self.log, *events)

    async def asked(self, now: int = NOW, since: str | None = None) -> IncrementsReport:
        return await self.answers.increments(PLAN, now, since, 1000, lambda report: report)

    async def told(self, now: int = NOW) -> list[Told]:
        return plain(await self.asked(now))


async def store(log: SqliteLog | ClickHouseLog, *events: LoggedEvent) -> None:
    parts = [Candidate(event=e, refusal=None, id=e.id, body=b"", received_at=0) for e in events]
    assert [outcome.verdict for outcome in await log.append(parts)] == ["accepted"] * len(events)


def plain(report: IncrementsReport) -> list[Told]:
    return [(line.kind, line.event_id, line.value // 1_000_000) for line in report.lines]


async def asked(log: ClickHouseLog, engine: Engine, clock: Clock, now: int = NOW) -> IncrementsReport:
    """Ask a collector whose engine, or clock, is another one."""
    increments = Increments(engine, log.kept, 30.0, log.run, Ledger(engine, clock.lease(engine)))
    return await increments.ask(PLAN, now, None, 1000, lambda report: report)


@pytest.mark.parametrize("kind", STORES)
async def test_both_stores_tell_the_same_lines(tmp_path: Path, kind: StoreKind) -> None:
    async with collectors(tmp_path, kind) as [one]:
        await one.store(
            happened("c1", "mv_cart", 90),
            happened("c2", "mv_cart", 50, actor="bob"),
            happened("p2", "purchase", 49, actor="bob"),
            happened("l3", "mv_look", 1, actor="cy"),
            happened("c4", "mv_cart", 1, actor="dan", source={"campaign": "g", "gclid": "A"}),
            happened("l4", "mv_look", 0.5, actor="dan", source={"gclid": "B"}),
            happened("l5", "mv_look", 0.4, actor="dan", source={}),
            happened("c6", "mv_cart", time=NOW + 60_000, actor="eve"),
        )
        assert sorted(await one.told()) == [("sale", "p2", 5000), ("step", "c4", 300)]
        (step,) = (line for line in (await one.asked()).lines if line.kind == "step")
        assert (step.source, step.actor, step.event, step.event_time) == ('{"gclid":"B"}', "dan", "mv_cart", NOW - DAY)
        await one.store(
            happened("r2", "purchase", actor=None, adjust="retract", order="p2", value=None, currency=None),
            happened("p4", "purchase", 0, actor="dan", currency="USD", value=3_000_000),
        )
        assert plain(await one.asked(since=step.cursor))[-1] == ("adjustment", "p2", -5000)
        # There is no rate for what dan's sale brought: nothing more is told of it. Eve's time has come, and gone.
        assert plain(await one.asked(NOW + 60_000))[-1] == ("step", "c6", 300)
        last = await one.asked(NOW + 3 * DAY)
        assert plain(last)[-1] == ("expired", None, -300)
        assert (await one.asked()).as_of == NOW + 3 * DAY
        assert list((await one.asked(since=last.next_cursor)).lines) == []


async def test_two_collectors_tell_each_line_once_whoever_is_asked(tmp_path: Path) -> None:
    async with collectors(tmp_path, count=2) as [one, other]:
        for turn in range(3):
            for who, collector in enumerate((one, other)):
                await collector.store(
                    *(happened(f"{turn}{who}{n}", "mv_cart", actor=f"{turn}{who}{n}") for n in range(9))
                )
            reports = await asyncio.gather(one.asked(), other.asked(), one.asked(), other.asked())
            assert all(report == reports[0] for report in reports)
            lines = plain(reports[0])
            assert sorted(lines) == sorted(
                ("step", f"{n}{who}{m}", 300) for n in range(turn + 1) for who in range(2) for m in range(9)
            )
            numbers = [int(line.cursor.partition(".")[2]) for line in reports[0].lines]
            assert numbers == list(range(1, len(lines) + 1))
        await one.store(happened("x", "mv_cart", actor="x"))
        assert plain(await other.asked(since=reports[0].next_cursor)) == [("step", "x", 300)]


async def test_a_collector_that_dies_while_it_writes_is_waited_for_as_long_as_its_lease_and_told_nothing(
    tmp_path: Path,
) -> None:
    log, clock = clickhouse(tmp_path), Clock()
    await store(log, happened("c1", "mv_cart"), happened("c2", "mv_cart", actor="bob"))
    dying = Broken(address_of(tmp_path))
    dying.table = "ledger"
    with pytest.raises(StoreError, match="the server is gone"):
        await asked(log, dying, clock)
    left = log.engine.ask("SELECT count() FROM increments")[0][0]
    # Another one waits for some seconds only, and so does whoever asks then; after the lease the lines are told anew.
    with pytest.raises(StoreBusyError, match="another collector"):
        await asked(log, log.engine, clock)
    assert left == 2
    assert 5 < clock.ahead < 60
    clock.ahead = 71
    assert sorted(plain(await asked(log, log.engine, clock))) == [("step", "c1", 300), ("step", "c2", 300)]
    assert log.engine.ask("SELECT count() FROM increments")[0][0] == 2
    assert log.engine.ask("SELECT count() FROM emitted")[0][0] == 2
    dying.close()
    await log.close()


async def test_only_one_at_a_time_holds_the_lease(tmp_path: Path) -> None:
    log, clock = clickhouse(tmp_path), Clock()
    one, other = clock.lease(log.engine), clock.lease(log.engine)
    with one.held(wait=1), pytest.raises(StoreBusyError), other.held(wait=1):
        raise AssertionError("two have it")
    with other.held(wait=1, seconds=30):
        clock.ahead += 45
        with one.held(wait=0):
            pass
    await log.close()


async def test_those_who_claim_the_lease_at_once_have_it_one_after_the_other(tmp_path: Path) -> None:
    log, inside, most = clickhouse(tmp_path), list[int](), list[int]()

    def hold(number: int) -> None:
        lease = Lease(log.engine, pause=lambda _: None)
        for _ in range(4):
            with lease.held(wait=1000):
                inside.append(number)
                log.engine.ask("SELECT 1")
                most.append(len(inside))
                inside.remove(number)

    await asyncio.gather(*(asyncio.to_thread(hold, number) for number in range(3)))
    assert most == [1] * 12
    await log.close()


async def test_rows_of_a_lease_that_is_over_are_refused(tmp_path: Path) -> None:
    log, clock = clickhouse(tmp_path), Clock()
    await store(log, happened("c1", "mv_cart"))
    clock.ahead = -100  # what it holds is over by the server's clock
    with pytest.raises(StoreError, match="held"):
        await asked(log, log.engine, clock)
    assert log.engine.ask("SELECT count() FROM increments")[0][0] == 0
    await log.close()


async def test_a_ledger_that_began_with_some_of_the_actors_is_gone_on_with_by_another_collector(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_asking, "_SHARE", 3)
    publish = Ledger.publish

    def once(ledger: Ledger, news: News) -> bool:
        if news.before.lines:
            raise StoreError("gone")
        return publish(ledger, news)

    async with collectors(tmp_path, count=2) as [one, other]:
        await one.store(*(happened(f"c{n}", "mv_cart", 1, actor=f"v{n}") for n in range(10)))
        with monkeypatch.context() as patched:
            patched.setattr(Ledger, "publish", once)
            with pytest.raises(StoreError, match="gone"):
                await one.asked()
        clickhouse = one.log
        assert isinstance(clickhouse, ClickHouseLog)
        first = list(clickhouse.engine.ask("SELECT event_id FROM increments ORDER BY number")[0])
        assert 0 < len(first) < 10
        await one.store(
            happened("p1", "purchase", 0, actor=f"v{first[0][1:]}"), happened("c10", "mv_cart", actor="v10")
        )
        lines = await other.told()
        assert [line[1] for line in lines[: len(first)]] == first
        assert sorted(lines) == sorted([*(("step", f"c{n}", 300) for n in range(11)), ("sale", "p1", 4700)])
        assert await one.told() == lines


async def test_what_is_told_of_a_row_is_taken_back_when_another_collector_had_the_event_first(tmp_path: Path) -> None:
    async with collectors(tmp_path) as [one]:
        await one.store(happened("c1", "mv_cart"))
        assert await one.told() == [("step", "c1", 300)]
        await one.store(happened("c2", "mv_cart", 0.01, actor="bob"))
        log = one.log
        assert isinstance(log, ClickHouseLog)
        ((loser, winner),) = zip(*log.engine.ask("SELECT min(batch), max(batch) FROM batches"), strict=True)
        log.engine.insert("losers", ("batch", "n", "winner_batch", "winner_n"), b"[%d,0,%d,0]" % (loser, winner))
        assert sorted((await one.told())[1:]) == [("correction", None, -300), ("step", "c2", 300)]


async def test_sealing_changes_nothing_that_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_deleting, "_SETTLES_MS", 0)
    async with collectors(tmp_path) as [one]:
        assert isinstance(one.log, ClickHouseLog)
        await one.store(happened("c1", "mv_cart"))
        before = await one.told()
        await one.log.seal()
        await one.store(happened("c2", "mv_cart", actor="bob"))
        await one.log.seal()
        assert await one.told() == [*before, ("step", "c2", 300)]
        await one.log.seal()
        assert await one.told() == [*before, ("step", "c2", 300)]


async def test_nothing_about_an_erased_actor_is_told_and_numbers_of_lines_are_not_given_again(tmp_path: Path) -> None:
    async with collectors(tmp_path, count=2) as [one, other]:
        await one.store(happened("c1", "mv_cart"), happened("c2", "mv_cart", actor="bob"))
        lines = (await one.asked()).lines
        (kept,) = (line for line in lines if line.actor == "ann")
        await one.log.erase("bob")
        assert list((await other.asked()).lines) == [kept]
        await other.store(happened("c3", "mv_cart", actor="bob"))
        report = await one.asked(since=lines[-1].cursor)
        assert [line.event_id for line in report.lines] == ["c3"]
        assert report.lines[0].journey not in {line.journey for line in lines}


async def test_what_was_found_before_an_actor_was_erased_is_not_told_after_that(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish, refused = Ledger.publish, list[bool]()
    async with collectors(tmp_path, count=2) as [one, other]:
        await one.store(happened("c1", "mv_cart"), happened("c2", "mv_cart", actor="bob"))
        loop = asyncio.get_running_loop()

        def erased_meanwhile(ledger: Ledger, news: News) -> bool:
            monkeypatch.setattr(Ledger, "publish", publish)
            asyncio.run_coroutine_threadsafe(other.log.erase("bob"), loop).result()
            refused.append(not publish(ledger, news))
            return not refused[-1]

        monkeypatch.setattr(Ledger, "publish", erased_meanwhile)
        assert await one.told() == [("step", "c1", 300)]
        assert refused == [True]


async def test_retention_tells_nothing_of_what_it_deletes(tmp_path: Path) -> None:
    async with collectors(tmp_path) as [one]:
        await one.store(
            happened("c1", "mv_cart", 5.5),
            happened("p1", "purchase", 4.5),
            happened("c2", "mv_cart", 1.5),
            happened("c3", "mv_cart", 6, actor="bob"),
            happened("p3", "purchase", 5.9, actor="bob"),
        )
        before = await one.told()
        assert sorted(before) == [("sale", "p1", 5000), ("sale", "p3", 5000), ("step", "c2", 300)]
        assert await one.log.retain(NOW - 5 * DAY) == 3
        await one.store(happened("l1", "mv_look", 0))
        # The sale whose cart is gone is of the journey that was told; an actor of whom nothing is left has no lines.
        kept = [line for line in before if line[1] != "p3"]
        assert await one.told() == kept
        await one.store(happened("p4", "purchase", 0))
        assert await one.told() == [*kept, ("sale", "p4", 4700)]


async def test_what_is_no_cursor_of_this_store_is_refused(tmp_path: Path) -> None:
    async with collectors(tmp_path) as [one]:
        tag = (await one.asked()).next_cursor.partition(".")[0]
        for cursor in ("", "0", "x.1", "0123456789abcdef.0", f"{tag}.-1", f"{tag}.1"):
            with pytest.raises(UnknownCursorError):
                await one.asked(since=cursor)
