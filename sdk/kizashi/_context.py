"""Who acts, carried in context variables through threads of control: requests, tasks, nested calls."""

from __future__ import annotations

from collections.abc import Mapping
from contextvars import ContextVar, Token

from msgspec import Struct

__all__ = ["Ambient", "ambient", "context"]


class Ambient(Struct, frozen=True):
    """What the surrounding contexts say. Never changed once made, so that a captured event may share it."""

    actor: object = None
    session: object = None
    source: object = None
    consent: object = None


_NOTHING = Ambient()
_current: ContextVar[Ambient] = ContextVar("kizashi", default=_NOTHING)
ambient = _current.get


class context:  # noqa: N801 - a context manager reads as a verb, like contextlib's own
    """Say once who acts: what `track` leaves out inside the block is taken from here.

    `actor` and `session` replace what an outer context said; `source` and `consent` are merged key by key, the inner
    one winning. None, like a key whose value is None, leaves things as they are. Mappings are copied. Like `track`, it
    raises nothing: what cannot be used is found, and counted as `invalid`, where an event would carry it.
    """

    __slots__ = ("_given", "_tokens")

    def __init__(
        self,
        *,
        actor: str | int | None = None,
        session: str | int | None = None,
        source: Mapping[str, str | None] | None = None,
        consent: Mapping[str, bool | None] | None = None,
    ) -> None:
        self._given = Ambient(actor, session, _copied(source), _copied(consent))
        self._tokens: list[Token[Ambient]] = []

    def __enter__(self) -> None:
        outer, given = _current.get(), self._given
        inner = Ambient(
            outer.actor if given.actor is None else given.actor,
            outer.session if given.session is None else given.session,
            merged(outer.source, given.source),
            merged(outer.consent, given.consent),
        )
        self._tokens.append(_current.set(inner))

    def __exit__(self, *_: object) -> None:
        _current.reset(self._tokens.pop())


def merged(outer: object, inner: object) -> object:
    """The two mappings as one, inner keys winning; a None in the inner one says nothing. No mapping replaces all."""
    if inner is None or outer is None:
        return outer if inner is None else inner
    if isinstance(outer, dict) and isinstance(inner, dict):
        return outer | {key: value for key, value in inner.items() if value is not None}
    return inner


def _copied(mapping: object) -> object:
    # What is no mapping travels on as it is: the encoder refuses it where it can be counted.
    return dict(mapping) if isinstance(mapping, Mapping) else mapping
