"""The attempts that units count with, a row each."""

from __future__ import annotations

from kizashi_collector.store._clickhouse._funnels._attempts import add_attempts
from kizashi_collector.store._clickhouse._funnels._layers import Layers
from kizashi_collector.store._clickhouse._funnels._question import Question
from kizashi_collector.store._clickhouse._funnels._units import units_of
from kizashi_collector.store._clickhouse._sql import Parameters

__all__ = ["candidates_of", "counts", "winners_sql"]


def candidates_of(question: Question, parameters: Parameters) -> Layers:
    """Units with attempts, as add_attempts has them, and `counted`: whether each began in the interval and, where they
    come one after another, did not begin while another one was open."""
    units = units_of(question, parameters)
    add_attempts(units, question)
    if not question.funnel.one_at_a_time:
        units.add({"counted": "arrayMap(p -> toUInt8(1), b0)"})
        return units
    units.add({"alone": _successive(question)})
    within = f"at > {question.interval.start} AND at <= {question.interval.end}"
    units.add({"counted": f"arrayMap((yes, at) -> yes AND {within}, alone, begun)"})
    return units


def winners_sql(question: Question, parameters: Parameters) -> str:
    """A row for each attempt that counts, with `valid` = 1; and one with `valid` = 0 for each unit without.

    Columns: owner, apart, events (of the unit), valid, deep (the deepest step); and by step, from 1, arrays: `at` (the
    time, BEYOND where it was not taken), `key_at`, `declared_at` and `final_at` of the event that took it.
    """
    names = ["at"]
    if question.plan is not None:
        names += ["declared_at", "final_at"]
    if question.by and question.attribution in ("first", "last"):
        names.append("key_at")
    kept = ["owner", "apart", "valid", "events"]
    units = candidates_of(question, parameters)
    if counts(question):
        units.add({"chosen": _every()})
    else:
        units.add({"won": _keys()})
        units.add({"chosen": _best(question)})
    places = ", ".join(f"b{k}[i]" for k in range(question.last + 1))
    units.add({"taken": f"arrayMap(i -> [{places}], chosen)", "deep": "arrayMap(i -> depth[i], chosen)"})
    of = {"at": "t", "declared_at": "declared", "final_at": "final", "key_at": "key_of"}
    units.add(
        {
            **{name: f"arrayMap(places -> arrayMap(p -> {of[name]}[p], places), taken)" for name in names},
            "valid": "notEmpty(chosen)",
            "events": "beyond - 1",
        }
    )
    names.insert(0, "deep")
    return f"""
        SELECT {", ".join([*kept, *names])}
        FROM ({units.sql([*kept, *names])})
        LEFT ARRAY JOIN {", ".join(names)}"""


def counts(question: Question) -> bool:
    """Whether attempts count, not actors."""
    return question.funnel.count == "attempts"


def _successive(question: Question) -> str:
    """Of each attempt whether it began when no other was open: a fold over those that might, by their first events.

    After a complete one the next may begin with the event that completed it, if that is not its own first one, or
    later; after one that was broken with the event that did so, or later; else when the window is over.
    """
    complete = f"depth = {question.last}"
    after = f"if({complete}, came + (came = first), {'came + 1' if question.strict else 'first + 1'})"
    ends = "end" if not question.strict else "toInt64(-1)"
    later = f"if({complete}, toInt64(-1), {ends})"
    free = "first >= open.1 AND at > open.2"
    return f"""arrayFold(
        (open, first, at, end, depth, came) -> if({free},
            (toUInt32({after}), {later}, arrayPushBack(open.3, toUInt8(1))),
            (open.1, open.2, arrayPushBack(open.3, toUInt8(0)))),
        b0, begun, until, depth, came, (toUInt32(0), toInt64(-1), emptyArrayUInt8())).3"""


def _every() -> str:
    return "arrayFilter((i, counted, clean) -> counted AND clean, arrayEnumerate(b0), counted, clean)"


def _keys() -> str:
    """Untainted attempts by what makes one the best: deepest, there first, begun last, by the smaller id."""
    return """arrayFilter((quality, counted, clean) -> counted AND clean,
        arrayMap((depth, came, at, i) -> (-depth, t[came], -at, toInt64(i)), depth, came, begun, arrayEnumerate(b0)),
        counted, clean)"""


def _best(question: Question) -> str:
    """The number of the best attempt, or none."""
    best = "toUInt32(arrayReduce('min', won).4)"
    there = "notEmpty(won)"
    if question.funnel.normal_exclusion == "actor" and question.exclusions:
        deepest = "arrayMax(arrayMap((depth, counted) -> if(counted, depth, -1), depth, counted))"
        there += f" AND -(arrayReduce('min', won).1) = {deepest}"
    return f"if({there}, [{best}], [])"
