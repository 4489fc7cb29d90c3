"""What track() takes along: one copy of the arguments, made in C, that no later change of the caller's reaches.

The usual call, of texts and numbers under names that were seen before, is sealed: written as JSON at once. That is the
cheapest copy there is (a third of a microsecond, and nothing for the collector of cycles to walk), its length is its
charge, and the worker forwards the bytes as they are. Whatever is unusual is kept as objects instead; see `_keep`.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec
from msgspec import Struct

from kizashi._capture._context import Ambient
from kizashi._capture._keep import MOST_CHARACTERS, keep_mapping, keep_scalar, weigh
from kizashi._capture._known import is_source, known_names
from kizashi_schemas import (
    LEAST_INTEGER,
    MINOR_UNITS,
    MOST_INTEGER,
    MOST_UNITS,
    PROPERTY_KEYS,
    TEXT_CHARACTERS,
)

__all__ = ["ACTOR", "MORE", "SESSION", "SOURCE", "Call", "Given", "Record", "capture"]

Given = tuple[
    object, object, object, object, object, object, object, object, object, object, object, object
]  # fmt: skip
"""The arguments of track() in the order of its signature: name, actor, value, currency, order, session, source,
properties, time, idempotency_key, consent, adjust."""


class Call(Struct, gc=False, omit_defaults=True):
    """What of a call goes into the event. Sealed, it is the wire's JSON without id and time."""

    name: object
    value: object = None
    currency: object = None
    order: object = None
    actor: object = None
    session: object = None
    adjust: object = None
    source: object = None
    properties: object = None
    consent: object = None


class Record(Struct, gc=False):
    """One call of track(), not formatted yet. `size` is what it is charged for, in bytes.

    `call` is sealed where nothing in it needs a check any more. gc=False: tens of thousands of these wait during an
    outage, and the collector of cycles need not walk them.
    """

    call: bytes | Call
    time: object
    idempotency_key: object
    now_ns: int
    ambient: Ambient
    size: int
    says: int
    """Which of ACTOR, SESSION and SOURCE a sealed call says itself, added up; MORE where there is more to look at."""


ACTOR, SESSION, SOURCE, MORE = 1, 2, 4, 8

# Upper estimates for CPython 3.11 and later; a test holds them against tracemalloc.
_SEALED_BYTES = 256
_KEPT_BYTES = 440
_TIME_BYTES = 256
# Beside int and float, which JSON does not hold whole: no 65 bits, no NaN.
_PLAIN = frozenset({str, bool, type(None)})
_INFINITY = float("inf")

_seal = msgspec.json.Encoder().encode


def capture(given: Given, now_ns: int, ambient: Ambient) -> Record:
    """Take one call along.

    Raises UsageError for a mapping of more than 1,000 keys, and whatever the copying of a strange mapping raises.
    """
    name, actor, value, currency, order, session, source, properties, time, key, consent, adjust = given
    # One long condition and no helper: a call of Python's costs as much as five of these questions. What passes needs
    # no further check of the worker's; what does not is kept, and the worker finds what is wrong with it, if anything.
    try:
        if (
            name in known_names
            and (value is None or (type(value) is int and 0 <= value <= MOST_UNITS))
            and (currency is None or currency in MINOR_UNITS)
            and (actor is None or (type(actor) is str and 0 < len(actor) <= TEXT_CHARACTERS))
            and (order is None or (type(order) is str and 0 < len(order) <= TEXT_CHARACTERS))
            and (session is None or (type(session) is str and 0 < len(session) <= TEXT_CHARACTERS))
            and consent is None
            and adjust is None
        ):
            if properties is not None:
                if (
                    type(properties) is not dict
                    or not 0 < len(properties) <= PROPERTY_KEYS
                    or not known_names.issuperset(properties)
                ):
                    return _keep(given, now_ns, ambient)
                for item in properties.values():
                    kind = type(item)
                    if (
                        kind not in _PLAIN
                        and not (kind is int and LEAST_INTEGER <= item <= MOST_INTEGER)
                        and not (kind is float and -_INFINITY < item < _INFINITY)
                    ):
                        return _keep(given, now_ns, ambient)
            if source is not None and not is_source(source):
                return _keep(given, now_ns, ambient)
            call = _seal(Call(name, value, currency, order, actor, session, None, source, properties))
            size = len(call)
            if size < MOST_CHARACTERS:
                weight = ambient.weight
                size += _SEALED_BYTES + (weight if weight >= 0 else ambient.weigh())
                says = 0
                if actor is not None:
                    says = ACTOR
                if session is not None:
                    says |= SESSION
                if source is not None:
                    says |= SOURCE
                if time is not None or key is not None:
                    says |= MORE
                    time, key = keep_time(time), keep_scalar(key)
                    size += _TIME_BYTES + weigh(key)
                return Record(call, time, key, now_ns, ambient, size, says)
    except (TypeError, UnicodeEncodeError):
        pass  # not hashable, a subclass of text's, half a surrogate pair
    return _keep(given, now_ns, ambient)


def _keep(given: Given, now_ns: int, ambient: Ambient) -> Record:
    name, actor, value, currency, order, session, source, properties, time, key, consent, adjust = given
    size = _KEPT_BYTES + (ambient.weight if ambient.weight >= 0 else ambient.weigh())
    scalars: list[Any] = []
    for scalar in (name, value, currency, order, actor, session, adjust, key):
        kept = keep_scalar(scalar)
        size += weigh(kept)
        scalars.append(kept)
    mappings: list[Any] = []
    for field, mapping in (("source", source), ("properties", properties), ("consent", consent)):
        kept = None if mapping is None else keep_mapping(field, mapping)
        size += weigh(kept)
        mappings.append(kept)
    if time is not None:
        time = keep_time(time)
        size += _TIME_BYTES + weigh(time)
    *own, key = scalars
    return Record(Call(*own, *mappings), time, key, now_ns, ambient, size, MORE)


def keep_time(time: object) -> object:
    """A datetime as it is, else what `keep_scalar` makes of it."""
    return time if isinstance(time, datetime) else keep_scalar(time)
