"""A question reads the log as tables: the same events as one by one, and no column that it did not ask for."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import AsyncIterator, Collection
from functools import partial
from pathlib import Path

import pytest

from kizashi_collector.analysis import NO_VALUE, EventTable, LoggedEvent
from kizashi_collector.store import EventColumns, QueryEndedError, SqliteLog
from kizashi_collector.store._chunks import (
    adjusted_between,
    events_between,
    table_between,
    tables_between,
)

MINUTE = 60_000
NOON = 1_790_000_000_000
Row = tuple[str, int, int, int | None, str | None, str | None, str | None, bool]


@pytest.fixture
async def log(tmp_path: Path) -> AsyncIterator[SqliteLog]:
    log = SqliteLog(tmp_path)
    yield log
    await log.close()


def batch(seed: int, size: int) -> list[LoggedEvent]:
    """Events of one transaction: some late, some worth cents, some imported, some adjustments."""
    chance = random.Random(seed)
    events = []
    for at in range(size):
        time = NOON + seed * MINUTE + chance.randrange(-5 * MINUTE, MINUTE)
        adjust = chance.random() < 0.05
        events.append(
            LoggedEvent(
                id=f"{seed}-{at}",
                name=chance.choice(["mv_view", "mv_cart", "purchase"]),
                time=time,
                received_at=time + chance.choice([3, 80, 700_000]),
                actor=chance.choice([None, "a", "b", f"v-{seed}-{at}"]),
                value=chance.choice([None, 0, 300_000_000, 10**15, 1_230_000 if seed % 2 else 1_234_567]),
                currency=chance.choice([None, "JPY", "USD"]),
                order=f"o-{seed}-{at}" if adjust or chance.random() < 0.1 else None,
                adjust="retract" if adjust else None,
                source=chance.choice([{}, {"campaign": f"c-{chance.randrange(400)}"}]),
                imported=chance.random() < 0.1,
            )
        )
    return events


async def fill(log: SqliteLog, sizes: list[int]) -> None:
    for seed, size in enumerate(sizes):
        await log.append([EventColumns.of(batch(seed, size))])


def rows(log: SqliteLog, table: EventTable) -> list[Row]:
    texts = log.texts
    return [
        (
            *(texts.name_of(int(table.name[at])), int(table.time[at]), int(table.received_at[at])),
            *(
                None if table.value[at] == NO_VALUE else int(table.value[at]),
                texts.currency_of(int(table.currency[at])),
            ),
            *(texts.source_of(int(table.source[at]), None).get("campaign"), texts.actor_of(int(table.actor[at]))),
            bool(table.imported[at]),
        )
        for at in range(len(table))
    ]


def row(event: LoggedEvent) -> Row:
    return (
        *(event.name, event.time, event.received_at, event.value, event.currency),
        *(event.source.get("campaign"), event.actor, event.imported),
    )


SIZES = {"one": [1], "small ones": [3, 40, 7, 300, 2, 90], "one large": [9_000], "many": [2_100] * 9, "none": []}
SPANS = {"all": (-1, 1 << 60), "a part": (NOON - MINUTE, NOON + MINUTE), "nothing": (NOON - 2, NOON - 2)}


@pytest.mark.parametrize("sizes", SIZES.values(), ids=SIZES)
async def test_a_table_holds_the_events_of_its_span(log: SqliteLog, sizes: list[int]) -> None:
    await fill(log, sizes)

    def compare(
        connection: sqlite3.Connection, _: object, *, start: int, end: int, names: Collection[str] | None
    ) -> None:
        expected = list(events_between(connection, log.texts, start, end, lambda: None))
        table = table_between(connection, log.texts, start, end, lambda: None, names=names)
        chosen = [event for event in expected if names is None or event.name in names]
        assert sorted(map(str, rows(log, table))) == sorted(map(str, map(row, chosen)))
        assert len(set(table.seq.tolist())) == len(table)
        if names is None:
            parts = [*tables_between(connection, log.texts, start, end, lambda: None)]
            assert all(map(len, parts))
            assert [one for part in parts for one in rows(log, part)] == rows(log, table)

    for start, end in SPANS.values():
        for names in (None, {"mv_cart", "purchase"}, {"mv_cart", "mv_never"}, set[str]()):
            await log.read(partial(compare, start=start, end=end, names=names))


async def test_what_was_not_asked_for_says_nothing_and_takes_no_room(log: SqliteLog) -> None:
    await fill(log, [300])
    table = await log.read(
        lambda connection, _: table_between(connection, log.texts, -1, 1 << 60, lambda: None, columns={"source"})
    )
    assert (table.source > 0).any()
    assert set(table.value.tolist()) == {NO_VALUE}
    for column in (table.received_at, table.currency, table.imported):
        assert not column.any()
        assert column.strides == (0,)
    assert set(table.only(table.time > NOON).value.tolist()) == {NO_VALUE}


async def test_numbers_in_a_table_are_those_of_the_log(log: SqliteLog) -> None:
    await fill(log, [300, 700])
    table = await log.read(lambda connection, _: table_between(connection, log.texts, -1, 1 << 60, lambda: None))
    events = [*batch(0, 300), *batch(1, 700)]
    assert table.seq.tolist() == [seq for seq, event in enumerate(events, 1) if event.adjust is None]


async def test_a_question_that_nobody_waits_for_ends_while_chunks_are_decompressed(log: SqliteLog) -> None:
    await fill(log, [2_100] * 9)
    looks = 0

    def impatient() -> None:
        nonlocal looks
        looks += 1
        if looks == 2:
            raise QueryEndedError("given up")

    with pytest.raises(QueryEndedError):
        await log.read(lambda connection, _: table_between(connection, log.texts, -1, 1 << 60, impatient))
    assert looks == 2
    whole = await log.read(lambda connection, _: table_between(connection, log.texts, -1, 1 << 60, lambda: None))
    assert len(whole) > 17_000


async def test_adjusted_events_are_found_within_their_span(log: SqliteLog) -> None:
    await fill(log, [400, 400])
    events = [event for event in [*batch(0, 400), *batch(1, 400)] if event.order and not event.adjust]
    wanted = {(event.name, str(event.order)) for event in events} | {("mv_cart", "never"), ("mv_never", "o-0-1")}
    start, end = NOON - MINUTE, NOON + MINUTE
    found = await log.read(
        lambda connection, _: adjusted_between(connection, log.texts, wanted, start, end, lambda: None)
    )
    assert found
    kept = [event for event in events if start < event.time <= end]
    assert sorted((one.order, one.name, one.value, one.currency) for one in found.values()) == sorted(
        (one.order, one.name, one.value, one.currency) for one in kept
    )
    table = await log.read(lambda connection, _: table_between(connection, log.texts, start, end, lambda: None))
    assert {*found} <= {*table.seq.tolist()}
