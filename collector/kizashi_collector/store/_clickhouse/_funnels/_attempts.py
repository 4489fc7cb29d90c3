"""The attempts of units, all of a unit at once: from their first events on, one step a layer.

The attempts of a unit are arrays of one length: `b0`, `b1`, … are the places of the events that took the steps,
`beyond` where a step was not taken. In an unordered funnel step k is the (k+1)-th one taken.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from kizashi_collector.store._clickhouse._funnels._layers import Layers
from kizashi_collector.store._clickhouse._funnels._question import Question

__all__ = ["add_attempts"]


def add_attempts(units: Layers, question: Question) -> None:
    """Add to units the attempts of each, by their first events; those that are apart have none.

    The columns are b0 and so on, begun (times), until (the last instant of the window), depth, came (the place of the
    deepest step) and clean.
    """
    units.add({**_following(question), "b0": _beginnings(question)})
    units.add({"begun": "arrayMap(p -> t[p], b0)", "until": f"arrayMap(p -> t[p] + {question.window}, b0)"})
    for columns in _rounds(question):
        units.add(columns)
    units.add({"depth": _deepest(question, "{}"), "came": _deepest(question, "b{}"), "clean": _clean(question)})


def _following(question: Question) -> dict[str, str]:
    """For each place the next one at which an attempt would go on: `n<k>` after step k, or in an unordered funnel that
    of an event that fits step k. `instant` is the first place of the next instant, `x<e>` the time of the first event
    from here on that meets exclusion e."""
    if question.ordered:
        opens = {k: question.open_after(k) for k in range(question.last)}
    else:
        opens = {k: 1 << k for k in range(question.last + 1)}
    if question.strict:
        columns = {
            f"n{k}": f"""arrayPushBack(
                arrayMap((p, one) -> if(bitAnd(one, {mask}) != 0, p, beyond), arrayPopFront(place), arrayPopFront(m)),
                beyond)"""
            for k, mask in opens.items()
        }
    else:
        columns = {f"n{k}": _next(f"bitAnd(one, {mask}) != 0", "m") for k, mask in opens.items()}
    if question.exclusions:
        columns["instant"] = _next("one", _NEW_INSTANT)
    for e in range(len(question.exclusions)):
        # Only times of excluded events stay; each other place takes that of the next one.
        columns[f"x{e}"] = f"arrayReverseFill((at, out, p) -> bitTest(out, {e}) OR p = beyond, t, x, place)"
    return columns


_NEW_INSTANT = "arrayMap((a, b) -> a != b, t, arrayPushFront(arrayPopBack(t), -1))"


def _next(holds: str, values: str) -> str:
    """For each place the next one after it where a condition on `one` of some values holds, or the one beyond."""
    return f"""arrayPushBack(
        arrayPopFront(arrayReverseFill((p, one) -> {holds} OR p = beyond, place, {values})), beyond)"""


def _beginnings(question: Question) -> str:
    begins = f"NOT apart AND bitAnd(one, {question.begins}) != 0"
    if not question.funnel.one_at_a_time:
        begins += f" AND at > {question.interval.start} AND at <= {question.interval.end}"
    if question.ordered:
        return f"arrayFilter((p, one, at) -> {begins}, place, m, t)"
    # Of several that begin at one instant all take the same steps; the first of them counts.
    again = "before = at AND previous != 0"
    return f"""arrayFilter(
        (p, one, at, before, previous) -> {begins} AND NOT ({again}), place, m, t,
        arrayPushFront(arrayPopBack(t), toInt64(0)), arrayPushFront(arrayPopBack(m), toUInt64(0)))"""


def _rounds(question: Question) -> Iterator[Mapping[str, str]]:
    if not question.ordered:
        yield from _in_any_order(question)
    elif question.funnel.optional:
        yield from _with_optional(question)
    else:
        for k in range(1, question.last + 1):
            following = f"n{k - 1}[p]"
            yield {f"b{k}": f"arrayMap((p, end) -> if(t[{following}] <= end, {following}, beyond), b{k - 1}, until)"}


def _in_any_order(question: Question) -> Iterator[Mapping[str, str]]:
    """`taken<r>` are the steps taken after r+1 of them, as a mask."""
    yield {"taken0": f"arrayMap(p -> {_highest('m[p]', question)}, b0)"}
    for r in range(1, question.last + 1):
        open_ = [f"if(bitTest(taken, {k}), beyond, n{k}[p])" for k in range(question.last + 1)]
        soonest = f"least({', '.join(open_)})"
        took = f"if(t[{soonest}] <= end, {soonest}, beyond)"
        yield {f"b{r}": f"arrayMap((p, taken, end) -> {took}, b{r - 1}, taken{r - 1}, until)"}
        step = _highest("bitAnd(m[p], bitNot(taken))", question)
        yield {f"taken{r}": f"arrayMap((p, taken) -> bitOr(taken, {step}), b{r}, taken{r - 1})"}


def _highest(mask: str, question: Question) -> str:
    """The highest bit of a mask, alone; 0 of 0."""
    bits = [1 << k for k in range(question.last + 1)]
    return f"arrayLast(bit -> bitAnd({mask}, bit) != 0, {_masks(bits)})"


def _with_optional(question: Question) -> Iterator[Mapping[str, str]]:
    """Step by step: which attempts take this one next. `s<k>` is the last step taken of those up to k, `p<k>` where."""
    yield {"s0": "arrayMap(p -> toUInt8(0), b0)", "p0": "b0"}
    open_after = _masks([question.open_after(k) for k in range(question.last)])
    for k in range(1, question.last + 1):
        cases = ", ".join(f"s = {j}, n{j}[p]" for j in range(k - 1))
        following = f"multiIf({cases}, n{k - 1}[p])" if cases else "n0[p]"
        # The next event takes the furthest open step that it fits: this one, where no bit above it is left.
        fitting = f"bitAnd(m[{following}], {open_after}[s + 1])"
        takes = f"t[{following}] <= end AND bitShiftRight({fitting}, {k}) = 1"
        yield {f"b{k}": f"arrayMap((p, s, end) -> if({takes}, {following}, beyond), p{k - 1}, s{k - 1}, until)"}
        yield {
            f"s{k}": f"arrayMap((b, s) -> if(b != beyond, toUInt8({k}), s), b{k}, s{k - 1})",
            f"p{k}": f"arrayMap((b, p) -> if(b != beyond, b, p), b{k}, p{k - 1})",
        }


def _masks(masks: list[int]) -> str:
    return f"[{', '.join(f'toUInt64({mask})' for mask in masks)}]"


def _deepest(question: Question, result: str) -> str:
    """Of each attempt the result for its deepest step."""
    steps = range(question.last, 0, -1)
    cases = "".join(f"b{k} != beyond, {_number(result.format(k))}, " for k in steps)
    choice = f"multiIf({cases}{_number(result.format(0))})" if cases else _number(result.format(0))
    arguments = ", ".join(f"b{k}" for k in range(question.last + 1))
    return f"arrayMap(({arguments}) -> {choice}, {arguments})" if question.last else f"arrayMap(b0 -> {choice}, b0)"


def _number(result: str) -> str:
    return f"toInt16({result})" if result.isdigit() else result


def _clean(question: Question) -> str:
    """Whether no excluded event fell strictly between its two steps, or where the second was not reached, after the
    first and within the window."""
    steps = range(question.last + 1)
    spoilt = []
    for e, (first, second) in enumerate(question.exclusions):
        after, before = _reached(question, first), _reached(question, second)
        end = f"if({before} != beyond, t[{before}], end + 1)"
        spoilt.append(f"({after} != beyond AND x{e}[instant[{after}]] < {end})")
    arguments = ", ".join(f"b{k}" for k in steps)
    return f"arrayMap((end, {arguments}) -> NOT ({' OR '.join(spoilt) or '0'}), until, {arguments})"


def _reached(question: Question, step: int) -> str:
    """The place at which an attempt came to a step or, where that one was skipped, beyond it."""
    if not question.funnel.optional:
        return f"b{step}"
    places = ", ".join(f"b{k}" for k in range(step, question.last + 1))
    return f"least({places})" if step < question.last else f"b{step}"
