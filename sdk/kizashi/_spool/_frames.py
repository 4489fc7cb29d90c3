"""The bytes of a segment: a header, then one frame for each event, each with a checksum of its own.

A process may die in the middle of a write, and a machine in the middle of a block. Whatever follows the last whole
frame is no event, and is never taken for one.

    header   8 bytes of magic, which end in the format's version; 8 bytes: how far everything is settled
    frame    4 bytes CRC-32 of the rest of it, 4 bytes length of the event, 8 bytes its number, the event as JSON

All numbers are little-endian and without sign.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from zlib import crc32

from msgspec import Struct

from kizashi_schemas import MAX_EVENT_BYTES

__all__ = [
    "HEADER_BYTES",
    "MARK_OFFSET",
    "MAX_FRAME_BYTES",
    "Frame",
    "frames",
    "header",
    "mark",
    "read_frames",
    "read_header",
]

_MAGIC = b"kizashi\x01"
_HEADER = struct.Struct("<8sQ")
_FRAME = struct.Struct("<IIQ")
_SUMMED = struct.Struct("<IQ")
HEADER_BYTES = _HEADER.size
MARK_OFFSET = len(_MAGIC)
"""Where in a segment its mark stands: the offset before which everything is settled."""
MAX_FRAME_BYTES = _FRAME.size + MAX_EVENT_BYTES
"""No frame is longer."""


class Frame(Struct, frozen=True, gc=False):
    """One whole event of a segment; `offset` and `end` are where its frame begins and where the next one would."""

    seq: int
    body: bytes
    offset: int
    end: int


def header(settled: int) -> bytes:
    """A segment's first bytes. `settled` is the offset up to which its events need not be sent again."""
    return _HEADER.pack(_MAGIC, settled)


def read_header(data: bytes) -> int | None:
    """The offset up to which everything is settled, or None if this is no segment."""
    if len(data) < HEADER_BYTES:
        return None
    magic, settled = _HEADER.unpack_from(data)
    return max(settled, HEADER_BYTES) if magic == _MAGIC else None


def mark(settled: int) -> bytes:
    """What stands at MARK_OFFSET when everything before `settled` is settled."""
    return settled.to_bytes(8, "little")


def frames(events: Iterable[tuple[int, bytes]]) -> Iterator[bytes]:
    """The frames of numbered events."""
    for seq, body in events:
        summed = _SUMMED.pack(len(body), seq) + body
        yield crc32(summed).to_bytes(4, "little") + summed


def read_frames(data: bytes, offset: int) -> Iterator[Frame]:
    """The whole frames at the front of `data`, which stands at `offset` of its segment. Ends before the first that is
    cut or damaged."""
    at, size = 0, len(data)
    while at + _FRAME.size <= size:
        checksum, length, seq = _FRAME.unpack_from(data, at)
        end = at + _FRAME.size + length
        if length > MAX_EVENT_BYTES or end > size or crc32(data[at + 4 : end]) != checksum:
            return
        yield Frame(seq, data[at + _FRAME.size : end], offset + at, offset + end)
        at = end
