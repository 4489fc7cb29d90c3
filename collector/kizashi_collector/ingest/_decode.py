"""A body becomes a batch: JSON or MessagePack, its envelope decoded, its events still raw."""

from __future__ import annotations

import re
from typing import Literal, TypeVar

import msgspec

from kizashi_schemas import Event, KizashiError, RawBatch

__all__ = ["BadBodyError", "Format", "decode_batch", "decode_event", "decode_id", "to_json"]

Format = Literal["json", "msgpack"]
T = TypeVar("T")


class _Id(msgspec.Struct):
    id: str


def _decoders(kind: type[T]) -> dict[Format, msgspec.json.Decoder[T] | msgspec.msgpack.Decoder[T]]:
    return {"json": msgspec.json.Decoder(kind), "msgpack": msgspec.msgpack.Decoder(kind)}


_batch = _decoders(RawBatch)
_event = _decoders(Event)
_id = _decoders(_Id)
_anything = _decoders(object)
_well_formed = _decoders(msgspec.Raw)
_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")
_PAIR = re.compile(rb"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F]")


class BadBodyError(KizashiError):
    """A body that is no batch: `status` is 400 where it cannot be decoded, 422 where it has the wrong shape."""

    def __init__(self, status: Literal[400, 422], code: str, message: str) -> None:
        super().__init__(message)
        self.status: Literal[400, 422] = status
        self.code = code


def decode_batch(body: bytes, kind: Format) -> RawBatch:
    """Decode the envelope, and check that all of the body is well-formed. Raises BadBodyError."""
    try:
        if kind == "json":
            # The decoder checks the encoding only of what it decodes; events and unknown fields are skipped.
            body.decode()
            if _SURROGATE.search(body):
                _check_surrogates(body)
        try:
            return _batch[kind].decode(body)
        except msgspec.ValidationError as error:
            # The decoder stops at the first value of a wrong type, and what follows it may be no JSON at all.
            _well_formed[kind].decode(body)
            raise BadBodyError(422, "bad_batch", f"the batch has the wrong shape: {error}") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _undecodable(kind, error) from None


def _check_surrogates(body: bytes) -> None:
    """Refuse half a surrogate pair, wherever it stands: whole pairs are taken out, and nothing of the kind may be left.

    Escaped backslashes go first, since what follows one is no escape. All of it runs at the speed of memory.
    """
    if _SURROGATE.search(_PAIR.sub(b"", body.replace(rb"\\", b"  "))):
        raise BadBodyError(400, "undecodable", "the body is not JSON: it holds half a surrogate pair")


def decode_event(raw: msgspec.Raw, kind: Format) -> Event:
    """Decode one event. Raises msgspec.ValidationError for a wrong shape, BadBodyError where it is not well-formed."""
    try:
        return _event[kind].decode(raw)
    except msgspec.ValidationError:
        raise
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _undecodable(kind, error) from None


def decode_id(raw: msgspec.Raw, kind: Format) -> str | None:
    """The id of an event that is broken otherwise, or None."""
    try:
        return _id[kind].decode(raw).id[:64]
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def to_json(raw: msgspec.Raw, kind: Format, limit: int) -> bytes:
    """What was sent, as JSON to keep; `null` where it is longer than `limit` or has no JSON form."""
    if len(memoryview(raw)) > limit:
        return b"null"
    try:
        content = _anything[kind].decode(raw)
        return bytes(raw) if kind == "json" else msgspec.json.encode(content)
    except msgspec.ValidationError:
        # A number beyond what readers of the listing can hold: kept as text.
        return msgspec.json.encode(bytes(raw).decode()) if kind == "json" else b"null"
    except (msgspec.DecodeError, msgspec.EncodeError, UnicodeDecodeError, RecursionError, TypeError):
        return b"null"


def _undecodable(kind: Format, error: Exception) -> BadBodyError:
    name = "JSON" if kind == "json" else "MessagePack"
    reason = "nested too deeply" if isinstance(error, RecursionError) else str(error)
    return BadBodyError(400, "undecodable", f"the body is not {name}: {reason}")
