"""How complete the recent past is, and at what pace events came."""

from __future__ import annotations

import numpy as np

from kizashi_collector.analysis import HourCounts, complete_until_from, freshness_start, pace_hours
from kizashi_collector.store._clickhouse._sql import Ask, Parameters, View

__all__ = ["complete_until", "hour_counts"]

_HOUR_MS = 3_600_000
_HOUR_BITS = 40


def complete_until(ask: Ask, view: View, as_of: int) -> int | None:
    """The instant up to which events have arrived, as analysis.complete_until says; None before any was received.

    Both percentiles are taken of counts by value: lags and gaps repeat, whatever the number of events.
    """
    received = f"{view.where} AND {view.logged} AND NOT imported AND received_at <= {{as_of:Int64}}"
    lately = f"{received} AND received_at > {{since:Int64}}"
    sql = f"""
        WITH
            lags AS (
                SELECT greatest(received_at - time, 0) AS of, count() AS times
                FROM {view.table} WHERE {lately} GROUP BY of
            ),
            gaps AS (
                SELECT receipt - before AS of, count() AS times
                FROM (
                    SELECT receipt, lagInFrame(toNullable(receipt)) OVER (ORDER BY receipt) AS before
                    FROM (SELECT DISTINCT received_at AS receipt FROM {view.table} WHERE {lately})
                )
                WHERE before IS NOT NULL GROUP BY of
            )
        SELECT
            (SELECT maxOrNull(received_at) FROM {view.table} WHERE {lately}),
            (SELECT {_percentile("lags")}),
            (SELECT {_percentile("gaps")})
    """
    last, lag, gap = (column[0] for column in ask(sql, {"as_of": as_of, "since": freshness_start(as_of)}))
    if last is None:
        ((last,),) = ask(f"SELECT maxOrNull(received_at) FROM {view.table} WHERE {received}", {"as_of": as_of})
    return complete_until_from(lag=lag, gap=gap or 0, last_receipt=last, as_of=as_of)


def _percentile(counts: str) -> str:
    """The 99.9th percentile by nearest rank, of values and how often each came; NULL where there is none."""
    return f"""
        minOrNull(of) FROM (SELECT of, sum(times) OVER (ORDER BY of) AS upto, sum(times) OVER () AS every FROM {counts})
        WHERE upto >= intDiv(999 * every + 999, 1000)
    """


def hour_counts(ask: Ask, view: View, names: list[str], until: int, as_of: int) -> HourCounts:
    """How many events of each name came in each hour up to `until`, of those known at as_of; see Pace.rows."""
    hours = pace_hours(until)
    rows = np.zeros((len(names), len(hours)), np.int32)
    parameters = Parameters()
    places = ", ".join(f"toUInt64({place << _HOUR_BITS})" for place in range(len(names)))
    known = parameters.add(names, "Array(String)")
    start, end = hours[0] * _HOUR_MS, (hours[-1] + 1) * _HOUR_MS
    found = ask(
        f"""
        SELECT transform(name, {known}, [{places}], toUInt64(0)) + toUInt64(intDiv(time, {_HOUR_MS})) AS cell, count()
        FROM {view.table}
        WHERE {view.where} AND adjust = 0 AND name IN {known}
            AND time >= {start} AND time < {end} AND time <= {parameters.add(as_of, "Int64")}
        GROUP BY cell
        """,
        parameters.values,
    )
    for cell, count in zip(*found, strict=True):
        place, hour = divmod(cell, 1 << _HOUR_BITS)
        rows[place, hour - hours[0]] = count
    return rows
