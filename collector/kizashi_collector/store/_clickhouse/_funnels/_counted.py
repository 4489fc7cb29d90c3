"""What the attempts that count add up to, in integers: of each group and step, and for a histogram."""

from __future__ import annotations

from collections.abc import Sequence

from kizashi_collector.store._clickhouse._funnels._found import NONE, Counted, Key, Ranked, StepCount, ninety_of
from kizashi_collector.store._clickhouse._funnels._question import BEYOND, Question
from kizashi_collector.store._clickhouse._funnels._winners import winners_sql
from kizashi_collector.store._clickhouse._sql import Ask, Parameters

__all__ = ["bins_of", "counted"]


def counted(ask: Ask, question: Question, margin: int) -> Counted:
    """Run the question. Of sorted times there are `margin` more on each side than one list would need: as many as may
    be counted elsewhere and have to be sorted in."""
    parameters = Parameters()
    groups: dict[Key, list[StepCount]] = {}
    spans, apart, events = (0, 0, 0), 0, 0
    columns = ask(_sql(question, parameters, margin), parameters.values)
    for by_key, key, step, count, row_spans, row_events, *values in zip(*columns, strict=True):
        if by_key and (step < 0 or not key):
            continue
        if step < 0:
            apart, events = int(count), int(row_events)
            continue
        steps = groups.setdefault(tuple(key) if by_key else (), [NONE] * (question.last + 1))
        steps[step] = _step(int(count), *values)
        if step == 0 and not by_key:
            spans = (int(row_spans[0]), int(row_spans[1]), int(row_spans[2]))
    return Counted(groups, spans, apart, events)


def bins_of(ask: Ask, question: Question, bins: int, least: int, greatest: int) -> list[int]:
    """How many times fall into each of the histogram's bins from the least to the greatest, which differ."""
    parameters = Parameters()
    sql = f"""
        SELECT intDiv(toInt128(span - {least}) * {bins}, {greatest - least}) AS bin, count() AS times
        FROM (SELECT {_span(question)} AS span FROM ({winners_sql(question, parameters)}) WHERE valid)
        WHERE span >= 0
        GROUP BY bin"""
    counts = [0] * (bins + 1)
    for number, count in zip(*(ask(sql, parameters.values) or ((), ())), strict=True):
        counts[int(number)] = int(count)
    return counts


def _step(
    count: int,
    times: int,
    total: int,
    middle: int,
    median: Sequence[int],
    ninety: int,
    p90: Sequence[int],
    declared: int,
    undeclared: int,
    final: int,
    unknown: int,
) -> StepCount:
    return StepCount(
        count=count,
        times=int(times),
        total=int(total),
        median=Ranked(int(middle), [int(time) for time in median]),
        p90=Ranked(int(ninety), [int(time) for time in p90]),
        declared=None if undeclared else int(declared),
        final=None if unknown else int(final),
    )


def _sql(question: Question, parameters: Parameters, margin: int) -> str:
    """A row for each step that was reached, of all together and, with a breakdown, of each key; step -1 has the units
    that are apart.

    The median and the percentile of these times and up to `margin` others lie between those of these alone, less the
    margin, and those of so many more.
    """
    previous = [-1 if (p := question.previous_required(k)) is None else p for k in range(question.last + 1)]
    optional = f"has({question.funnel.optional}, step)" if question.funnel.optional else "0"
    keyed = bool(question.by)
    return f"""
        SELECT by_key, key, step, reached, spans, apart_events, times, total,
            middle, arraySlice(sorted, middle + 1, intDiv(times + {margin}, 2) - middle + 1),
            ninety, arraySlice(sorted, ninety + 1, {ninety_of(f"times + {margin}")} - ninety + 1),
            declared_sum, undeclared, final_sum, unknown
        FROM (
            SELECT *, toInt64(length(sorted)) AS times, greatest(0, intDiv(times - 1, 2) - {margin}) AS middle,
                greatest(0, {ninety_of("times")} - {margin}) AS ninety
            FROM (
                SELECT {"grouping(key) = 0" if keyed else "0"} AS by_key, key, step,
                    sum(if({optional}, took, 1)) AS reached,
                    (countIf(span >= 0), minIf(span, span >= 0), maxIf(span, span >= 0)) AS spans,
                    sum(events) AS apart_events,
                    arraySort(groupArrayIf(gap, gap >= 0)) AS sorted,
                    sumIf(toInt128(gap), gap >= 0) AS total,
                    ifNull(sumIf(declared, took), 0) AS declared_sum, countIf(took AND isNull(declared)) AS undeclared,
                    ifNull(sumIf(final, took), 0) AS final_sum, countIf(took AND isNull(final)) AS unknown
                FROM ({_steps_taken(question, parameters, previous)})
                GROUP BY {"GROUPING SETS ((key, step), (step))" if keyed else "key, step"}
            )
        )"""


def _steps_taken(question: Question, parameters: Parameters, previous: Sequence[int]) -> str:
    """A row for each attempt that counts and each step up to its deepest; a gap or a span is -1 where there is none."""
    money = question.plan is not None
    before = f"at[{list(previous)}[step + 1] + 1]"
    return f"""
        SELECT key, step, step >= 0 AND at[step + 1] != {BEYOND} AS took,
            if(took AND {list(previous)}[step + 1] >= 0 AND {before} != {BEYOND}, at[step + 1] - {before}, -1) AS gap,
            if(step = 0, {_span(question)}, -1) AS span,
            {"declared_at[step + 1]" if money else "CAST(NULL, 'Nullable(Int128)')"} AS declared,
            {"final_at[step + 1]" if money else "CAST(NULL, 'Nullable(Int128)')"} AS final,
            events
        FROM (
            SELECT *, {_key(question)} AS key,
                arrayJoin(multiIf(valid, range(toInt32(0), toInt32(deep + 1)), apart, [toInt32(-1)], [])) AS step
            FROM ({winners_sql(question, parameters)})
        )"""


def _key(question: Question) -> str:
    """The key that an attempt is attributed to; of one that does not count, none."""
    nothing = "CAST([], 'Array(String)')"
    if not question.by:
        return nothing
    if question.attribution not in ("first", "last"):
        return f"if(valid, owner, {nothing})"
    choose = "arrayFirst" if question.attribution == "first" else "arrayLast"
    found = f"{choose}(one -> arrayExists(value -> value != '', one), key_at)"
    return f"multiIf(NOT valid, {nothing}, empty({found}), {['' for _ in question.by]}, {found})"


def _span(question: Question) -> str:
    """The time between the steps of the histogram, -1 where an attempt did not take both or there is none."""
    histogram = question.funnel.histogram
    if histogram is None:
        return "-1"
    start, end = f"at[{histogram.from_ + 1}]", f"at[{question.funnel.end_of(histogram) + 1}]"
    return f"if({start} != {BEYOND} AND {end} != {BEYOND}, {end} - {start}, -1)"
