"""Which rows count: at every moment, whoever writes at a time, and after what is old was settled for good."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from kizashi_collector.analysis import LoggedEvent
from kizashi_collector.store import Candidate, EventColumns, StoreError
from kizashi_collector.store._clickhouse import _deleting
from kizashi_collector.store._clickhouse._rows import COLUMN_NAMES, rows_of
from kizashi_collector.store._clickhouse._settled import COLLECTORS, EPOCH_MS, Settled, read_settled
from kizashi_collector.store.clickhouse import ClickHouseLog
from stores import open_log

Row = tuple[int, int]


def settled(
    *batches: int, losses: Mapping[Row, set[Row]] | None = None, sealed: int = 0, dead: Sequence[int] = ()
) -> Settled:
    return Settled(sealed, frozenset(dead), frozenset(batches), losses or {}, edges=(), erased=0, now=0)


def stand(of: Settled, *rows: Row) -> list[bool]:
    return [of.stands(row) for row in rows]


# -- rows that stand ---------------------------------------------------------------------------------------------------

A, B, C = (1, 0), (2, 0), (3, 0)


def test_a_row_counts_once_its_batch_is_settled() -> None:
    assert stand(settled(1), A, (1, 7), B) == [True, True, False]


def test_up_to_a_seal_every_batch_counts_that_is_not_dead() -> None:
    of = settled(9, sealed=5, dead=[3])
    assert stand(of, A, C, (5, 0), (6, 0), (9, 0)) == [True, False, True, False, True]


@pytest.mark.parametrize(
    ("batches", "standing"),
    [
        # Each lost to the one before it; the last one to the first as well where `both`.
        ((1, 2, 3), [True, False, True]),
        ((2, 3), [False, True, False]),
        ((1, 3), [True, False, True]),
        ((3,), [False, False, True]),
    ],
)
def test_a_row_loses_only_as_long_as_the_one_that_it_lost_to_stands(
    batches: tuple[int, ...], standing: list[bool]
) -> None:
    assert stand(settled(*batches, losses={B: {A}, C: {B}}), A, B, C) == standing


@pytest.mark.parametrize("batches", [(1, 2, 3), (2, 3), (1, 3), (1, 2), (3,)])
def test_of_rows_that_all_lost_to_all_before_them_the_first_settled_stands(batches: tuple[int, ...]) -> None:
    of = settled(*batches, losses={B: {A}, C: {A, B}})
    assert [row for row in (A, B, C) if of.stands(row)] == [(batches[0], 0)]


def test_what_lost_to_a_dead_batch_stands() -> None:
    assert stand(settled(sealed=9, dead=[1], losses={B: {A}}), A, B) == [False, True]


# -- collectors --------------------------------------------------------------------------------------------------------


def candidate(event_id: str, received_at: int = 5, **fields: Any) -> Candidate:
    plain: dict[str, Any] = {"id": event_id, "name": "sale", "time": 1, "received_at": received_at, "actor": "a"}
    event = LoggedEvent(**plain | fields)
    return Candidate(event=event, refusal=None, id=event.id, body=b"{}", received_at=received_at)


class Held:
    """Holds a collector up where it is about to do something, until it is let go."""

    def __init__(self, log: ClickHouseLog, before: str) -> None:
        self.reached, self.go = threading.Event(), threading.Event()
        self._engine, self._before = log.engine, before
        self._insert, self._run = log.engine.insert, log.engine.run

    def __enter__(self) -> Held:
        def insert(table: str, columns: Sequence[str], rows: bytes) -> None:
            self._wait(table)
            self._insert(table, columns, rows)

        def run(sql: str, *given: Any, **options: Any) -> None:
            self._wait(sql)
            self._run(sql, *given, **options)

        self._engine.insert, self._engine.run = insert, run  # type: ignore[method-assign]
        return self

    def __exit__(self, *_: object) -> None:
        self.go.set()
        self._engine.insert, self._engine.run = self._insert, self._run  # type: ignore[method-assign]

    def _wait(self, doing: str) -> None:
        if doing.startswith(self._before) and not self.reached.is_set():
            self.reached.set()
            assert self.go.wait(60)

    async def there(self) -> None:
        """Wait until it is held."""
        assert await asyncio.to_thread(self.reached.wait, 60)


def refuse(log: ClickHouseLog, table: str, patch: pytest.MonkeyPatch) -> None:
    """Have a collector fail, or die, before it writes into a table."""
    insert = log.engine.insert

    def failing(to: str, columns: Sequence[str], rows: bytes) -> None:
        if to == table:
            raise StoreError("the collector is gone")
        insert(to, columns, rows)

    patch.setattr(log.engine, "insert", failing)


@asynccontextmanager
async def collectors(place: Path, count: int) -> AsyncIterator[list[ClickHouseLog]]:
    logs = []
    try:
        for _ in range(count):
            log = open_log("clickhouse", place)
            assert isinstance(log, ClickHouseLog)
            logs.append(log)
        yield logs
    finally:
        for log in logs:
            await log.close()


@pytest.fixture
async def two(tmp_path: Path) -> AsyncIterator[list[ClickHouseLog]]:
    async with collectors(tmp_path, 2) as logs:
        yield sorted(logs, key=number_of)


def number_of(log: ClickHouseLog) -> int:
    return log._appender.next_batch() % COLLECTORS


async def counting(log: ClickHouseLog) -> list[str]:
    """What counts: the session of each event, which says who sent it."""
    return [event.session or "" for event in (await log.newest(1_000))[::-1]]


async def append(log: ClickHouseLog, *candidates: Candidate) -> list[str]:
    return [outcome.verdict for outcome in await log.append(list(candidates))]


def count_of(log: ClickHouseLog, table: str) -> int:
    return int(log.engine.ask(f"SELECT count() FROM {table}")[0][0])


def same_id(who: str, received_at: int) -> Candidate:
    return candidate(f"same{who.partition(' ')[2]}", received_at, session=who, order=f"of {who}")


def same_order(who: str, received_at: int) -> Candidate:
    return candidate(f"of {who}", received_at, session=who, order=f"same{who.partition(' ')[2]}")


KINDS = {"id": same_id, "order": same_order}


@pytest.mark.parametrize("held_before", ["events", "losers", "batches"])
async def test_of_two_that_race_the_first_by_receipt_stands_and_at_no_moment_both(
    two: list[ClickHouseLog], held_before: str
) -> None:
    first, second = two
    over: list[str] = []
    for kind, received in product(KINDS, [(5, 6), (6, 5), (5, 5)]):
        one, other = f"one {kind} {received}", f"other {kind} {received}"
        with Held(first, held_before) as held:
            # It has looked for what is there, and found nothing.
            slow = asyncio.create_task(append(first, KINDS[kind](one, received[0])))
            await held.there()
            assert await counting(second) == over
            assert await append(second, KINDS[kind](other, received[1])) == ["accepted"]
            for log in two:
                assert await counting(log) == [*over, other]
            held.go.set()
            assert await slow == ["accepted"]
        # The number of the collector decides where both were received at one time.
        over.append(one if received[0] <= received[1] else other)
        for log in two:
            assert sorted(await counting(log)) == sorted(over)
            assert await append(log, KINDS[kind](one, 9), KINDS[kind](other, 9)) == ["duplicate", "duplicate"]
        over = await counting(first)


@pytest.mark.parametrize("kind", KINDS)
async def test_what_loses_to_a_collector_that_dies_stands(
    two: list[ClickHouseLog], kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    dying, living = two
    with monkeypatch.context() as patch:
        refuse(dying, "batches", patch)
        with pytest.raises(StoreError):
            await append(dying, KINDS[kind]("dead", 1))
    assert await append(living, KINDS[kind]("alive", 2)) == ["accepted"]
    # It came later, and lost; but to nothing that will ever count.
    assert await counting(living) == ["alive"]
    monkeypatch.setattr(_deleting, "_SETTLES_MS", 0)
    await tick(living)
    await living.seal()
    assert await counting(living) == ["alive"]
    assert count_of(living, "events") == count_of(living, "ids") == 1
    assert await append(dying, KINDS[kind]("dead", 1)) == ["duplicate"]


async def test_three_that_race_leave_one_whichever_settles_last(tmp_path: Path) -> None:
    async with collectors(tmp_path, 3) as logs:
        for number, order in enumerate([(0, 1, 2), (2, 1, 0), (1, 2, 0), (1, 0, 2)]):
            held = [Held(log, "batches") for log in logs]
            tasks = []
            for who, (log, hold) in enumerate(zip(logs, held, strict=True)):
                hold.__enter__()
                made = candidate(f"e{number}", received_at=who, session=f"{number}-{who}")
                tasks.append(asyncio.create_task(append(log, made)))
                await hold.there()
            settled_so_far: list[int] = []
            for who in order:
                held[who].go.set()
                assert await tasks[who] == ["accepted"]
                held[who].__exit__()
                settled_so_far.append(who)
                found = [await counting(log) for log in logs]
                assert [names[-1] for names in found] == [f"{number}-{min(settled_so_far)}"] * 3
                assert [len(names) for names in found] == [number + 1] * 3


# -- settled for good --------------------------------------------------------------------------------------------------


async def tick(log: ClickHouseLog) -> None:
    """Wait until the server's clock is past the numbers of all batches so far."""
    last = log._appender.next_batch() // COLLECTORS + EPOCH_MS
    while read_settled(log.engine).now <= last:  # noqa: ASYNC110  # the server's clock has no event
        await asyncio.sleep(0)


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is written is old at once."""
    monkeypatch.setattr(_deleting, "_SETTLES_MS", 0)


@pytest.mark.usefixtures("at_once")
async def test_a_seal_leaves_what_counts_and_deletes_what_never_did(
    two: list[ClickHouseLog], monkeypatch: pytest.MonkeyPatch
) -> None:
    log, other = two
    await append(log, candidate("kept", session="kept", order="k"))
    with monkeypatch.context() as patch:
        refuse(other, "batches", patch)
        with pytest.raises(StoreError):
            await append(other, candidate("lost", session="lost", order="l"))
    with Held(log, "batches") as held:
        slow = asyncio.create_task(append(log, candidate("raced", received_at=9, session="late")))
        await held.there()
        await append(other, candidate("raced", received_at=8, session="early"))
        held.go.set()
        await slow
    assert [count_of(log, table) for table in ("events", "ids", "orders", "losers")] == [4, 4, 2, 1]
    await tick(log)
    await log.seal()
    assert await counting(other) == ["kept", "early"]
    assert [count_of(log, table) for table in ("events", "ids", "orders", "losers")] == [2, 2, 1, 0]
    # One that comes long after has nothing more to settle, and forgets the batches.
    monkeypatch.setattr(_deleting, "_NAMED_MS", 0)
    await tick(log)
    await other.seal()
    assert [count_of(log, table) for table in ("batches", "seals")] == [0, 2]
    for one in two:
        assert await counting(one) == ["kept", "early"]
        assert await append(one, candidate("kept", order="k"), candidate("raced")) == ["duplicate", "duplicate"]


@pytest.mark.usefixtures("at_once")
async def test_what_settles_after_its_batch_was_sealed_as_dead_never_counts(two: list[ClickHouseLog]) -> None:
    late, sealing = two
    with Held(late, "batches") as held:
        slow = asyncio.create_task(append(late, candidate("e", session="late")))
        await held.there()
        await tick(sealing)
        await sealing.seal()
        held.go.set()
        # In truth the server refuses it: a seal is a minute behind what may still be written.
        await slow
    assert await counting(sealing) == await counting(late) == []
    assert await append(sealing, candidate("e", session="again")) == ["accepted"]
    assert await counting(late) == ["again"]


@pytest.mark.usefixtures("at_once")
@pytest.mark.parametrize("held_before", ["seals", "ALTER TABLE batches", "ALTER TABLE seals"])
async def test_nothing_acknowledged_is_lost_when_two_seal_at_once(two: list[ClickHouseLog], held_before: str) -> None:
    first, second = two
    for log in two:
        await append(log, candidate(f"before {number_of(log)}", session="before"))
    await tick(first)
    await first.seal()
    with Held(first, held_before) as held:
        await append(first, candidate("between", session="between"))
        await tick(first)
        slow = asyncio.create_task(first.seal())
        await held.there()
        for number in range(3):
            assert await append(second, candidate(f"after {number}", session="after")) == ["accepted"]
            await tick(second)
            await second.seal()
            for log in two:
                assert await counting(log) == ["before"] * 2 + ["between"] + ["after"] * (number + 1)
        held.go.set()
        await slow
    expected = ["before"] * 2 + ["between"] + ["after"] * 3
    for log in two:
        assert await counting(log) == expected
        await tick(log)
        await log.seal()
        assert await counting(log) == expected
    assert await append(first, candidate("between"), candidate("after 0")) == ["duplicate", "duplicate"]


@pytest.mark.usefixtures("at_once")
async def test_an_edge_is_not_lost_to_a_collector_that_seals_meanwhile(two: list[ClickHouseLog]) -> None:
    sealing, retaining = two
    await append(sealing, candidate("old", time=1, session="old"), candidate("new", time=9, session="new"))
    with Held(retaining, "edges") as held:
        slow = asyncio.create_task(retaining.retain(5))
        await held.there()
        await tick(sealing)
        await sealing.seal()
        with Held(sealing, "seals") as second:
            await tick(sealing)
            again = asyncio.create_task(sealing.seal())
            await second.there()
            held.go.set()
            assert await slow == 1
            second.go.set()
            await again
    assert read_settled(sealing.engine).edge == 5
    assert await counting(sealing) == ["new"]


async def test_a_batch_that_comes_a_minute_late_is_refused_by_the_server(two: list[ClickHouseLog]) -> None:
    log, other = two
    now = read_settled(log.engine).now - EPOCH_MS

    def write(table: str, batch: int) -> None:
        if table == "events":
            event = candidate(f"of {batch}", session="in time").event
            assert event is not None
            log.engine.insert("events", COLUMN_NAMES, rows_of(EventColumns.of([event]), batch))
        else:
            log.engine.insert("batches", ("batch", "events"), b"[%d,1]" % batch)

    late, in_time = ((now - ago) * COLLECTORS for ago in (61_000, 30_000))
    for table in ("events", "batches"):
        with pytest.raises(StoreError, match="more than a minute late"):
            write(table, late)
        write(table, in_time)
    assert await counting(other) == ["in time"]
