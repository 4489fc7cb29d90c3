"""Who acts, carried in context variables through threads of control: requests, tasks, nested calls."""

from __future__ import annotations

from collections.abc import Mapping
from contextvars import ContextVar

from msgspec import Struct

from kizashi._capture._keep import keep_mapping, keep_scalar, stand_in, weigh

__all__ = ["Ambient", "ambient", "context", "entered", "merged"]

# Upper estimates for CPython 3.11 and later; a test holds them against tracemalloc.
_AMBIENT_BYTES = 512
_ENTRY_BYTES = 168


class Ambient(Struct, eq=False):
    """What the surrounding contexts say. That never changes, so that captured events may share it."""

    actor: object = None
    session: object = None
    source: object = None
    consent: object = None
    weight: int = -1
    """What each event that holds it is charged for, in bytes: any of them may be the last to keep it alive. -1 until
    the first one asks: most contexts see no event."""
    wire: object = None
    """Whatever an encoder notes down of it, so that it need not be checked again for the next event."""

    def weigh(self) -> int:
        """Find and note the weight."""
        size = _AMBIENT_BYTES
        for said in (self.actor, self.session, self.source, self.consent):
            if type(said) is str:
                size += len(said) if said.isascii() else weigh(said)
            elif type(said) is dict:
                for key, value in said.items():
                    if type(key) is str and type(value) is str and key.isascii() and value.isascii():
                        size += _ENTRY_BYTES + len(key) + len(value)
                    else:
                        size += _ENTRY_BYTES + weigh(key) + weigh(value)
            elif said is not None:
                size += weigh(said)
        self.weight = size
        return size

    def __repr__(self) -> str:
        return "<who acts>"  # it is nobody's business: a context variable's value gets into messages and dumps


class _Entry(Struct, frozen=True, eq=False):
    """What is said inside a context that was entered and not left, and the entry around it."""

    said: Ambient
    of: context | None = None
    before: _Entry | None = None


_NOTHING = Ambient(weight=0)
_entered: ContextVar[_Entry] = ContextVar("kizashi", default=_Entry(_NOTHING))  # noqa: B039 - nobody changes it
entered = _entered.get
"""The innermost entry; `.said` is what its event takes along."""


def ambient() -> Ambient:
    """What the contexts around this call say."""
    return entered().said


class context:  # noqa: N801 - a context manager reads as a verb, like contextlib's own
    """Say once who acts: what `track` leaves out inside the block is taken from here.

    `actor` and `session` replace what an outer context said; `source` and `consent` are merged key by key, the inner
    one winning. None, like a key whose value is None, leaves things as they are. Mappings are copied. Like `track`, it
    raises nothing: what cannot be used is found, and counted as `invalid`, where an event would carry it. That goes
    for a mapping that raises while it is copied, too.

    One context may be entered again, and by many threads and tasks at once. Left where it was not entered (a generator
    that another task closes), it changes nothing there.
    """

    __slots__ = ("_actor", "_consent", "_session", "_source")

    def __init__(
        self,
        *,
        actor: str | int | None = None,
        session: str | int | None = None,
        source: Mapping[str, str | None] | None = None,
        consent: Mapping[str, bool | None] | None = None,
    ) -> None:
        # What every request does, and so without a call for what is left out or plain.
        self._actor = actor if actor is None or type(actor) is str else _kept_scalar(actor)
        self._session = session if session is None or type(session) is str else _kept_scalar(session)
        self._source = None if source is None else _kept_mapping("source", source)
        self._consent = None if consent is None else _kept_mapping("consent", consent)

    def __enter__(self) -> None:
        entry = entered()
        outer = entry.said
        actor, session, source, consent = self._actor, self._session, self._source, self._consent
        if outer is not _NOTHING:
            actor = outer.actor if actor is None else actor
            session = outer.session if session is None else session
            source, consent = merged(outer.source, source), merged(outer.consent, consent)
        _entered.set(_Entry(Ambient(actor, session, source, consent), self, entry))

    def __exit__(self, *_: object) -> None:
        # No Token: it can be used only where it was made, and raises, showing what it holds, anywhere else.
        entry: _Entry | None = entered()
        while entry is not None and entry.of is not self:
            entry = entry.before
        if entry is not None and entry.before is not None:
            _entered.set(entry.before)


def merged(outer: object, inner: object) -> object:
    """The two mappings as one, inner keys winning; a None in the inner one says nothing. No mapping replaces all."""
    if inner is None or outer is None:
        return outer if inner is None else inner
    if isinstance(outer, dict) and isinstance(inner, dict):
        return outer | {key: value for key, value in inner.items() if value is not None}
    return inner


def _kept_scalar(value: object) -> object:
    try:
        return keep_scalar(value)
    except Exception:  # noqa: BLE001 - whatever a stranger's class does when it is looked at
        return stand_in(value)


def _kept_mapping(field: str, mapping: object) -> object:
    # What cannot be copied leaves a stand-in: the encoder refuses it where it can be counted.
    try:
        return keep_mapping(field, mapping) if isinstance(mapping, Mapping) else stand_in(mapping)
    except Exception:  # noqa: BLE001 - whatever a stranger's mapping raises, or UsageError for too many keys
        return stand_in(mapping)
