"""The usual event, checked in few steps: what passes here needs no rule spelled out.

Checking each rule for each field costs several times what decoding does, and nearly every event is in order and looks
like the one before. Whatever is unusual in any way is left to the full check, which finds the same in it that it would
have found in all others, and says what is wrong.
"""

from __future__ import annotations

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

from kizashi_collector.analysis import LoggedEvent, PropertyValue
from kizashi_collector.ingest._decode import Format
from kizashi_schemas import (
    ID_CHARACTERS,
    MAX_EVENT_BYTES,
    MAX_TIME_MS,
    MINOR_UNITS,
    MOST_UNITS,
    PROPERTY_KEYS,
    SOURCE_CHARACTERS,
    SOURCE_KEYS,
    TEXT_CHARACTERS,
    is_name,
)
from kizashi_schemas.plan import Plan

__all__ = ["UsualEvents"]

_MICROS = 10**6
_INFINITY = float("inf")
# Names and keys that were found well-formed, within a bound: a sender that makes them up without end fills nothing.
_MOST_KNOWN = 10_000
_known: set[str] = set()
_NO_SOURCE: dict[str, str] = {}
_NO_PROPERTIES: dict[str, PropertyValue] = {}


class _Event(Struct, gc=False):
    id: str
    name: str
    time: int
    actor: str
    value: int | UnsetType | None = UNSET
    currency: str | None = None
    order: str | None = None
    session: str | None = None
    adjust: None = None
    source: dict[str, str] | None = None
    properties: dict[str, PropertyValue] | None = None
    consent: None = None


_decode = {"json": msgspec.json.Decoder(_Event).decode, "msgpack": msgspec.msgpack.Decoder(_Event).decode}


class UsualEvents:
    """Reads the usual events of one batch; see Checker for the arguments."""

    def __init__(
        self,
        kind: Format,
        plan: Plan | None,
        *,
        received_at: int,
        shift: int,
        imported: bool,
        retention: int | None,
        latest: int,
    ) -> None:
        self._decode = _decode[kind]
        self._planned = None if plan is None or plan.unplanned != "reject" else plan.events
        self._default = None if plan is None else plan.currency
        # With no plan every currency will do; with one, those that it has a rate for.
        self._currencies = MINOR_UNITS.keys() if plan is None else {plan.currency, *plan.rates}
        self._received_at = received_at
        self._shift = shift
        self._imported = imported
        self._earliest = 0 if retention is None else max(0, received_at - retention)
        self._latest = min(latest, MAX_TIME_MS)

    def read(self, raw: Raw) -> LoggedEvent | None:
        """The event, if nothing in it needs a second look. It keeps every rule then."""
        if len(memoryview(raw)) > MAX_EVENT_BYTES:
            return None
        try:
            event = self._decode(raw)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return None
        name, source, properties, value, currency = (
            *(event.name, event.source, event.properties, event.value, event.currency),
        )
        time = event.time + self._shift
        if (
            (name not in _known and not _is_known(name))
            or (self._planned is not None and name not in self._planned)
            or not 0 < len(event.id) <= ID_CHARACTERS
            or not 0 < len(event.actor) <= TEXT_CHARACTERS
            or not 0 <= event.time <= MAX_TIME_MS
            or not self._earliest <= time <= self._latest
            or (event.order is not None and not 0 < len(event.order) <= TEXT_CHARACTERS)
            or (event.session is not None and not 0 < len(event.session) <= TEXT_CHARACTERS)
            or (currency is not None and currency not in self._currencies)
            or (source is not None and not _is_source(source))
            or (properties is not None and not _are_properties(properties))
        ):
            return None
        micros, defaulted = None, False
        if type(value) is int:
            if currency is None:
                currency, defaulted = self._default, True
            if currency is None or not 0 <= value <= MOST_UNITS:
                return None
            micros = value * _MICROS
        return LoggedEvent(
            id=event.id,
            name=name,
            time=time,
            received_at=self._received_at,
            actor=event.actor,
            value=micros,
            currency=currency,
            order=event.order,
            session=event.session,
            source=source or _NO_SOURCE,
            properties=properties or _NO_PROPERTIES,
            shift=self._shift,
            imported=self._imported,
            currency_defaulted=defaulted,
        )


def _is_known(name: str) -> bool:
    if not is_name(name):
        return False
    if len(_known) < _MOST_KNOWN:
        _known.add(name)
    return True


def _are_known(keys: dict[str, str] | dict[str, PropertyValue]) -> bool:
    return _known.issuperset(keys) or all(_is_known(key) for key in keys)


def _is_source(source: dict[str, str]) -> bool:
    if len(source) > SOURCE_KEYS or not _are_known(source):
        return False
    for text in source.values():  # noqa: SIM110 - all() with a generator takes three times as long
        if len(text) > SOURCE_CHARACTERS:
            return False
    return True


def _are_properties(properties: dict[str, PropertyValue]) -> bool:
    if len(properties) > PROPERTY_KEYS or not _are_known(properties):
        return False
    for item in properties.values():  # noqa: SIM110 - as above
        if type(item) is float and not -_INFINITY < item < _INFINITY:
            return False
    return True
