"""The log's events as chunks of compressed columns: written, merged, and read again for a question."""

from kizashi_collector.store._chunks._chunk import Chunk
from kizashi_collector.store._chunks._chunks import Change, Chunks, Stored, decode_adjustment
from kizashi_collector.store._chunks._scan import (
    LogDetails,
    adjusted_among,
    adjustments,
    events_between,
    ids_at,
    last_number,
    last_receipt,
    newest,
    originals_at,
    receipts,
    table_between,
)
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
    "adjusted_among",
    "adjustments",
    "decode_adjustment",
    "events_between",
    "ids_at",
    "last_number",
    "last_receipt",
    "newest",
    "originals_at",
    "receipts",
    "table_between",
]
