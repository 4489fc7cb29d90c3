"""What track() takes along: the arguments as given, copied where the caller could still change them.

What is kept is plain and of known size, so that the charge for it is an upper bound: nothing that waits in the queue
may hold a list, a request or a model of the site's. What the encoder would refuse anyway is kept as something small
that it refuses for the same reason.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from sys import getsizeof
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from kizashi._errors import UsageError
from kizashi_schemas import MAX_EVENT_BYTES

if TYPE_CHECKING:
    from kizashi._capture._context import Ambient

__all__ = ["Record", "capture", "keep_mapping", "keep_scalar", "stand_in", "weigh"]


class Record(Struct, gc=False):
    """One call of track(), neither checked nor formatted yet. `size` is what it is charged for, in bytes.

    gc=False: tens of thousands of these wait during an outage, and the collector of cycles need not walk them.
    """

    name: object
    actor: object
    value: object
    currency: object
    order: object
    session: object
    source: object
    properties: object
    time: object
    idempotency_key: object
    consent: object
    adjust: object
    now_ns: int
    ambient: Ambient
    size: int


# Upper estimates for CPython 3.11 and later; a test holds them against tracemalloc.
_RECORD_BYTES = 256
_MAPPING_BYTES = 248
_SMALL_MAPPING = 5  # so many entries take no more room than none
_ENTRY_BYTES = 56
_ASCII_BYTES = 56  # what such a text takes beside its characters; getsizeof is exact for all, but slow
_NUMBER_BYTES = 32
_TIME_BYTES = 256
# Far beyond what a mapping may have (64 properties): no such event was ever meant, and copying it could take seconds.
_MOST_KEYS = 1_000
# One character more than fits into an event: too long for every field that bounds its text, and in properties, where
# only the event as a whole is bounded, too large just as the whole text would be.
_MOST_CHARACTERS = MAX_EVENT_BYTES + 1

_LIGHT = frozenset({float, bool, type(None)})
_TEXTS_AND_NUMBERS: tuple[tuple[type, Callable[[Any], object]], ...] = (
    (str, str.__str__),
    (int, int.__int__),
    (float, float.__float__),
    (Decimal, Decimal),
)


def capture(
    name: object,
    actor: object,
    value: object,
    currency: object,
    order: object,
    session: object,
    source: object,
    properties: object,
    time: object,
    idempotency_key: object,
    consent: object,
    adjust: object,
    now_ns: int,
    ambient: Ambient,
) -> Record:
    """Take one call along, copying its mappings.

    Raises UsageError for a mapping of more than 1,000 keys, and whatever the copying of a strange mapping raises.
    """
    size = _RECORD_BYTES + ambient.weight
    plain = True
    for given in (name, actor, value, currency, order, session, idempotency_key, adjust):
        if given is not None:
            kind = type(given)
            if kind is str and given.isascii():  # type: ignore[attr-defined]  # it is a str
                size += _ASCII_BYTES + len(given)  # type: ignore[arg-type]  # it is a str
            elif kind is str or kind is int:
                size += getsizeof(given)
            else:
                plain = False
    if size >= _MOST_CHARACTERS or not plain:
        name, actor, value, currency = keep_scalar(name), keep_scalar(actor), keep_scalar(value), keep_scalar(currency)
        order, session, adjust = keep_scalar(order), keep_scalar(session), keep_scalar(adjust)
        idempotency_key = keep_scalar(idempotency_key)
        size = _RECORD_BYTES + ambient.weight
        size += sum(map(weigh, (name, actor, value, currency, order, session, idempotency_key, adjust)))
    if time is not None:
        if isinstance(time, datetime):
            size += _TIME_BYTES
        else:
            time = keep_scalar(time)
            size += weigh(time)
    if source is not None:
        source, weight = keep_mapping("source", source)
        size += weight
    if properties is not None:
        properties, weight = keep_mapping("properties", properties)
        size += weight
    if consent is not None:
        consent, weight = keep_mapping("consent", consent)
        size += weight
    return Record(
        name,
        actor,
        value,
        currency,
        order,
        session,
        source,
        properties,
        time,
        idempotency_key,
        consent,
        adjust,
        now_ns,
        ambient,
        size,
    )


def keep_mapping(field: str, mapping: Any) -> tuple[dict[object, object], int]:
    """A copy that holds nothing but plain texts and numbers, and what it is charged for.

    Raises UsageError for more than 1,000 keys, and whatever a strange mapping raises.
    """
    if len(mapping) > _MOST_KEYS:
        raise UsageError(f"{field} has {len(mapping)} keys; far fewer are allowed", field=field)
    copy: dict[object, object] = dict(mapping)
    size = _MAPPING_BYTES if len(copy) <= _SMALL_MAPPING else _MAPPING_BYTES + _ENTRY_BYTES * len(copy)
    size += _ASCII_BYTES * len(copy)
    for key, value in copy.items():
        if type(key) is not str or not key.isascii():
            break
        kind = type(value)
        if kind is str and value.isascii():  # type: ignore[attr-defined]  # it is a str
            size += _ASCII_BYTES + len(key) + len(value)  # type: ignore[arg-type]  # it is a str
        elif kind is str or kind is int:
            size += len(key) + getsizeof(value)
        elif kind in _LIGHT:
            size += _NUMBER_BYTES + len(key)
        else:
            break
    else:
        if size < _MOST_CHARACTERS:  # no text among them can be longer
            return copy, size
    copy = {_keep_key(key): keep_scalar(value) for key, value in copy.items()}
    return copy, weigh(copy)


def keep_scalar(value: object) -> object:
    """The value itself where it is a text or a number, exact copies for their subclasses, else a `stand_in`."""
    kind = type(value)
    if kind is str:
        # The type in a variable is cheaper than isinstance, and exact, but no checker narrows by it.
        return value if len(value) <= _MOST_CHARACTERS else value[:_MOST_CHARACTERS]  # type: ignore[arg-type, index]
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
