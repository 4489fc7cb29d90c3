"""Which keys values are learned for: as `store._known_keys` bounds them, counted where they are."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from kizashi_collector.analysis import Key
from kizashi_collector.store._clickhouse._amounts import Amounts
from kizashi_collector.store._clickhouse._journeys._asking import Asking
from kizashi_collector.store._clickhouse._journeys._credit import Credit
from kizashi_collector.store._clickhouse._journeys._sql import journeys_sql
from kizashi_collector.store._clickhouse._rows import DIMENSIONS
from kizashi_collector.store._clickhouse._sql import Parameters

__all__ = ["ToldApart", "told_apart"]


class ToldApart(Struct, frozen=True):
    """The first fields of a grouping, which keys are told apart by; a text for each of the others, greater than any
    that there is; and keys of these fields that are learned for beside those that journeys are credited to."""

    fields: tuple[str, ...]
    rest: tuple[str, ...] = ()
    keys: frozenset[Key] = frozenset()


def told_apart(asking: Asking, grouping: Sequence[str], most: int | None) -> ToldApart:
    """What of a grouping leaves at most so many different keys; None for as many as there are.

    Keys are those of all sources that were ever sent, where they are made of columns alone; else only those that
    journeys are credited to, since click ids have no end. To have no source is a key, too.
    """
    fields = tuple(grouping)
    seen = set(fields) <= set(DIMENSIONS)
    kept, rest = fields, tuple[str, ...]()
    if most is not None and fields and (seen or asking.different(fields) >= most):
        counts, greatest = _counted(asking, fields, seen=seen)
        while kept and counts[len(kept) - 1] > most:
            kept = kept[:-1]
        rest = tuple(text + "+" for text in greatest[len(kept) :])
    return ToldApart(kept, rest, _seen(asking, kept) if seen else frozenset())


def _counted(asking: Asking, fields: Sequence[str], *, seen: bool) -> tuple[Sequence[int], Sequence[str]]:
    """How many different keys there are by the first field, the first two, …; the greatest text of each field."""
    parameters = Parameters()
    columns = [f"k{place}" for place in range(len(fields))]
    keys, nothing = ", ".join(columns), ", ".join(f"'' AS {column}" for column in columns)
    if seen:
        found = f"{_texts(fields, parameters)} FROM {asking.view.table} WHERE {asking.view.where}"
    else:
        amounts = Amounts.of(asking.plan, asking.view, asking.as_of, parameters, adjusted=False)
        journeys = journeys_sql(asking.ladder, asking.view, asking.as_of, parameters, amounts, fields)
        found = f"SELECT {keys} FROM ({journeys})"
    different = [f"uniqExact({', '.join(columns[: n + 1])})" for n in range(len(columns))]
    greatest = [f"max({column})" for column in columns]
    sql = f"SELECT {', '.join(different + greatest)} FROM (SELECT {nothing} UNION ALL {found})"
    row = [column[0] for column in asking.ask(sql, parameters.values)]
    return row[: len(fields)], row[len(fields) :]


def _seen(asking: Asking, fields: Sequence[str]) -> frozenset[Key]:
    """The different keys of all that was ever sent."""
    if not fields:
        return frozenset()
    parameters = Parameters()
    columns = ", ".join(f"k{place}" for place in range(len(fields)))
    found = f"{_texts(fields, parameters)} FROM {asking.view.table} WHERE {asking.view.where} GROUP BY {columns}"
    return frozenset(zip(*asking.ask(found, parameters.values), strict=True))


def _texts(fields: Sequence[str], parameters: Parameters) -> str:
    texts = Credit.of(fields, parameters).fields
    return "SELECT " + ", ".join(f"{text} AS k{place}" for place, text in enumerate(texts))
