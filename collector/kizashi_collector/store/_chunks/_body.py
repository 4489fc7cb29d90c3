"""How the columns of a chunk lie on the disk: as MessagePack, compressed, with a checksum."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import TypeVar

import msgspec
import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from kizashi_collector.store._chunks._columns import Integers, pack_amounts, pack_integers, unpack_integers
from kizashi_collector.store._protocol import DamagedError

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

__all__ = [
    "ID_BYTES",
    "Details",
    "Numbers",
    "decode_details",
    "decode_numbers",
    "ids_of",
    "pack_ids",
    "pack_numbers",
    "packed_bytes",
    "received_of",
    "unpacked",
]

# Level 1 is fastest. The checksum, of 4 bytes, is verified at each reading: no damaged event is ever counted.
_OPTIONS = {int(zstd.CompressionParameter.compression_level): 1, int(zstd.CompressionParameter.checksum_flag): 1}
_ID_CHARACTERS = 36
ID_BYTES = 16
_MANY = 256
"""From so many events on, less room is worth more work."""
_NONE = Integers(0, 0, b"")
_DASHES = (8, 13, 18, 23)
T = TypeVar("T")


class Numbers(Struct, array_like=True):
    """What questions count, as numbers. New columns are added at the end, with a default."""

    names: Integers
    times: Integers
    received: Integers
    values: Integers
    currencies: Integers
    flags: Integers
    sources: Integers
    actors: Integers
    # How long after its time each was received; then `received` is empty. Most lags take a byte or two.
    lags: Integers | None = None


class Details(Struct, array_like=True):
    """What else was said; an empty column holds nothing. New ones are added at the end, with a default."""

    ids: bytes | list[str]
    orders: list[str | None]
    sessions: list[str | None]
    shifts: Integers
    # As JSON, which holds whole numbers of any size, and is read only where an event is.
    rests: bytes
    properties: bytes
    consents: bytes


_encode = msgspec.msgpack.Encoder().encode
decode_numbers = msgspec.msgpack.Decoder(Numbers).decode
decode_details = msgspec.msgpack.Decoder(Details).decode


def pack_numbers(columns: Mapping[str, NDArray[np.int64]]) -> Numbers:
    """Columns, named as those of Numbers, in as little room as they need. Raises OverflowError beyond 64 bits."""
    names, times = pack_integers(columns["names"]), pack_integers(columns["times"])
    received, lags = pack_integers(columns["received"]), None
    count = len(columns["times"])
    if received.width and count >= _MANY:
        lags = pack_integers(columns["received"] - columns["times"])
        received, lags = (_NONE, lags) if lags.width < received.width else (received, None)
    pack_values = pack_amounts if count >= _MANY else pack_integers
    return Numbers(
        names=names,
        times=times,
        received=received,
        values=pack_values(columns["values"]),
        currencies=pack_integers(columns["currencies"]),
        flags=pack_integers(columns["flags"]),
        sources=pack_integers(columns["sources"]),
        actors=pack_integers(columns["actors"]),
        lags=lags,
    )


def received_of(numbers: Numbers, count: int) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """When each of the `count` events was received."""
    if numbers.lags is None:
        return unpack_integers(numbers.received, count)
    received = unpack_integers(numbers.lags, count)
    received += unpack_integers(numbers.times, count)
    return received


def packed_bytes(body: Struct) -> bytes:
    """The columns as they are stored."""
    data: bytes = zstd.compress(_encode(body), options=_OPTIONS)
    return data


def unpacked(data: bytes, decode: Callable[[bytes], T]) -> T:
    """What was stored, decoded. Raises DamagedError."""
    try:
        return decode(zstd.decompress(data))
    except (zstd.ZstdError, msgspec.MsgspecError, EOFError) as error:
        raise DamagedError(
            f"a chunk of the log is damaged: {error}; keep a copy, and restore the data folder from a backup"
        ) from error


def pack_ids(ids: list[str]) -> bytes | list[str]:
    """Canonical UUIDs as their 16 bytes each, byte by byte of all of them, since those made together begin alike."""
    if set(map(len, ids)) != {_ID_CHARACTERS}:
        return ids
    joined = "".join(ids)
    digits = joined.replace("-", "")
    if len(digits) != 2 * ID_BYTES * len(ids) or not digits.isascii():
        return ids
    dashes = "-" * len(ids)
    if any(joined[place::_ID_CHARACTERS] != dashes for place in _DASHES):
        return ids
    try:
        data = bytes.fromhex(digits)
    except ValueError:
        return ids
    if data.hex() != digits:  # capitals are other ids
        return ids
    return np.frombuffer(data, dtype=np.uint8).reshape(len(ids), ID_BYTES).T.tobytes()


def ids_of(data: bytes) -> list[str]:
    """Ids of 16 bytes each, as texts."""
    digits = data.hex()
    return [
        f"{digits[at : at + 8]}-{digits[at + 8 : at + 12]}-{digits[at + 12 : at + 16]}-"
        f"{digits[at + 16 : at + 20]}-{digits[at + 20 : at + 32]}"
        for at in range(0, len(digits), 2 * ID_BYTES)
    ]
