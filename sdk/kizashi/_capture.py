"""What track() takes along: the arguments as given, copied where the caller could still change them."""

from __future__ import annotations

from sys import getsizeof
from typing import Any

from msgspec import Struct

from kizashi._context import Ambient

__all__ = ["Record", "capture"]


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
_RECORD_BYTES = 400
_MAPPING_BYTES = 232
_ENTRY_BYTES = 56
_TEXT_BYTES = 64
_CHARACTER_BYTES = 4


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
    """Take one call along, copying its mappings. Raises whatever the copying of a strange mapping raises."""
    size = _RECORD_BYTES
    for text in (name, actor, value, order, session, time, idempotency_key):
        if text is not None:
            size += _CHARACTER_BYTES * len(text) if type(text) is str else getsizeof(text)
    if source is not None:
        source, weight = _copied(source)
        size += weight
    if properties is not None:
        properties, weight = _copied(properties)
        size += weight
    if consent is not None:
        consent, weight = _copied(consent)
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


def _copied(mapping: Any) -> tuple[dict[object, object], int]:
    copy: dict[object, object] = dict(mapping)
    size = _MAPPING_BYTES + _ENTRY_BYTES * len(copy)
    for value in copy.values():
        size += _TEXT_BYTES + _CHARACTER_BYTES * len(value) if type(value) is str else getsizeof(value)
    return copy, size
