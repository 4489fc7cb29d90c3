"""Copies of what a caller could still change, for the calls that are too unusual to be sealed.

What is kept is plain and of known size, so that the charge for it is an upper bound: nothing that waits in the queue
may hold a list, a request or a model of the site's. What the encoder would refuse anyway is kept as something small
that it refuses for the same reason.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from sys import getsizeof
from typing import Any

from kizashi._errors import UsageError
from kizashi_schemas import MAX_EVENT_BYTES

__all__ = ["MOST_CHARACTERS", "MOST_KEYS", "keep_mapping", "keep_scalar", "stand_in", "weigh"]

MOST_KEYS = 1_000
"""Far beyond what a mapping may have (64 properties): no such event was ever meant, and copying it could take long."""

MOST_CHARACTERS = MAX_EVENT_BYTES + 1
"""One character more than fits into an event: too long for every field that bounds its text, and in properties, where
only the event as a whole is bounded, too large just as the whole text would be."""

# Upper estimates for CPython 3.11 and later; a test holds them against tracemalloc.
_MAPPING_BYTES = 248
_SMALL_MAPPING = 5  # so many entries take no more room than none
_ENTRY_BYTES = 56
_NUMBER_BYTES = 32

_LIGHT = frozenset({float, bool, type(None)})
_TEXTS_AND_NUMBERS: tuple[tuple[type, Callable[[Any], object]], ...] = (
    (str, str.__str__),
    (int, int.__int__),
    (float, float.__float__),
    (Decimal, Decimal),
)


def keep_mapping(field: str, mapping: Any) -> dict[object, object]:
    """A copy that holds nothing but plain texts and numbers.

    Raises UsageError for more than 1,000 keys, and whatever a strange mapping raises.
    """
    if len(mapping) > MOST_KEYS:
        raise UsageError(f"{field} has {len(mapping)} keys; far fewer are allowed", field=field)
    copy: dict[object, object] = dict(mapping)
    for key, value in copy.items():
        if type(key) is not str or type(value) is not str or len(key) + len(value) > MOST_CHARACTERS:
            return {_keep_key(key): keep_scalar(value) for key, value in copy.items()}
    return copy


def keep_scalar(value: object) -> object:
    """The value itself where it is a text or a number, exact copies for their subclasses, else a `stand_in`."""
    kind = type(value)
    if kind is str:
        # The type in a variable is cheaper than isinstance, and exact, but no checker narrows by it.
        return value if len(value) <= MOST_CHARACTERS else value[:MOST_CHARACTERS]  # type: ignore[arg-type, index]
    if kind is int or kind in _LIGHT or kind is Decimal:
        return value
    for plain, exact in _TEXTS_AND_NUMBERS:
        if isinstance(value, plain):
            return keep_scalar(exact(value))
    return stand_in(value)


def _keep_key(key: object) -> object:
    return keep_scalar(key) if isinstance(key, str) else stand_in(key)


# Bounded: a site that makes classes without end must not have them kept here.
_MOST_STAND_INS = 64
_stand_ins: dict[str, object] = {}


def stand_in(value: object) -> object:
    """Something empty in place of what no event can hold. Its type has the same name, for the encoder's message."""
    name = type(value).__name__
    if name not in _stand_ins:
        if len(_stand_ins) >= _MOST_STAND_INS:
            name = "object"
        _stand_ins[name] = type(name, (), {"__slots__": ()})()
    return _stand_ins[name]


def weigh(kept: object) -> int:
    """What something kept is charged for: at least the bytes that it takes, its keys and values included."""
    if type(kept) is dict:
        entries = sum(weigh(key) + weigh(value) for key, value in kept.items())
        return _MAPPING_BYTES + (_ENTRY_BYTES * len(kept) if len(kept) > _SMALL_MAPPING else 0) + entries
    if type(kept) is str or type(kept) is int or type(kept) is Decimal:
        return getsizeof(kept)
    return 0 if kept is None else _NUMBER_BYTES
