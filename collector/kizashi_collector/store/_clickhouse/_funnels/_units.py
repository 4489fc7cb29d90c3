"""Units: the events of an actor, or of an actor for a key of the breakdown, that a funnel has to look at.

A row is a unit. `t` are the times of its events, `m` the steps that they fit and `x` the exclusions (bit k for the k-th
one), `key_of`, `declared` and `final` what else is known of them; all are arrays of one length, in the order in which
attempts go through them, and end with a place beyond all events.
"""

from __future__ import annotations

from kizashi_collector.store._clickhouse._amounts import Amounts
from kizashi_collector.store._clickhouse._funnels._conditions import key_of, mask_of, names_of
from kizashi_collector.store._clickhouse._funnels._layers import Layers
from kizashi_collector.store._clickhouse._funnels._question import BEYOND, Question
from kizashi_collector.store._clickhouse._sql import Parameters
from kizashi_schemas import Exclusion, Step

__all__ = ["units_of"]


def units_of(question: Question, parameters: Parameters, *, ids: bool = False) -> Layers:
    """Units with `apart`: whether events of one instant could be taken in several orders that differ.

    Columns: actor_key, owner (the key of the breakdown where the unit belongs to one, else empty), apart, t, m, x,
    key_of, declared, final; place (1, 2, …) and beyond, the last of these; ids where they are asked for. To carry texts
    along is dear: where events go by their steps, ids are not looked at, and those alike that differ in what is asked
    of them are apart.
    """
    begins = f"bitAnd(mask, {question.begins}) != 0"
    start, end = question.interval.start, question.interval.end
    group = "actor_key, key" if question.of_one_key else "actor_key"
    named = question.named_by
    keys = "groupUniqArrayIf(key, {})".format(
        f"bitTest(mask, {named}) AND time > {start} AND arrayExists(value -> value != '', key)"
    )
    grouped = f"""
        SELECT {group},
            arraySort(groupArray((time, rank, its_id, mask, excluded, key, declared_worth, final_worth))) AS sorted
            {"" if named is None else f", {keys} AS keys"}
        FROM ({_rows(question, parameters, ids or not question.by_steps)})
        GROUP BY {group}
        HAVING countIf({begins} AND time > {start} AND time <= {end}) > 0"""
    owner = {"owner": "key" if question.of_one_key else "CAST([], 'Array(String)')"}
    if named is not None:
        grouped = f"SELECT actor_key, sorted AS all, arrayJoin(keys) AS only FROM ({grouped})"
        grouped = f"SELECT actor_key, only, {_resorted(question, named)} AS sorted FROM ({grouped})"
        owner = {"owner": "only"}
    known = ["key"] if question.of_one_key else ["only"] if named is not None else []
    units = Layers(grouped, ["actor_key", "sorted", *known])
    units.add(
        {
            **owner,
            "t": f"arrayPushBack(tupleElement(sorted, 1), {BEYOND})",
            "ids": "tupleElement(sorted, 3)",
            "m": "arrayPushBack(tupleElement(sorted, 4), 0)",
            "x": "arrayPushBack(tupleElement(sorted, 5), 0)",
            "key_of": f"arrayPushBack(tupleElement(sorted, 6), {['' for _ in question.by]})",
            "declared": "arrayPushBack(tupleElement(sorted, 7), 0)",
            "final": "arrayPushBack(tupleElement(sorted, 8), 0)",
            "beyond": "toUInt32(length(sorted) + 1)",
            "place": "range(toUInt32(1), toUInt32(length(sorted) + 2))",
        }
    )
    units.add({"apart": _apart(question)})
    return units


def _rows(question: Question, parameters: Parameters, ids: bool) -> str:
    """The events that fit a step or an exclusion, or in a strict funnel all; each with what is asked of it."""
    funnel, interval, view = question.funnel, question.interval, question.view
    rules: list[Step | Exclusion] = [*funnel.normal_steps, *funnel.exclude]
    amounts = Amounts.of(question.plan, view, interval.as_of, parameters, adjusted=question.adjusted)
    money = question.plan is not None
    wanted = [view.where, "adjust = 0", "actor != ''", f"time <= {parameters.add(interval.as_of, 'Int64')}"]
    if not funnel.one_at_a_time:
        wanted.append(f"time > {parameters.add(interval.start, 'Int64')}")
    names = names_of(rules)
    if names is not None and not question.strict:
        wanted.append(f"name IN {parameters.add(names, 'Array(String)')}")
    rank = "mask" if question.by_steps else "toUInt64(mask != 0)"
    columns = {
        "steps_fitted": mask_of(funnel.normal_steps, parameters),
        "excluded": mask_of(funnel.exclude, parameters) if funnel.exclude else "toUInt64(0)",
        "key": key_of(question.by, parameters) if question.by else "CAST([], 'Array(String)')",
        "declared_worth": f"toNullable({amounts.declared})" if money else "toNullable(toInt128(0))",
        "final_worth": f"toNullable({amounts.final})" if money else "toNullable(toInt128(0))",
    }
    select = ", ".join(f"{expression} AS {name}" for name, expression in columns.items())
    return f"""
        SELECT actor_key, time, its_id, steps_fitted AS mask, excluded, key, declared_worth, final_worth, {rank} AS rank
        FROM (
            SELECT actor_key, time, {"id" if ids else "''"} AS its_id, {select}
            FROM {view.table}{amounts.join if money else ""}
            WHERE {" AND ".join(wanted)}
        )
        {"" if question.strict else "WHERE steps_fitted != 0 OR excluded != 0"}"""


def _resorted(question: Question, named: int) -> str:
    """The events of an actor for one key: others do not fit the step by which the key was named."""
    mask = f"if(one.6 = only, one.4, bitAnd(one.4, bitNot(toUInt64({1 << named}))))"
    rank = mask if question.by_steps else f"toUInt64({mask} != 0)"
    return f"arraySort(arrayMap(one -> (one.1, {rank}, one.3, {mask}, one.5, one.6, one.7, one.8), all))"


def _apart(question: Question) -> str:
    """Neighbours of one instant of which the order matters, and is not settled by sorting.

    Events that fit one step each go in the order of the steps in an ordered funnel, and by their ids in an unordered
    one. Where attempts come one after another, or nothing may come in between, no two may be of one instant.
    """
    several = "bitAnd(one, one - 1) != 0 OR bitAnd(other, other - 1) != 0"
    arrays = {"one, other": "m", "at, then": "t"}
    if question.strict:
        matters = "one != 0 OR other != 0"
    elif question.funnel.one_at_a_time:
        matters = "one != 0 AND other != 0"
        if question.ordered and question.last:
            # Where all fit the same step alone, the smaller id takes it, and nothing is left that could begin.
            matters += f" AND (one != other OR {several})"
    elif question.by_steps:
        differ = ["0"]
        if question.plan is not None:
            arrays |= {"worth, worth2": "declared", "brought, brought2": "final"}
            differ += ["ifNull(worth, -1) != ifNull(worth2, -1)", "ifNull(brought, -1) != ifNull(brought2, -1)"]
        if question.by and question.attribution in ("first", "last"):
            arrays |= {"its, its2": "key_of"}
            differ.append("its != its2")
        matters = f"one != 0 AND other != 0 AND ({several} OR one = other AND ({' OR '.join(differ)}))"
    else:
        matters = f"one != 0 AND other != 0 AND ({several})"
    neighbours = ", ".join(f"arrayPopBack({of}), arrayPopFront({of})" for of in arrays.values())
    return f"arrayExists(({', '.join(arrays)}) -> at = then AND ({matters}), {neighbours})"
