"""The present context as plain data, for a job that another process will run: who acts, and what they agreed to."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from kizashi._capture import ambient, context
from kizashi._swallow import swallowing

__all__ = ["KEY", "carried", "carry"]

KEY = "kizashi"
"""Where the data lies among a message's headers, or in a job's meta."""

_MOST_BYTES = 8 * 1024
_Word = Annotated[str, Meta(max_length=200)] | int
_Key = Annotated[str, Meta(max_length=64)]


class _Baggage(Struct, omit_defaults=True, frozen=True):
    """What travels. The bounds are those of an event: what no event could hold need not travel either."""

    actor: _Word | None = None
    session: _Word | None = None
    source: Annotated[dict[_Key, Annotated[str, Meta(max_length=500)] | int | None], Meta(max_length=32)] | None = None
    consent: Annotated[dict[_Key, bool | None], Meta(max_length=32)] | None = None


def carry() -> dict[str, Any] | None:
    """What the surrounding contexts say, as plain data of at most 8 KiB of JSON, or None where they say nothing.

    What is too much for that leaves its source behind. A context that holds what no event can hold is not carried at
    all: its consent may be the part that cannot be read, and nobody must be tracked without it.
    """
    around = ambient()
    data = {
        name: said
        for name in ("actor", "session", "source", "consent")
        if (said := getattr(around, name)) is not None and said != {}
    }
    if not data:
        return None
    with swallowing("carry the context into a job"):
        msgspec.convert(data, _Baggage)
        if not _fits(data):
            data.pop("source", None)
        # A copy: what surrounds us is shared with events that wait to be sent.
        return msgspec.to_builtins(data) if data and _fits(data) else None
    return None


@contextmanager
def carried(data: object) -> Iterator[None]:
    """Say inside the block what `carry` found elsewhere.

    Whatever else lies in its place, from an older version or a stranger, says nothing. Raises nothing of its own.
    """
    around = _opened(data)
    if around is None:
        yield
    else:
        with around:
            yield


def _opened(data: object) -> context | None:
    if data is None:
        return None
    with swallowing("read the context of a job"):
        said = msgspec.convert(data, _Baggage)
        return context(actor=said.actor, session=said.session, source=_texts(said.source), consent=said.consent)
    return None


def _texts(source: dict[str, str | int | None] | None) -> dict[str, str | None] | None:
    # An int would do, but the context's own type is narrower; an event would write it out just the same.
    if source is None:
        return None
    return {key: str(value) if isinstance(value, int) else value for key, value in source.items()}


def _fits(data: dict[str, Any]) -> bool:
    return len(msgspec.json.encode(data)) <= _MOST_BYTES
