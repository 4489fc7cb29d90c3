"""The log's events as chunks of compressed columns: written, merged, and read again for a question."""

from kizashi_collector.store._chunks._chunk import Chunk
from kizashi_collector.store._chunks._chunks import Change, Chunks, Stored, decode_adjustment
from kizashi_collector.store._chunks._journeys import journeys_until
from kizashi_collector.store._chunks._scan import (
    LogDetails,
    actors_at,
    adjusted_among,
    adjusted_between,
    adjustments,
    events_at,
    events_between,
    ids_at,
    last_number,
    last_receipt,
    newest,
    number_of,
    originals_at,
    receipts,
)
from kizashi_collector.store._chunks._tables import table_between, tables_between
from kizashi_collector.store._chunks._tail import MERGED
from kizashi_collector.store._chunks._texts import DIMENSIONS, Texts

__all__ = [
    "DIMENSIONS",
    "MERGED",
    "Change",
    "Chunk",
    "Chunks",
    "LogDetails",
    "Stored",
    "Texts",
    "actors_at",
    "adjusted_among",
    "adjusted_between",
    "adjustments",
    "decode_adjustment",
    "events_at",
    "events_between",
    "ids_at",
    "journeys_until",
    "last_number",
    "last_receipt",
    "newest",
    "number_of",
    "originals_at",
    "receipts",
    "table_between",
    "tables_between",
]
