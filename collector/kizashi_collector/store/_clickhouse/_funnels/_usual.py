"""The usual kind of funnel, fast: ordered, any first step begins an attempt, actors count, nothing is excluded, and no
event fits two steps.

An event is one number, its milliseconds since the interval's start times 64 plus its step, so that sorted numbers are
events in the order in which attempts go through them. Of all attempts that stand at a step the one that began last may
do whatever any other one may; so it is enough to know of each step, after each event, when that attempt began. What an
attempt leaves behind at a step that it has left does no harm: it never comes further than the attempt itself.
"""

from __future__ import annotations

from kizashi_collector.store._clickhouse._amounts import Amounts
from kizashi_collector.store._clickhouse._funnels._conditions import fits_of, text_of
from kizashi_collector.store._clickhouse._funnels._layers import Layers
from kizashi_collector.store._clickhouse._funnels._question import Question
from kizashi_collector.store._clickhouse._sql import Parameters
from kizashi_schemas.plan import Plan

__all__ = ["UNKNOWN", "dear_steps", "is_usual", "usual_units", "worth_of"]

_LONGEST = 1 << 56
# Beyond, ClickHouse takes longer to make a plan of so many layers than the rounds of any funnel take on most logs.
_MOST_STEPS = 8
UNKNOWN = "toInt128('-170141183460469231731687303715884105728')"
"""What stands for an amount without a rate."""
_NONE = "emptyArrayUInt64()"


def is_usual(question: Question) -> bool:
    """Whether the question is of that kind, and has few enough steps."""
    funnel, interval = question.funnel, question.interval
    names = [step.event for step in funnel.normal_steps]
    return (
        question.by_steps
        and len(names) <= _MOST_STEPS
        and not funnel.exclude
        and question.named_by is None
        and "*" not in names
        and len(set(names)) == len(names)
        and interval.as_of - interval.start < _LONGEST
    )


def usual_units(question: Question, parameters: Parameters) -> Layers:
    """Units, each with the attempt that it counts with.

    Columns: actor_key, apart, events, `deep` (the deepest step), `p<k>` (the event that took step k as a number, 0
    where it was not taken), key (the text of it), and `worth<k>` for each dear step, UNKNOWN where there is no rate.
    """
    dear = dear_steps(question)
    amounts = Amounts.of(question.plan, question.view, question.interval.as_of, parameters, adjusted=question.adjusted)
    units = Layers(
        _grouped(question, parameters, amounts),
        ["actor_key", "unit_key", "packed", "first", "further", "texts", "dear", "worth", "values", "currencies"],
    )
    if dear and not question.adjusted:
        # Rates are looked up for few events once there is an array of them.
        worth = f"ifNull({amounts.sent}, {UNKNOWN})"
        units.add({"worth": f"arrayMap((value, currency) -> {worth}, values, currencies)"})
    differ = []
    if question.by and not question.of_one_key:
        differ.append("arrayUniq(several, their) > arrayUniq(several)")
        units.add({"several": _if_several("packed", "packed"), "their": _if_several("texts", "packed")})
    if dear:
        differ.append("arrayUniq(dears, worths) > arrayUniq(dears)")
        units.add({"dears": _if_several("dear", "dear"), "worths": _if_several("worth", "dear")})
    units.add(
        {
            # Who took no step after the first has nothing to go through.
            "e0": f"if(first < further, arraySort(packed), {_NONE})",
            "apart": f"toUInt8({' OR '.join(differ) or '0'})",
            "events": "length(packed)",
        }
    )
    _add_rounds(units, question)
    _add_path(units, question)
    units.add({f"worth{k}": f"worth[indexOf(dear, p{k})]" for k in dear})
    texts = [f"texts[indexOf(packed, p{k})]" for k in range(question.last + 1)]
    if question.attribution == "last":
        texts.reverse()
    cases = ", ".join(f"{text} != '', {text}" for text in texts[:-1])
    units.add(
        {
            "key": "unit_key"
            if question.of_one_key
            else "''"
            if not question.by
            else f"multiIf({cases}, {texts[-1]})"
            if cases
            else texts[0]
        }
    )
    return units


def _if_several(values: str, of: str) -> str:
    return f"if(length({of}) > 1, {values}, arraySlice({values}, 1, 0))"


def _grouped(question: Question, parameters: Parameters, amounts: Amounts) -> str:
    """A row for each unit with a first step in the interval: its events as numbers, the first of its first steps, the
    last step after that, and beside the events the keys, or of the dear ones what they are worth or were sent with."""
    funnel, interval, view, dear = question.funnel, question.interval, question.view, dear_steps(question)
    steps = funnel.normal_steps
    wanted = [view.where, "adjust = 0", "actor != ''", f"time <= {parameters.add(interval.as_of, 'Int64')}"]
    wanted += [f"time > {parameters.add(interval.start, 'Int64')}"]
    wanted += [f"name IN {parameters.add([step.event for step in steps], 'Array(String)')}"]
    cases = [f"{fits_of(step, parameters)}, {k}" for k, step in enumerate(steps)]
    rows = {
        "step": f"multiIf({', '.join(cases)}, 255)",
        "number": f"toUInt64(bitOr(bitShiftLeft(time - {interval.start}, 6), step))",
    }
    units = {
        "packed": "groupArray(number)",
        "first": f"minIf(number, step = 0 AND time <= {interval.end})",
        "further": f"maxIf(number, bitTest(toUInt64({question.open_after(0) if question.last else 0}), step))",
    }
    if question.by:
        rows["text"] = text_of(question.by, parameters)
    if question.by and not question.of_one_key:
        units["texts"] = "groupArray(text)"
    if dear:
        one = f"bitTest(toUInt64({sum(1 << k for k in dear)}), step)"
        units["dear"] = f"groupArrayIf(number, {one})"
    if dear and question.adjusted:
        rows["amount"] = f"ifNull({amounts.declared}, {UNKNOWN})"
        units["worth"] = f"groupArrayIf(amount, {one})"
    elif dear:
        rows |= {"value": "value", "currency": "currency"}
        units |= {"values": f"groupArrayIf(value, {one})", "currencies": f"groupArrayIf(toString(currency), {one})"}
    group = "actor_key, text AS unit_key" if question.of_one_key else "actor_key"
    return f"""
        SELECT {group}, {", ".join(f"{expression} AS {name}" for name, expression in units.items())}
        FROM (
            SELECT actor_key, time, {", ".join(f"{expression} AS {name}" for name, expression in rows.items())}
            FROM {view.table}{amounts.join if dear and question.adjusted else ""}
            WHERE {" AND ".join(wanted)}
        )
        {"WHERE step != 255" if any(step.where for step in steps) else ""}
        GROUP BY actor_key{", text" if question.of_one_key else ""}
        HAVING first != 0"""


def _add_rounds(units: Layers, question: Question) -> None:
    """Step by step: `s<k>` is after each event when the attempt began that stands at step k and began last, as a
    number, 0 where none does; `r<k>` whether one came there; `v<k>` is that beginning only where one came."""
    optional = bool(question.funnel.optional)
    end = (question.interval.end - question.interval.start << 6) + 63
    units.add({"v0": f"arrayMap(x -> if(bitAnd(x, 63) = 0 AND x <= {end}, x, 0), e0)"})
    units.add({"s0": "arrayFill(v -> v != 0, v0)"})
    for k in range(1, question.last + 1):
        before = _before(question, k)
        standing = [f"s{j}" for j in before]
        latest = f"greatest({', '.join(standing)})" if len(before) > 1 else standing[0]
        moves = f"bitAnd(x, 63) = {k} AND {latest} != 0 AND x - {latest} <= {_window(question)}"
        arrays = ", ".join(standing)
        units.add({f"v{k}": f"arrayMap((x, {arrays}) -> if({moves}, {latest}, 0), e{k - 1}, {arrays})"})
        came = f"arrayMax(v{k}) != 0"
        fill = f"arrayFill(v -> v != 0, v{k})"
        units.add(
            # Where none came so far, none comes further, if it may not skip the step.
            {f"r{k}": came, f"s{k}": fill, f"e{k}": f"e{k - 1}"}
            if optional
            else {f"r{k}": came, f"s{k}": f"if({came}, {fill}, {_NONE})", f"e{k}": f"if({came}, e{k - 1}, {_NONE})"}
        )


def _before(question: Question, k: int) -> list[int]:
    """The steps from which an attempt may come to this one: those that may be skipped, and the last that may not."""
    required = question.previous_required(k)
    return list(range(0 if required is None else required, k))


def _add_path(units: Layers, question: Question) -> None:
    """`deep`, and `p<k>`, the event that took step k in the attempt that came there first and began last; else 0."""
    steps = range(question.last, 0, -1)
    deep = "".join(f"r{k}, {k}, " for k in steps)
    place = "".join(f"r{k}, arrayFirstIndex(v -> v != 0, v{k}), " for k in steps)
    begun = "".join(f"deep = {k}, v{k}[came], " for k in steps)
    units.add({"deep": f"multiIf({deep}0)" if deep else "0", "came": f"multiIf({place}0)" if place else "0"})
    units.add({"p0": f"multiIf({begun}first)" if begun else "first", "goal": "e0[came]"})
    units.add({"took0": "toUInt8(0)", "where0": "p0"})
    open_after = [f"toUInt64({question.open_after(k)})" for k in range(question.last)]
    for k in range(1, question.last + 1):
        left = f"if(deep > {k}, e{k}, {_NONE})"
        if question.funnel.optional:
            fits = f"bitTest([{', '.join(open_after)}][took{k - 1} + 1], bitAnd(x, 63))"
            units.add({f"next{k}": f"arrayFirst(x -> x > where{k - 1} AND {fits}, {left})"})
            taken = f"if(bitAnd(next{k}, 63) = {k}, next{k}, 0)"
        else:
            taken = f"arrayFirst(x -> bitAnd(x, 63) = {k} AND x > p{k - 1}, {left})"
        units.add({f"p{k}": f"if(deep = {k}, goal, {taken})"})
        if question.funnel.optional:
            units.add(
                {
                    f"took{k}": f"if(p{k} != 0, toUInt8({k}), took{k - 1})",
                    f"where{k}": f"if(p{k} != 0, p{k}, where{k - 1})",
                }
            )


def _window(question: Question) -> int:
    """The greatest difference between the numbers of an event and of the first one within the conversion window."""
    return (min(question.window, _LONGEST) << 6) + 63


def dear_steps(question: Question) -> list[int]:
    """The steps whose events are not all worth the same."""
    names = [step.event for step in question.funnel.normal_steps]
    worth = [worth_of(question.plan, name) for name in names]
    return [k for k, amount in enumerate(worth) if amount is None or (amount and question.adjusted)]


def worth_of(plan: Plan | None, name: str) -> int | None:
    """What each event of a name is worth that was not adjusted; None where that differs."""
    rule = None if plan is None else plan.events.get(name)
    if rule is None or rule.value is None:
        return 0
    return None if rule.value == "event" else int(rule.value)
