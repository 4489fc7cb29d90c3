"""Entries by day, and how many of them completed."""

from __future__ import annotations

from datetime import date, timedelta

from kizashi_collector.store._clickhouse._funnels._question import Question
from kizashi_collector.store._clickhouse._funnels._winners import candidates_of, counts
from kizashi_collector.store._clickhouse._sql import Ask, Parameters

__all__ = ["Days", "days_of"]

Days = dict[date, tuple[int, int]]
"""By the day in the zone: how many entered, how many completed. Days without any are left out."""

_EPOCH = date(1970, 1, 1)


def days_of(ask: Ask, question: Question) -> Days:
    """The attempts of each day that would count if a unit had no others."""
    parameters = Parameters()
    zone = parameters.add(question.zone, "String")
    columns = ["actor_key", "begun", "depth", "clean", "counted"]
    attempts = f"""
        SELECT actor_key, toInt32(toDate32(fromUnixTimestamp64Milli(at, {zone}))) AS day, deep, untainted
        FROM (
            SELECT actor_key, at, deep, untainted, counts
            FROM ({candidates_of(question, parameters).sql(columns)})
            ARRAY JOIN begun AS at, depth AS deep, clean AS untainted, counted AS counts
        )
        WHERE counts"""
    if counts(question):
        sql = f"""
            SELECT day, count(), countIf(deep = {question.last})
            FROM ({attempts})
            WHERE untainted
            GROUP BY day"""
    else:
        judged = "deep" if question.funnel.normal_exclusion == "actor" else "if(untainted, deep, -1)"
        sql = f"""
            SELECT day, count(), countIf(deepest = {question.last})
            FROM (
                SELECT day, max({judged}) AS deepest, max(if(untainted, deep, -1)) AS best
                FROM ({attempts})
                GROUP BY actor_key, day
            )
            WHERE best >= 0 AND best = deepest
            GROUP BY day"""
    days, entered, completed = ask(sql, parameters.values) or ((), (), ())
    return {
        _EPOCH + timedelta(days=int(day)): (int(came), int(through))
        for day, came, through in zip(days, entered, completed, strict=True)
    }
