"""What needs no second look: names that were seen before, and sources of them."""

from __future__ import annotations

from kizashi_schemas import SOURCE_CHARACTERS, SOURCE_KEYS

__all__ = ["is_source", "known_names"]

known_names: set[str] = set()
"""Names and keys that were found well-formed. They repeat from event to event: what was seen once needs no second look.
The encoder adds to it, within a bound."""


def is_source(source: object) -> bool:
    """Whether this can be an event's source as it is."""
    if type(source) is not dict or not 0 < len(source) <= SOURCE_KEYS or not known_names.issuperset(source):
        return False
    for text in source.values():  # noqa: SIM110 - all() with a generator takes three times as long
        if type(text) is not str or len(text) > SOURCE_CHARACTERS:
            return False
    return True
