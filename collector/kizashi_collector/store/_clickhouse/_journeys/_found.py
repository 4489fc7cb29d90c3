"""Journeys in SQL: the runs of each actor's planned events, as `analysis.walk_journeys` finds them.

An actor's events are sorted, and cut after each final. Such a segment is one journey where it spans no more than a
horizon, since the clock starts at its first event at the earliest. Only longer ones are walked event by event. The
walk keeps the clock, the deepest step and where journeys begin, but for those that follow a gap of more than a
horizon: these are seen by comparing neighbours, and little is left to be kept, however many events an actor has.
"""

from __future__ import annotations

from kizashi_collector.analysis import Ladder
from kizashi_collector.store._clickhouse._amounts import Amounts
from kizashi_collector.store._clickhouse._journeys._credit import Credit
from kizashi_collector.store._clickhouse._journeys._kept import KeptJourneys, walked_events
from kizashi_collector.store._clickhouse._planned import planned
from kizashi_collector.store._clickhouse._sql import Parameters, View

__all__ = ["ALL", "AT_ONCE", "found_sql", "walked_sql"]

ALL = (0, 1)
"""All actors, as one part of one."""

AT_ONCE = 64_000_000
"""So many planned events are sorted at once: some 100 bytes each."""

_RANK_BITS = 16
_UNKNOWN, _RETRACTED = 1, 2


def found_sql(
    ladder: Ladder,
    view: View,
    as_of: int,
    parameters: Parameters,
    amounts: Amounts,
    credit: Credit,
    *,
    begun_after: int | None = None,
    part: tuple[int, int] = ALL,
    kept: KeptJourneys | None = None,
) -> str:
    """A SELECT of journeys as they stand at as_of, a row each; times are milliseconds, money micros.

    actor_key, begin; source, a hash of what the journey is credited to (0: to nothing); deepest (0 to steps, or
    `ladder.final` of a lone final); clock, when it came there (-1 of a lone final); reached_0, reached_1, … (-1:
    never); ended (0 not yet, 1 converted, 2 retracted), end (-1: not yet); number, the place of its final in
    `ladder.depths`, from 1 (0: none yet); brought, 0 unless converted, NULL where no rate leads to the plan's currency.

    With `begun_after` only those that began later. With `part` (i, n) those of the i-th of n sets of actors. Those that
    are `kept`, and stand as they did, are not walked again.
    """
    depths = range(ladder.final)
    # At one instant the ladder comes first in its order: who is there as a deeper step is told by times alone. What
    # is off the ladder comes after it.
    reached = [
        f"if(firsts[{depth + 1}] < 0{''.join(f' OR {_before(deeper, depth)}' for deeper in depths if deeper > depth)},"
        f" toInt64(-1), firsts[{depth + 1}]) AS reached_{depth}"
        for depth in depths
    ]
    columns = "actor_key, begin, source, deepest, firsts, clock, ended, end, number, brought"
    found = f"""
        SELECT {columns}
        FROM ({walked_sql(ladder, view, as_of, parameters, amounts, credit, begun_after, part, kept)})"""
    if kept is not None:
        found += f"""
        UNION ALL
        SELECT {columns.replace("source", f"{credit.source} AS source")}
        FROM {kept.table} WHERE {kept.standing(ladder, view, as_of, parameters, begun_after)} AND {_share(part)}"""
    return f"""
    SELECT actor_key, begin, source, deepest, clock,
        {_lines(reached)},
        ended, end, number, brought
    FROM ({found}
    )"""


def walked_sql(
    ladder: Ladder,
    view: View,
    as_of: int,
    parameters: Parameters,
    amounts: Amounts,
    credit: Credit,
    begun_after: int | None,
    part: tuple[int, int],
    kept: KeptJourneys | None,
) -> str:
    """A SELECT of journeys that are walked, as in `found_sql`; in place of reached_0, reached_1, …: firsts, when each
    depth first occurred, or -1."""
    depths = range(ladder.final)
    segments = _segments_sql(
        _actors_sql(ladder, view, as_of, parameters, amounts, credit, begun_after, part, kept), ladder
    )
    first = "arrayFirst" if ladder.credit == "first" else "arrayLast"
    begun = "" if begun_after is None else f"\n        WHERE begin > {parameters.add(begun_after, 'Int64')}"
    deepest = ", ".join(f"firsts[{depth + 1}] >= 0, {depth}" for depth in reversed(depths))
    return f"""
    SELECT actor_key, begin, source,
        toUInt16(multiIf({deepest}, {ladder.final})) AS deepest, firsts,
        if(deepest < {ladder.final}, firsts[deepest + 1], toInt64(-1)) AS clock,
        toUInt8(multiIf(NOT over, 0, bitAnd(final.6, {_RETRACTED}) != 0, 2, 1)) AS ended,
        if(over, {_time("moments[-1]")}, toInt64(-1)) AS end,
        if(over, final.5, 0) AS number,
        multiIf(NOT over, toInt128(0), bitAnd(final.6, {_UNKNOWN}) != 0, NULL, final.4) AS brought
    FROM (
        SELECT actor_key, final,
            run.1 AS moments,
            {_time("moments[1]")} AS begin,
            {first}(source -> source != 0, run.2) AS source,
            arrayMap(moment -> toUInt16({_rank("moment")}), moments) AS ranks,
            ranks[-1] = {ladder.final} AS over,
            [{_lines([_first_at(ladder.rank(depth)) for depth in depths], 12)}] AS firsts
        FROM ({segments}) ARRAY JOIN runs AS run{begun}
    )"""


def _before(deeper: int, depth: int) -> str:
    """Whether the first event of a deeper step comes before the first one of a depth that there is."""
    first, other = f"firsts[{deeper + 1}]", f"firsts[{depth + 1}]"
    return f"{first} >= 0 AND {first} {'<=' if depth == 0 else '<'} {other}"


def _first_at(rank: int) -> str:
    """When a run first had an event of this rank; -1 where it has none."""
    place = f"indexOf(ranks, toUInt16({rank}))"
    return f"if({place} = 0, toInt64(-1), {_time(f'moments[{place}]')})"


def _segments_sql(actors: str, ladder: Ladder) -> str:
    """A row for each segment: its `runs`, each an array of (moment, source), and the `final` that ends the last one.

    What need not be walked is left out of `walked`, so that all that is done with it costs nothing.
    """
    horizon, end = ladder.horizon_ms, ladder.final
    late = f"time - state.1 > {horizon}"
    return f"""
        SELECT actor_key, final,
            if(long, arraySplit((event, gap, begins) -> gap OR begins, walked, gaps, begins), [segment]) AS runs
        FROM (
            SELECT actor_key, final, segment,
                {_time("segment[-1].1")} - {_time("segment[1].1")} > {horizon} AS long,
                if(long, segment, []) AS walked,
                arrayMap(event -> {_time("event.1")}, walked) AS times,
                arrayMap(event -> toUInt16(if({_rank("event.1")} < {ladder.steps}, {_rank("event.1")} + 2, 1)), walked)
                    AS heights,
                arrayMap(lag -> lag > {horizon}, arrayDifference(times)) AS gaps,
                arrayFold(
                    (state, time, height, gap, place) -> (
                        if({late} OR height > state.2, time, state.1),
                        if({late} OR height > state.2, height, state.2),
                        if({late} AND NOT gap, arrayPushBack(state.3, place), state.3)
                    ),
                    times, heights, gaps, arrayEnumerate(times),
                    (times[1], toUInt16(0), emptyArrayUInt32())
                ).3 AS later,
                if(long, arrayPopFront(arrayDifference(arrayConcat([1], later, [length(walked) + 1]))), []) AS lengths,
                arrayFlatten(
                    arrayMap(size -> arrayPushFront(arrayWithConstant(size - 1, toUInt8(0)), toUInt8(1)), lengths)
                ) AS begins
            FROM (
                SELECT actor_key,
                    arrayReverseSplit(event -> {_rank("event.1")} = {end}, arrayZip(events.1, events.4)) AS segments,
                    arrayResize(finals, length(segments)) AS ends
                FROM ({actors})
            )
            ARRAY JOIN segments AS segment, ends AS final
        )"""


def _actors_sql(
    ladder: Ladder,
    view: View,
    as_of: int,
    parameters: Parameters,
    amounts: Amounts,
    credit: Credit,
    begun_after: int | None,
    part: tuple[int, int],
    kept: KeptJourneys | None,
) -> str:
    """A row for each actor: `events`, its (moment, batch, n, source) in order, and `finals`, those that end journeys:
    (moment, batch, n, amount, place of the name, what is to be known).

    A moment is a time and, in its lowest bits, the turn of an event among those of one instant.
    """
    names = list(ladder.depths)
    known = parameters.add(names, "Array(String)")
    ranks = parameters.add([ladder.rank(ladder.depths[name]) for name in names], "Array(UInt16)")
    where = f"{walked_events(ladder, view, as_of, parameters, kept)} AND {_share(part)}"
    opened = ""
    if kept is not None:
        opened = f"""
                        UNION ALL
                        SELECT actor_key, toUInt64(0) AS batch, toUInt32(0) AS n, {_moment("first", "rank")} AS moment,
                            if(first = begin, source, 0) AS source, rank,
                            false AS told, toInt128(0) AS amount, toUInt32(0) AS number, toUInt8(0) AS status
                        FROM (
                            SELECT actor_key, begin, {credit.source} AS source, firsts, {_ranks(ladder)} AS ranks
                            FROM {kept.table}
                            WHERE {kept.going_on(ladder, view, as_of, parameters)} AND {_share(part)}
                        ) ARRAY JOIN firsts AS first, ranks AS rank
                        WHERE first >= 0"""
    elif begun_after is not None:
        # Who did nothing since has begun nothing since.
        since = planned(ladder, view, as_of, parameters, begun_after)
        where += f" AND actor_key GLOBAL IN (SELECT actor_key FROM {view.table} WHERE {since} GROUP BY actor_key)"
    finals = parameters.add([name for name in names if ladder.depths[name] == ladder.final], "Array(String)")
    # Only what finals brought is looked up among the adjustments, in rows of their own.
    numbers = ", ".join(dict.fromkeys(("actor_key", "time", "batch", "n", *amounts.columns)))
    each = ", ".join(f"groupArrayIf({name}, NOT told)" for name in ("moment", "batch", "n", "source"))
    ended = ", ".join(f"groupArrayIf({name}, told)" for name in ("moment", "batch", "n", "amount", "number", "status"))
    return f"""
                    SELECT actor_key, arraySort(arrayZip({each})) AS events, arraySort(arrayZip({ended})) AS finals
                    FROM (
                        SELECT actor_key, batch, n, {_moment("time", "rank")} AS moment, {credit.source} AS source,
                            transform(name, {known}, {ranks}, toUInt16(0)) AS rank,
                            false AS told, toInt128(0) AS amount, toUInt32(0) AS number, toUInt8(0) AS status
                        FROM {view.table}
                        WHERE {where}{opened}
                        UNION ALL
                        SELECT actor_key, batch, n, {_moment("time", str(ladder.final))} AS moment, 0 AS source,
                            toUInt16({ladder.final}) AS rank, true AS told,
                            ifNull({amounts.final}, toInt128(0)) AS amount,
                            toUInt32(indexOf({known}, name)) AS number,
                            toUInt8(isNull({amounts.final}) * {_UNKNOWN} + ({amounts.retracted} != 0) * {_RETRACTED})
                                AS status
                        FROM (
                            SELECT {numbers} FROM {view.table} WHERE {where} AND name IN {finals}
                        ) AS ending {amounts.join}
                    )
                    GROUP BY actor_key"""


def _share(part: tuple[int, int]) -> str:
    return "1" if part == ALL else f"actor_key % {part[1]} = {part[0]}"


def _ranks(ladder: Ladder) -> str:
    return f"[{', '.join(f'toUInt16({ladder.rank(depth)})' for depth in range(ladder.final))}]"


def _moment(time: str, rank: str) -> str:
    return f"bitOr(bitShiftLeft(toUInt64({time}), {_RANK_BITS}), toUInt64({rank}))"


def _time(moment: str) -> str:
    return f"toInt64(bitShiftRight({moment}, {_RANK_BITS}))"


def _rank(moment: str) -> str:
    return f"bitAnd({moment}, {(1 << _RANK_BITS) - 1})"


def _lines(expressions: list[str], indent: int = 8) -> str:
    return (",\n" + " " * indent).join(expressions)
