"""The usual events, checked by the hundred: what passes here needs no rule spelled out.

Checking each rule for each field of each event costs several times what decoding does, and nearly every event is in
order and looks like the one before. Slices of a batch are decoded and checked as columns. A slice with anything unusual
in it is left to the full check, event by event, which finds the same in it that it would have found in all others, and
says what is wrong.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from functools import lru_cache
from itertools import chain
from typing import Annotated, NamedTuple, cast

import msgspec
from msgspec import Meta, Raw, Struct

from kizashi_collector.analysis import PropertyValue
from kizashi_collector.ingest._amounts import json_number
from kizashi_collector.ingest._decode import Format
from kizashi_collector.store import EventColumns
from kizashi_schemas import (
    CONSENT_KEYS,
    ID_CHARACTERS,
    LEAST_INTEGER,
    MAX_EVENT_BYTES,
    MAX_TIME_MS,
    MINOR_UNITS,
    MOST_INTEGER,
    MOST_UNITS,
    PROPERTY_KEYS,
    SOURCE_CHARACTERS,
    SOURCE_KEYS,
    TEXT_CHARACTERS,
    MoneyError,
    is_name,
    parse_money,
)
from kizashi_schemas.plan import Plan

__all__ = ["USUAL_EVENTS", "UsualEvents"]

USUAL_EVENTS = 128
"""So many events are best read at once: of the documented shape they take a fraction of a millisecond."""

_MICROS = 10**6
_INFINITY = float("inf")
# What was found in order, within a bound: a sender that makes things up without end fills nothing.
_MOST_KNOWN = 10_000
_names: set[str] = set()
_amounts: dict[tuple[str, str], int] = {}

_Text = Annotated[str, Meta(min_length=1, max_length=TEXT_CHARACTERS)]


class _Event(Struct, gc=False):
    id: Annotated[str, Meta(min_length=1, max_length=ID_CHARACTERS)]
    name: str
    time: Annotated[int, Meta(ge=0, le=MAX_TIME_MS)]
    actor: _Text
    value: Annotated[int, Meta(ge=0, le=MOST_UNITS)] | None = None
    currency: str | None = None
    order: _Text | None = None
    session: _Text | None = None
    adjust: None = None
    source: (
        Annotated[dict[str, Annotated[str, Meta(max_length=SOURCE_CHARACTERS)]], Meta(max_length=SOURCE_KEYS)] | None
    ) = None
    properties: Annotated[dict[str, PropertyValue], Meta(max_length=PROPERTY_KEYS)] | None = None
    consent: Annotated[dict[str, bool], Meta(max_length=CONSENT_KEYS)] | None = None


class _Priced(_Event, gc=False):
    """An event whose value is a decimal: it stays raw, since money is read from its text."""

    value: Raw = Raw(b"null")  # type: ignore[assignment]


class _Money(NamedTuple):
    """Micros, currencies, and whether each of these is the plan's own."""

    values: list[int | None]
    currencies: list[str | None]
    defaulted: list[bool]


_whole = {"json": msgspec.json.Decoder(list[_Event]).decode, "msgpack": msgspec.msgpack.Decoder(list[_Event]).decode}
_priced = msgspec.json.Decoder(list[_Priced]).decode
_NO_SOURCE: dict[str, str] = {}
_NO_PROPERTIES: dict[str, PropertyValue] = {}
_NO_CONSENT: dict[str, bool] = {}


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
        self._kind: Format = kind
        self._decimals = False
        self._planned = None if plan is None or plan.unplanned != "reject" else plan.events
        self._default = None if plan is None else plan.currency
        # With no plan every currency will do; with one, those that it has a rate for.
        self._currencies = _currencies(None if plan is None else (plan.currency, *plan.rates))
        self._received_at = received_at
        self._shift = shift
        self._imported = imported
        self._earliest = 0 if retention is None else max(0, received_at - retention)
        self._latest = min(latest, MAX_TIME_MS)

    def read(self, raws: Sequence[Raw]) -> EventColumns | None:
        """The events, if nothing in any of them needs a second look. They keep every rule then."""
        data = _joined(raws, self._kind)
        if len(data) > MAX_EVENT_BYTES and max(len(memoryview(raw)) for raw in raws) > MAX_EVENT_BYTES:
            return None
        events = self._decoded(data)
        if events is None:
            return None
        names = [event.name for event in events]
        different = set(names)
        times = [event.time for event in events]
        if self._shift:
            times = [time + self._shift for time in times]
        sources: list[Mapping[str, str]] = [event.source or _NO_SOURCE for event in events]
        properties: list[Mapping[str, PropertyValue]] = [event.properties or _NO_PROPERTIES for event in events]
        consents: list[Mapping[str, bool]] = [event.consent or _NO_CONSENT for event in events]
        if (
            not _are_names(different)
            or (self._planned is not None and not self._planned.keys() >= different)
            or not self._earliest <= min(times)
            or not max(times) <= self._latest
            or not _are_names(set(chain.from_iterable(sources)))
            or not _are_properties(properties)
            or not _are_names(set(chain.from_iterable(consents)))
        ):
            return None
        try:
            money = self._money(events)
        except (MoneyError, msgspec.DecodeError):
            return None
        if money is None:
            return None
        count = len(events)
        return EventColumns(
            id=[event.id for event in events],
            name=names,
            time=times,
            received_at=[self._received_at] * count,
            actor=[event.actor for event in events],
            value=money.values,
            currency=money.currencies,
            order=[event.order for event in events],
            session=[event.session for event in events],
            adjust=[None] * count,
            source=sources,
            properties=properties,
            consent=consents,
            shift=[self._shift] * count,
            imported=[self._imported] * count,
            currency_defaulted=money.defaulted,
        )

    def _decoded(self, data: bytes) -> Sequence[_Event] | None:
        try:
            if not self._decimals:
                return _whole[self._kind](data)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            # Where values are decimals, most of a batch's are; MessagePack's are floats, and rare.
            self._decimals = self._kind == "json"
        try:
            return _priced(data) if self._decimals else None
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return None

    def _money(self, events: Sequence[_Event]) -> _Money | None:
        """What the events are worth, or None where that is not in order. Raises MoneyError."""
        currencies: list[str | None] = [event.currency for event in events]
        if not self._currencies.issuperset(currencies):
            return None
        if not self._decimals:
            amounts: list[int | None] = [event.value for event in events]
            settled = self._settled(currencies, amounts)
            if settled is None:
                return None
            return _Money([None if units is None else units * _MICROS for units in amounts], *settled)
        texts = [json_number(cast(Raw, event.value)) for event in events]
        settled = self._settled(currencies, texts)
        if settled is None:
            return None
        return _Money([_micros(text, currency) for text, currency in zip(texts, settled[0], strict=True)], *settled)

    def _settled(
        self, currencies: list[str | None], amounts: Sequence[object]
    ) -> tuple[list[str | None], list[bool]] | None:
        """The currencies, and which of them are the plan's because none was sent; None where one is missing."""
        if None not in currencies:
            return currencies, [False] * len(currencies)
        own = [currency is None and amount is not None for currency, amount in zip(currencies, amounts, strict=True)]
        if not any(own):
            return currencies, own
        if self._default is None:
            return None
        return [self._default if mine else sent for mine, sent in zip(own, currencies, strict=True)], own


@lru_cache(maxsize=8)
def _currencies(known: tuple[str, ...] | None) -> frozenset[str | None]:
    return frozenset({None, *(MINOR_UNITS if known is None else known)})


def _joined(raws: Sequence[Raw], kind: Format) -> bytes:
    if kind == "json":
        return b"[" + b",".join(raws) + b"]"
    return b"\xdd" + len(raws).to_bytes(4, "big") + b"".join(raws)


def _are_names(texts: Collection[str]) -> bool:
    """Whether all of these have the form that names and keys share."""
    if _names.issuperset(texts):
        return True
    for text in texts:
        if text not in _names:
            if not is_name(text):
                return False
            if len(_names) < _MOST_KNOWN:
                _names.add(text)
    return True


def _are_properties(properties: Sequence[Mapping[str, PropertyValue]]) -> bool:
    if not _are_names(set(chain.from_iterable(properties))):
        return False
    items = list(chain.from_iterable(one.values() for one in properties))
    kinds = set(map(type, items))
    if float in kinds and not all(-_INFINITY < item < _INFINITY for item in items if type(item) is float):
        return False
    return int not in kinds or all(LEAST_INTEGER <= item <= MOST_INTEGER for item in items if type(item) is int)


def _micros(text: str | None, currency: str | None) -> int | None:
    """Micros of an amount as it was written. Raises MoneyError."""
    if text is None or currency is None:
        return None
    known = _amounts.get((text, currency))
    if known is None:
        known = parse_money(text, currency)
        if len(_amounts) < _MOST_KNOWN:
            _amounts[text, currency] = known
    return known
