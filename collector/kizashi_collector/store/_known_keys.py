"""How many keys values are learned for when a question asks for it: as many as its time and memory allow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

__all__ = ["MOST_KEYS", "bounded"]

MOST_KEYS = 2_000
"""A key takes 1.6 ms and 80 kB to learn for: so many 3 s and 160 MB."""


def bounded(
    sources: Sequence[Mapping[str, str]], grouping: tuple[str, ...], most: int = MOST_KEYS
) -> Sequence[Mapping[str, str]]:
    """The sources, with no more different keys by this grouping than so many.

    Where there are more, as by a click id, the last fields of all keys take a text that none of them has: what is
    learned then is that of the wider keys, and a key that is asked for stands where its wider key does, as one that has
    never been seen. Its chances are those of all there, and there is no evidence of its own.
    """
    whole = len(grouping)
    told_apart = whole
    while told_apart and _more_than(most, sources, grouping[:told_apart]):
        told_apart -= 1
    if told_apart == whole:
        return sources
    others = {field: max((source.get(field, "") for source in sources), default="") + "+" for field in grouping}
    kept = grouping[:told_apart]
    return [others | {field: source.get(field, "") for field in kept} for source in sources]


def _more_than(most: int, sources: Sequence[Mapping[str, str]], fields: tuple[str, ...]) -> bool:
    found = set()
    for source in sources:
        found.add(tuple(source.get(field, "") for field in fields))
        if len(found) > most:
            return True
    return False
