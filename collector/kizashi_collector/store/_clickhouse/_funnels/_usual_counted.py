"""What the attempts of a funnel of the usual kind add up to, in integers."""

from __future__ import annotations

from typing import Any

import msgspec

from kizashi_collector.store._clickhouse._funnels._found import Counted, Key, Ranked, StepCount, ninety_of
from kizashi_collector.store._clickhouse._funnels._question import Question
from kizashi_collector.store._clickhouse._funnels._usual import UNKNOWN, dear_steps, usual_units, worth_of
from kizashi_collector.store._clickhouse._sql import Ask, Parameters

__all__ = ["usual_bins", "usual_counted"]


def usual_counted(ask: Ask, question: Question, margin: int) -> Counted:
    """As `counted`, for a question that is_usual."""
    parameters = Parameters()
    groups: dict[Key, list[StepCount]] = {}
    spans, apart, events = (0, 0, 0), 0, 0
    columns = ask(_sql(question, parameters, margin), parameters.values)
    for by_key, key, row_apart, row_events, row_spans, *arrays in zip(*columns, strict=True):
        if not by_key:
            apart, events = int(row_apart), int(row_events)
            spans = (int(row_spans[0]), int(row_spans[1]), int(row_spans[2]))
        steps = [_step(question, k, *values) for k, values in enumerate(zip(*arrays, strict=True))]
        if steps[0].count:
            groups[_key(key, question) if by_key else ()] = steps
    return Counted(groups, spans, apart, events)


def usual_bins(ask: Ask, question: Question, bins: int, least: int, greatest: int) -> list[int]:
    """As `bins_of`, for a question that is_usual."""
    parameters = Parameters()
    taken, span = _span(question)
    names = [*(f"p{k}" for k in range(question.last + 1)), "apart"]
    sql = f"""
        SELECT intDiv(toInt128({span} - {least}) * {bins}, {greatest - least}) AS bin, count() AS times
        FROM ({usual_units(question, parameters).sql(names)})
        WHERE NOT apart AND {taken}
        GROUP BY bin"""
    counts = [0] * (bins + 1)
    for number, count in zip(*(ask(sql, parameters.values) or ((), ())), strict=True):
        counts[int(number)] = int(count)
    return counts


def _key(text: str, question: Question) -> Key:
    if len(question.by) == 1:
        return (text,)
    return tuple(msgspec.json.decode(text, type=list[str])) if text else ("",) * len(question.by)


def _step(question: Question, k: int, *values: Any) -> StepCount:
    count, took, times, total, middle, median, ninety, p90, amounts, unknown = values
    name = question.funnel.normal_steps[k].event
    amount = None if unknown else int(amounts)
    if k not in dear_steps(question):
        amount = int(took) * (worth_of(question.plan, name) or 0)
    rule = None if question.plan is None else question.plan.events.get(name)
    return StepCount(
        count=int(count),
        times=int(times),
        total=int(total),
        median=Ranked(int(middle), [int(time) for time in median]),
        p90=Ranked(int(ninety), [int(time) for time in p90]),
        declared=amount,
        final=amount if rule is not None and rule.final else 0,
    )


def _sql(question: Question, parameters: Parameters, margin: int) -> str:
    """A row of all together and, with a breakdown, one of each key; by_key tells which. From `reached` on the columns
    are arrays by step. For the margin see _counted."""
    steps = range(question.last + 1)
    dear = dear_steps(question)
    gaps = [_gap(question, k) for k in steps]
    taken, span = _span(question)
    arrays = {
        "reached": [
            f"countIf(NOT apart AND {f'p{k} != 0' if k in question.funnel.optional else f'deep >= {k}'})" for k in steps
        ],
        "took": [f"countIf(NOT apart AND p{k} != 0)" for k in steps],
        "gaps": [
            f"groupArrayIf({gap}, NOT apart AND p{k} != 0)" if k else "emptyArrayInt64()" for k, gap in enumerate(gaps)
        ],
        "total": [f"sumIf(toInt128({gap}), NOT apart AND p{k} != 0)" if k else "0" for k, gap in enumerate(gaps)],
        "amounts": [
            f"sumIf(worth{k}, NOT apart AND p{k} != 0 AND worth{k} != {UNKNOWN})" if k in dear else "toInt128(0)"
            for k in steps
        ],
        "unknown": [f"countIf(NOT apart AND p{k} != 0 AND worth{k} = {UNKNOWN})" if k in dear else "0" for k in steps],
    }
    names = ["apart", "events", "key", "deep", *(f"p{k}" for k in steps), *(f"worth{k}" for k in dear)]
    keyed = bool(question.by)
    return f"""
        SELECT by_key, key, apart_units, apart_events, spans, reached, took, times, total,
            middle, {_slices("middle", f"intDiv(one_times + {margin}, 2)")},
            ninety, {_slices("ninety", ninety_of(f"one_times + {margin}"))}, amounts, unknown
        FROM (
            SELECT *, arrayMap(one -> arraySort(one), gaps) AS sorted,
                arrayMap(one -> toInt64(length(one)), gaps) AS times,
                arrayMap(one -> greatest(0, intDiv(one - 1, 2) - {margin}), times) AS middle,
                arrayMap(one -> greatest(0, {ninety_of("one")} - {margin}), times) AS ninety
            FROM (
                SELECT {"grouping(key) = 0" if keyed else "0"} AS by_key, {"key" if keyed else "''"} AS key,
                    countIf(apart) AS apart_units, sumIf(events, apart) AS apart_events,
                    (countIf({taken}), minIf({span}, {taken}), maxIf({span}, {taken})) AS spans,
                    {", ".join(f"[{', '.join(each)}] AS {name}" for name, each in arrays.items())}
                FROM ({usual_units(question, parameters).sql(names)})
                {"GROUP BY GROUPING SETS ((key), ())" if keyed else ""}
            )
        )"""


def _slices(first: str, last: str) -> str:
    """Of the sorted times of each step those between two places, both counted from 0."""
    return f"""arrayMap((one, one_first, one_times) -> arraySlice(one, one_first + 1, {last} - one_first + 1),
                sorted, {first}, times)"""


def _gap(question: Question, step: int) -> str:
    """The time since the last required step before."""
    previous = question.previous_required(step)
    return _between(previous or 0, step)


def _span(question: Question) -> tuple[str, str]:
    """Whether an attempt took both steps of the histogram, and the time between them."""
    histogram = question.funnel.histogram
    if histogram is None:
        return "0", "toInt64(0)"
    start, end = histogram.from_, question.funnel.end_of(histogram)
    return f"(NOT apart AND p{start} != 0 AND p{end} != 0)", _between(start, end)


def _between(first: int, second: int) -> str:
    return f"toInt64(bitShiftRight(p{second}, 6) - bitShiftRight(p{first}, 6))"
