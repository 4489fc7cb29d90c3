"""Fits in the log: which one an answer takes, and which are kept."""

from __future__ import annotations

from pathlib import Path

from msgspec.structs import replace

from kizashi_collector.store import SqliteLog
from kizashi_collector.store._fits import StoredFit, fit_at

HOUR, DAY = 3_600_000, 86_400_000
NOON = 1_790_035_200_000 // DAY * DAY + 12 * HOUR


def learned(boundary: int, plan: str = "p") -> StoredFit:
    return StoredFit(0, plan, boundary, boundary + 5, 0.5, f"{plan} {boundary}".encode())


async def asked(log: SqliteLog, as_of: int, plan: str = "p") -> StoredFit | None:
    return await log.read(lambda connection, _: fit_at(connection, plan, as_of))


async def test_an_answer_takes_the_last_fit_of_the_last_boundary_up_to_then_under_its_plan(tmp_path: Path) -> None:
    log = SqliteLog(tmp_path)
    first = await log.add_fit(learned(NOON))
    again = await log.add_fit(replace(learned(NOON), fits=b"something else"))
    later = await log.add_fit(learned(NOON + HOUR))
    await log.add_fit(learned(NOON + HOUR, "another"))
    assert first.number < again.number < later.number
    assert await asked(log, NOON - 1) is None
    assert await asked(log, NOON) == await asked(log, NOON + HOUR - 1) == again
    assert await asked(log, NOON + HOUR) == await asked(log, NOON + DAY) == later
    await log.close()
    log = SqliteLog(tmp_path)
    assert await asked(log, NOON + DAY) == later
    await log.close()


async def test_after_a_week_one_fit_of_each_day_is_kept(tmp_path: Path) -> None:
    log = SqliteLog(tmp_path)
    midnight = NOON - 12 * HOUR
    for hour in range(3):
        await log.add_fit(learned(midnight + hour * HOUR))
    await log.add_fit(learned(midnight + 7 * DAY + 2 * HOUR))
    kept = [await asked(log, midnight + hour * HOUR) for hour in range(3)]
    assert [fit and fit.boundary for fit in kept] == [midnight, midnight, midnight + 2 * HOUR]
    await log.add_fit(learned(midnight + 9 * DAY))
    latest = await asked(log, midnight + 2 * HOUR)
    assert latest is not None
    assert latest.boundary == midnight
    await log.close()
