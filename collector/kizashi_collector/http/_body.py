"""Read a request's body within its limits, decompressed; never more in memory than the limits allow."""

from __future__ import annotations

import asyncio
import io
import zlib

import zstandard
from aiohttp import web

from kizashi_collector.http._problems import ProblemError
from kizashi_collector.http._services import SERVICES, Limits
from kizashi_collector.ingest import Format

__all__ = ["batch_format", "read_body"]

_FORMATS: dict[str, Format] = {
    "application/json": "json",
    "application/msgpack": "msgpack",
    "application/x-msgpack": "msgpack",
    "application/vnd.msgpack": "msgpack",
}
_ENCODINGS = ("identity", "gzip", "zstd")
_BIG = 32 * 1024
_ZSTD_WINDOW = 8 * 1024 * 1024
_GZIP = 16 + zlib.MAX_WBITS


def batch_format(request: web.Request) -> Format:
    """JSON or MessagePack by Content-Type; JSON where there is none. Anything else is 415."""
    if "Content-Type" not in request.headers:
        return "json"
    kind = _FORMATS.get(request.content_type)
    if kind is None:
        raise ProblemError(
            415,
            "bad_content_type",
            f"Content-Type {request.content_type[:80]!r} is unknown; send application/json or application/msgpack",
        )
    return kind


async def read_body(request: web.Request) -> bytes:
    """Return the decoded body: 413 beyond a limit, 415 for an unknown Content-Encoding, 400 if it is broken."""
    limits = request.app[SERVICES].limits
    encoding = request.headers.get("Content-Encoding", "identity").strip().lower() or "identity"
    if encoding not in _ENCODINGS:
        raise ProblemError(
            415, "bad_content_encoding", f"Content-Encoding {encoding[:80]!r} is unknown; send gzip, zstd or none"
        )
    limit = limits.decoded_bytes if encoding == "identity" else limits.compressed_bytes
    if (request.content_length or 0) > limit:
        raise _too_large(limit, encoding)
    body = await _read(request, limit, encoding)
    if encoding == "identity":
        return body
    if len(body) <= _BIG:
        return _decompress(body, encoding, limits)
    return await asyncio.get_running_loop().run_in_executor(None, _decompress, body, encoding, limits)


async def _read(request: web.Request, limit: int, encoding: str) -> bytes:
    parts: list[bytes] = []
    size = 0
    async for part in request.content.iter_any():
        size += len(part)
        if size > limit:
            raise _too_large(limit, encoding)
        parts.append(part)
    return b"".join(parts)


def _decompress(body: bytes, encoding: str, limits: Limits) -> bytes:
    limit = limits.decoded_bytes
    try:
        decoded = _gunzip(body, limit) if encoding == "gzip" else _unzstd(body, limit)
    except (zlib.error, EOFError, zstandard.ZstdError) as error:
        raise ProblemError(400, "undecodable", f"the body is not {encoding}: {error}") from None
    if len(decoded) > limit:
        raise _too_large(limit, "identity")
    return decoded


def _gunzip(body: bytes, limit: int) -> bytes:
    """Decompress every member, and stop one byte beyond the limit."""
    decoded = bytearray()
    while body:
        member = zlib.decompressobj(_GZIP)
        decoded += member.decompress(body, limit + 1 - len(decoded))
        if len(decoded) > limit:
            break
        if not member.eof:
            raise EOFError("it ends in the middle")
        body = member.unused_data
    return bytes(decoded)


def _unzstd(body: bytes, limit: int) -> bytes:
    decompressor = zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW)
    with decompressor.stream_reader(io.BytesIO(body), read_across_frames=True) as reader:
        decoded = bytearray()
        while len(decoded) <= limit and (part := reader.read(limit + 1 - len(decoded))):
            decoded += part
    return bytes(decoded)


def _too_large(limit: int, encoding: str) -> ProblemError:
    what = "decoded body" if encoding == "identity" else f"{encoding} body"
    return ProblemError(413, "too_large", f"the {what} is larger than {limit} bytes; send smaller batches")
