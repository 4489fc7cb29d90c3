"""What POST /v1/events carries, both ways."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from msgspec import UNSET, Meta, Raw, Struct, UnsetType, field

from kizashi_schemas._limits import (
    CONSENT_KEYS,
    ID_CHARACTERS,
    MOST_UNITS,
    PROPERTY_KEYS,
    SOURCE_CHARACTERS,
    SOURCE_KEYS,
    TEXT_CHARACTERS,
)

__all__ = [
    "MAX_EVENT_BYTES",
    "NAME_PATTERN",
    "Batch",
    "BatchAnswer",
    "Event",
    "Problem",
    "RawBatch",
    "Verdict",
    "is_name",
]

MAX_EVENT_BYTES = 32 * 1024
"""An event is at most this long as it was sent."""

NAME_PATTERN = "^[a-z][a-z0-9_]{0,63}$"

# Python's `$` also matches before a trailing newline.
_WHOLE_NAME = NAME_PATTERN.removesuffix("$") + r"\Z"
_name = re.compile(_WHOLE_NAME)
Name = Annotated[str, Meta(pattern=_WHOLE_NAME)]
Key200 = Annotated[str, Meta(min_length=1, max_length=TEXT_CHARACTERS)]
Instant = Annotated[
    int | str,
    Meta(
        description="Epoch milliseconds, or RFC 3339 with an offset; 1970 or later",
        examples=[1790000000100, "2026-11-01T09:30:00+09:00"],
    ),
]
Scalar = str | int | float | bool | None
MoneyValue = Annotated[
    Raw,
    Meta(
        description="A JSON number, read from its text, or an ASCII decimal string; at most 10000000000, with no more "
        "decimals than the currency has",
        extra_json_schema={
            "anyOf": [
                {"type": "number", "minimum": 0, "maximum": MOST_UNITS},
                {"type": "string", "pattern": r"^[0-9]+(\.[0-9]+)?$"},
                {"type": "null"},
            ]
        },
    ),
]


def is_name(text: str) -> bool:
    """Tell whether a text has the form of an event name, which keys of source and properties share."""
    return _name.match(text) is not None


class Event(Struct, kw_only=True, omit_defaults=True, frozen=True):
    """Something an actor did at a time, as it crosses the wire. Unknown fields are ignored.

    `value` stays raw, so that money is read from the text that was sent and never through a float.
    """

    id: Annotated[
        str, Meta(min_length=1, max_length=ID_CHARACTERS, description="Chosen by the client; an id counts once")
    ]
    name: Name
    time: Instant
    actor: Annotated[Key200 | None, Meta(description="Who did it; needed unless `adjust` is given")] = None
    value: MoneyValue | UnsetType = UNSET
    currency: Annotated[str | None, Meta(description="ISO 4217; needed with a value unless the plan has one")] = None
    order: Annotated[Key200 | None, Meta(description="An order id: one (name, order) counts once")] = None
    session: Key200 | None = None
    adjust: Annotated[
        Literal["restate", "retract"] | None, Meta(description="Changes the worth of the event with this (name, order)")
    ] = None
    source: (
        Annotated[dict[Name, Annotated[str, Meta(max_length=SOURCE_CHARACTERS)]], Meta(max_length=SOURCE_KEYS)] | None
    ) = None
    properties: Annotated[dict[Name, Scalar], Meta(max_length=PROPERTY_KEYS)] | None = None
    consent: Annotated[dict[Name, bool], Meta(max_length=CONSENT_KEYS)] | None = None


class Batch(Struct, kw_only=True, omit_defaults=True, frozen=True):
    """The body of POST /v1/events."""

    events: list[Event]
    sent_at: Annotated[Instant | None, Meta(description="The sender's clock at this very send")] = None
    import_: Annotated[bool, Meta(description="A replay of old events: kept out of the lateness figures")] = field(
        default=False, name="import"
    )


class RawBatch(Struct, kw_only=True, frozen=True):
    """A batch whose events are not decoded yet, so that a broken one takes no neighbour with it."""

    events: list[Raw]
    sent_at: int | str | None = None
    import_: bool = field(default=False, name="import")


class Verdict(Struct, kw_only=True, omit_defaults=True, frozen=True):
    """What became of one event that was not plainly accepted."""

    index: Annotated[int, Meta(ge=0, description="Its place in the batch, from 0")]
    id: Annotated[str | None, Meta(description="Its id, or null where none could be read")]
    verdict: Literal["duplicate", "rejected", "retry"]
    code: str | None = None
    message: str | None = None


class BatchAnswer(Struct, kw_only=True, frozen=True):
    """The answer to POST /v1/events. What is neither accepted, duplicate nor rejected has the verdict `retry`."""

    accepted: int
    duplicates: int
    rejected: int
    verdicts: list[Verdict]


class Problem(Struct, kw_only=True, omit_defaults=True, frozen=True):
    """An error as application/problem+json (RFC 9457), with a stable `code`. `request_id` finds it in the log."""

    title: str
    status: int
    code: str
    detail: str | None = None
    type: str = "about:blank"
    request_id: str | None = None
