"""One query that counts journeys by the micro-conversions in them."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from kizashi_collector.analysis import CONVERTED, UNENDED, Cohort, Ladder
from kizashi_collector.store._clickhouse._sql import Parameters, View
from kizashi_schemas.plan import Plan

__all__ = ["Codes", "counts_sql"]

_COUNTED, _CONVERTED, _KNOWN, _FINAL_BITS = 1, 2, 4, 3
"""What is to be known of a journey, in one number: whether it counts, whether it converted and brought an amount that
is known; and from this bit on the place of its final among the plan's primary ones, 0 for none of these."""


class Codes(Struct, frozen=True):
    """The numbers that names have in the query.

    Micro-conversions have 1, 2, …; 0 is where a journey begins, and `lone_final` one that is nothing but a final.
    `followers` are the primary events, micro-conversions before finals.
    """

    micros: Sequence[str]
    primaries: Sequence[str]
    finals: Sequence[str]

    @classmethod
    def of(cls, plan: Plan) -> Codes:
        """Those of a plan; finals are its primary ones, for others nobody follows."""
        primary = {name for name, rule in plan.events.items() if rule.action == "primary"}
        micros = [name for name, rule in plan.events.items() if not rule.final]
        return cls(
            micros=micros,
            primaries=[name for name in micros if name in primary],
            finals=[name for name in plan.finals if name in primary],
        )

    @property
    def lone_final(self) -> int:
        return len(self.micros) + 1

    @property
    def followers(self) -> list[str]:
        return [*self.primaries, *self.finals]

    def code(self, micro: str) -> int:
        """The number of a micro-conversion."""
        return self.micros.index(micro) + 1


def counts_sql(journeys: str, view: View, ladder: Ladder, codes: Codes, cohort: Cohort, parameters: Parameters) -> str:
    """A row for each code that is there, counted over the journeys that began after the cohort's start.

    `journeys` is a query of them, as _journeys.journeys_sql makes it. The columns are those of EventCounts, `recent`
    apart, with the lag as two numbers and `followed` as a number for each of the followers; then those of AmountSums.
    What a journey begins with counts all journeys, and has the amounts; a lone final has amounts alone. A code of which
    no journey of the cohort is has a lag of 0.
    """
    periods = list(reversed(range(len(cohort.periods))))
    start = parameters.add(cohort.start, "Int64")
    by_actor = _by_actor(journeys, view, ladder, codes, cohort, parameters, start)
    by_code = _by_code(_by_journey(by_actor, codes, start), codes, cohort, parameters, start)
    return f"""
        SELECT code, journeys, converted_journeys, waiting,
            lags[intDiv(500 * length(lags) + 999, 1000)] AS p50,
            lags[intDiv(900 * length(lags) + 999, 1000)] AS p90,
            period_journeys, period_converted, followed_by, amounts, total, squares
        FROM (
            SELECT code,
                countIf(counted) AS journeys,
                countIf(won) AS converted_journeys,
                countIf(NOT counted) AS waiting,
                arraySort(groupArray(lag)) AS lags,
                {_array([f"countIf(period = {period})" for period in periods], "UInt64")} AS period_journeys,
                {_array([f"sumIf(won, period = {period})" for period in periods], "UInt64")} AS period_converted,
                sumForEachIf(followed, counted) AS followed_by,
                count(amount) AS amounts,
                ifNull(sum(toInt256(amount)), 0) AS total,
                ifNull(sum(toInt256(amount) * toInt256(amount)), 0) AS squares
            FROM ({by_code})
            GROUP BY code
        )"""


def _by_code(by_journey: str, codes: Codes, cohort: Cohort, parameters: Parameters, start: str) -> str:
    """A row for each journey and code in it.

    Whether the journey is `counted`, and `won`; `period`, how many periods before the last one it began, -1 of one that
    is not counted; who `followed` the first such event, and the `lag` from that to the final. Under the journey's own
    code its `amount`.
    """
    end = parameters.add(cohort.end, "Int64")
    return f"""
                SELECT code, counted,
                    if(counted, converted, false) AS won,
                    if(counted, intDiv({end} - begin, {int(cohort.horizon_ms)}), -1) AS period,
                    {_followed(codes)} AS followed,
                    if(of_micro, if(counted, if(converted, end - first, NULL), NULL), NULL) AS lag,
                    if(of_micro, NULL, if(counted, if(known, brought, NULL), NULL)) AS amount
                FROM (
                    SELECT code,
                        code NOT IN (0, {codes.lone_final}) AS of_micro,
                        bitAnd(journey.3, {_COUNTED}) != 0 AS counted,
                        bitAnd(journey.3, {_CONVERTED}) != 0 AS converted,
                        bitAnd(journey.3, {_KNOWN}) != 0 AS known,
                        bitShiftRight(journey.3, {_FINAL_BITS}) AS final,
                        {_time("journey.1", codes, start)} AS begin,
                        journey.2 AS end,
                        journey.4 AS brought,
                        {_time("own[indexOf(own_codes, code)]", codes, start)} AS first,
                        lasts
                    FROM ({by_journey})
                    ARRAY JOIN arrayDistinct(own_codes) AS code
                )"""


def _by_journey(by_actor: str, codes: Codes, start: str) -> str:
    """A row for each journey: itself, and the codes of its places in order, its own before its micro-conversions'; when
    each primary micro-conversion last happened, the cohort's start where it did not."""
    lasts = [f"arrayLast(place -> {_code('place', codes)} = {codes.code(name)}, own)" for name in codes.primaries]
    return f"""
                    SELECT journey, own,
                        arrayMap(place -> {_code("place", codes)}, own) AS own_codes,
                        {_array([_time(last, codes, start) for last in lasts], "Int64")} AS lasts
                    FROM ({by_actor})
                    ARRAY JOIN own_journeys AS journey, parts AS own"""


def _by_actor(
    journeys: str, view: View, ladder: Ladder, codes: Codes, cohort: Cohort, parameters: Parameters, start: str
) -> str:
    """A row for each actor: the journeys in order, each a tuple of its place, end, state and what it brought; and the
    places of each one's micro-conversions behind its own.

    A micro-conversion belongs to the last journey that began with one, at its time or earlier: had that been over, it
    would have begun another one. So one list of both is sorted, and cut where journeys begin. At one instant a journey
    comes before its micro-conversions, and a lone final after them, to which none belongs.
    """
    begins = _is_journey("place", codes)
    # Arrays of numbers grow quickly, those of tuples slowly.
    zipped = ", ".join(f"groupArrayIf({column}, {begins})" for column in ("place", "end", "state", "amount"))
    return f"""
        SELECT arraySort(groupArray(place)) AS places,
            arraySort(arrayZip({zipped})) AS own_journeys,
            arraySplit(place -> {begins}, places) AS cut,
            -- What comes before the first belongs to one that began earlier, and is not among these.
            if({_is_journey("places[1]", codes)}, cut, arrayPopFront(cut)) AS parts
        FROM (
            {_journey_places(journeys, ladder, codes, cohort, parameters, start)}
            UNION ALL
            {_micro_places(view, codes, cohort, parameters, start)}
        )
        GROUP BY actor_key
        HAVING notEmpty(own_journeys)"""


def _journey_places(
    journeys: str, ladder: Ladder, codes: Codes, cohort: Cohort, parameters: Parameters, start: str
) -> str:
    clock = f"greatest({', '.join(f'reached_{depth}' for depth in range(ladder.final))}, -1)"
    end, as_of = parameters.add(cohort.end, "Int64"), parameters.add(cohort.as_of, "Int64")
    # Without AND: the engine looks in each one for chains of comparisons, for longer than small logs are counted.
    over = f"if(ended = {UNENDED}, {clock} + {int(ladder.horizon_ms)} < {as_of}, true)"
    final = f"bitShiftLeft(indexOf({parameters.add(codes.finals, 'Array(String)')}, final), {_FINAL_BITS})"
    counted = f"if(if(begin <= {end}, {over}, false), {_COUNTED}, 0)"
    converted = f"if(ended = {CONVERTED}, {_CONVERTED} + if(isNull(brought), 0, {_KNOWN}) + {final}, 0)"
    lone = f"deepest = {ladder.final}"
    return f"""
            SELECT actor_key,
                {_place("begin", f"if({lone}, {codes.lone_final}, 0)", codes, start)} AS place,
                end,
                toUInt32({counted} + {converted}) AS state,
                toInt128(ifNull(brought, 0)) AS amount
            FROM ({journeys})
            WHERE begin > {start}"""


def _micro_places(view: View, codes: Codes, cohort: Cohort, parameters: Parameters, start: str) -> str:
    names = parameters.add(codes.micros, "Array(String)")
    return f"""
            SELECT actor_key,
                {_place("time", f"indexOf({names}, name)", codes, start)} AS place,
                toInt64(0) AS end, toUInt32(0) AS state, toInt128(0) AS amount
            FROM {view.table}
            WHERE {view.where} AND adjust = 0 AND actor != '' AND has({names}, name)
                AND time > {start} AND time <= {parameters.add(cohort.as_of, "Int64")}"""


def _followed(codes: Codes) -> str:
    """For each of the followers whether it followed a primary micro-conversion in the journey; 0 for itself."""
    if not codes.primaries:
        return _array([], "UInt8")
    flags = [
        f"if(code = {codes.code(name)}, 0, lasts[{place}] >= first)" for place, name in enumerate(codes.primaries, 1)
    ]
    flags += [f"final = {place}" for place in range(1, len(codes.finals) + 1)]
    primaries = ", ".join(str(codes.code(name)) for name in codes.primaries)
    return f"if(code IN ({primaries}), {_array(flags, 'UInt8')}, {_array([], 'UInt8')})"


# A place is a time after the cohort's start and a code in one number, which sort quickly: such times have 41 bits.


def _bits(codes: Codes) -> int:
    return codes.lone_final.bit_length()


def _place(time: str, code: str, codes: Codes, start: str) -> str:
    return f"bitShiftLeft(toUInt64({time} - {start}), {_bits(codes)}) + {code}"


def _code(place: str, codes: Codes) -> str:
    return f"bitAnd({place}, {(1 << _bits(codes)) - 1})"


def _time(place: str, codes: Codes, start: str) -> str:
    return f"toInt64(bitShiftRight({place}, {_bits(codes)})) + {start}"


def _is_journey(place: str, codes: Codes) -> str:
    return f"{_code(place, codes)} IN (0, {codes.lone_final})"


def _array(items: Sequence[str], kind: str) -> str:
    return f"CAST([{', '.join(items)}], 'Array({kind})')"
