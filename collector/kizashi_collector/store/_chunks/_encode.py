"""Events as a chunk: their numbers as columns, and all of them as bytes."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np
from msgspec import Struct

from kizashi_collector.analysis import NO_VALUE, Column
from kizashi_collector.store._chunks._body import Details, pack_ids, pack_numbers, packed_bytes
from kizashi_collector.store._chunks._chunk import ADJUSTS, Columns
from kizashi_collector.store._chunks._columns import pack_integers
from kizashi_collector.store._chunks._texts import Texts
from kizashi_collector.store._event_columns import EventColumns

__all__ = ["Summary", "encode_chunk", "summary_of"]

_encode_json = msgspec.json.Encoder().encode


class Summary(Struct, frozen=True):
    """What is known of a chunk without reading it."""

    count: int
    first_time: int
    last_time: int
    first_received: int
    last_received: int


def summary_of(events: EventColumns) -> Summary:
    """The summary of a chunk of these events, of which there is one at least."""
    times, received = events.time, events.received_at
    return Summary(len(events), min(times), max(times), min(received), max(received))


def encode_chunk(events: EventColumns, texts: Texts) -> tuple[Columns, bytes, bytes]:
    """The events' numbers, and as bytes: these, and the details. Raises OverflowError for numbers beyond 64 bits."""
    count = len(events)
    sources, rests = texts.sources(events.source)
    columns = Columns(
        names=_column(texts.names(events.name)),
        times=_column(events.time),
        received=_column(events.received_at),
        values=_column([NO_VALUE if value is None else value for value in events.value]),
        currencies=_column(texts.currencies(events.currency)),
        flags=_flags(events),
        sources=_column(sources),
        actors=_column(texts.actors(events.actor)),
    )
    numbers = pack_numbers(msgspec.structs.asdict(columns))
    details = Details(
        ids=pack_ids(events.id),
        orders=_or_none(events.order),
        sessions=_or_none(events.session),
        shifts=pack_integers(events.shift),
        rests=b"" if rests.count(None) == count else _encode_json(rests),
        properties=_encode_json(events.properties) if any(events.properties) else b"",
        consents=_encode_json(events.consent) if any(events.consent) else b"",
    )
    return columns, packed_bytes(numbers), packed_bytes(details)


def _column(numbers: Sequence[int]) -> Column:
    return np.array(numbers, dtype=np.int64)


def _flags(events: EventColumns) -> Column:
    if not (any(events.imported) or any(events.currency_defaulted) or any(events.adjust)):
        return np.zeros(len(events), np.int64)
    return _column(
        [
            imported + 2 * defaulted + 4 * ADJUSTS.index(adjust)
            for imported, defaulted, adjust in zip(
                events.imported, events.currency_defaulted, events.adjust, strict=True
            )
        ]
    )


def _or_none(column: list[str | None]) -> list[str | None]:
    return [] if column.count(None) == len(column) else column
