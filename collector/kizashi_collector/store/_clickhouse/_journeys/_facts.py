"""What a fit reads of journeys, in SQL: every journey gives a few facts, and equal ones are counted.

All that is asked about is in one query: to find the journeys takes longer than to count them.
"""

from __future__ import annotations

from msgspec import Struct

from kizashi_collector.analysis import Ladder, LagGrid
from kizashi_collector.store._clickhouse._journeys._bins import MINUTE_MS, lag_edge, size_edge

__all__ = ["AMOUNT", "BEGUN", "ENTRY", "EXIT", "FINAL", "STOOD", "Facts"]

BEGUN, ENTRY, EXIT, STOOD, FINAL, AMOUNT = range(6)

_HOUR_MS, _DAY_MS = 3_600_000, 86_400_000
_LARGEST = 1 << 56
"""An amount beyond this counts as nothing where values are learned, as one does that no rate leads to."""


class Facts(Struct, frozen=True):
    """Facts of journeys as they were known at the boundary, of stays begun in (boundary - lookback, boundary].

    `days` are those before the boundary at which journeys that stood open are counted, 0 among them.
    """

    ladder: Ladder
    grid: LagGrid
    boundary: int
    lookback: int
    days: tuple[int, ...]

    def sql(self, found: str) -> str:
        """A row for each source and fact: source, kind, step, into, since, until, edge, count, total, squares.

        - BEGUN: a journey; `into` 1 if it began by the boundary.
        - ENTRY: one came to a step; `since` is the hour back.
        - EXIT: one left a step `into` a deeper one or a final; `since` and `until` are the days back of entry and exit,
          `edge` that of the lag's bin in minutes.
        - STOOD: one stood open at `step`, `since` days before; `into` 1 if it had a final after all; `edge` of its age.
        - FINAL: `since` days back; `into` 1 if it was not retracted; total and squares, as texts, of what it brought.
        - AMOUNT: the same by size; `until` is the least amount of the bin.
        """
        boundary, last = self.boundary, self.ladder.final
        stands = ", ".join(f"(toUInt16({depth}), reached_{depth})" for depth in range(last))
        earliest = boundary - self.lookback
        return f"""
SELECT source, fact.1 AS kind, fact.2 AS step, fact.3 AS into, fact.4 AS since, fact.5 AS until, fact.6 AS edge,
    count() AS facts,
    if(kind < {FINAL}, '', toString(sum(toUInt128(fact.7)))) AS total,
    if(kind < {FINAL}, '', toString(sum(toUInt256(fact.7) * toUInt256(fact.7)))) AS squares
FROM (
    SELECT source,
        if(isNull(brought) OR brought >= {_LARGEST}, toUInt64(0), toUInt64(assumeNotNull(brought))) AS amount,
        -- where it stood by the boundary, and since when: deeper ones come later
        arrayFilter(stand -> stand.2 >= 0 AND stand.2 <= {boundary},
            [{stands}, (toUInt16({last}), end)]) AS stands,
        toUInt16(end >= 0 AND end <= {boundary}) AS had,
        -- a final with nothing before it tells nothing of what a step brings
        had AND end > {earliest} AND deepest < {last} AS paid,
        arrayFilter(stay -> stay.1 < {last} AND stay.2 > {earliest},
            arrayMap((stand, next) -> (stand.1, stand.2, next.1, next.2),
                stands, arrayResize(arrayPopFront(stands), length(stands), (toUInt16(0), toInt64(0))))) AS stays,
        arrayConcat(
            [{_fact(BEGUN, into=f"begin <= {boundary}")}],
            arrayMap(stay -> {_fact(ENTRY, step="stay.1", since=self._ago("stay.2", _HOUR_MS))}, stays),
            arrayMap(stay -> {self._exit()}, arrayFilter(stay -> stay.3 > 0, stays)),
            arrayFlatten(arrayMap(stay -> arrayMap(day -> {self._stood()}, {self._days("stay")}), stays)),
            if(paid, [
                {_fact(FINAL, into="ended = 1", since=self._ago("end", _DAY_MS), amount="amount")},
                {_fact(AMOUNT, until=size_edge("amount"), amount="amount")}
            ], [])
        ) AS facts_of
    FROM ({found}
    )
)
ARRAY JOIN facts_of AS fact
GROUP BY source, kind, step, into, since, until, edge"""

    def _exit(self) -> str:
        lag = f"intDiv(stay.4 - stay.2, {MINUTE_MS})"
        since, until = self._ago("stay.2", _DAY_MS), self._ago("stay.4", _DAY_MS)
        return _fact(EXIT, step="stay.1", into="stay.3", since=since, until=until, edge=lag_edge(lag, self.grid))

    def _stood(self) -> str:
        age = f"intDiv({self.boundary} - toInt64(day) * {_DAY_MS} - stay.2, {MINUTE_MS})"
        return _fact(STOOD, step="stay.1", into="had", since="day", edge=lag_edge(age, self.grid))

    def _days(self, stay: str) -> str:
        """The days at which a stay stood open: begun, younger than the horizon, and not over yet."""
        first = self._ago(f"{stay}.2", _DAY_MS)
        # 86,400,000 · day > boundary - start - horizon, and the same of its end where it has one.
        young = f"{self.boundary - self.grid.horizon} - {stay}.2"
        over = f"if({stay}.3 = 0, toInt64(0), intDiv({self.boundary} - {stay}.4, {_DAY_MS}) + 1)"
        least = f"greatest(if({young} < 0, toInt64(0), intDiv({young}, {_DAY_MS}) + 1), {over})"
        days = ", ".join(f"toUInt16({day})" for day in self.days)
        return f"arrayFilter(day -> day <= {first} AND day >= {least}, [{days}])"

    def _ago(self, time: str, unit: int) -> str:
        return f"intDiv({self.boundary} - {time}, {unit})"


def _fact(
    kind: int,
    *,
    step: str = "0",
    into: str = "0",
    since: str = "0",
    until: str = "0",
    edge: str = "0",
    amount: str = "0",
) -> str:
    return (
        f"(toUInt8({kind}), toUInt16({step}), toUInt16({into}), toUInt32({since}), toUInt64({until}), "
        f"toUInt32({edge}), toUInt64({amount}))"
    )
