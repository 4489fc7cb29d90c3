"""Read a request's body within its limits, decompressed; never more in memory than the limits allow."""

from __future__ import annotations

import asyncio
import sys
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import ClientError, web

from kizashi_collector.http._admission import ADMISSION
from kizashi_collector.http._auth import CALLER
from kizashi_collector.http._problems import ProblemError, problem_response
from kizashi_collector.http._services import SERVICES, Limits
from kizashi_collector.ingest import Format

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

__all__ = ["answering_expectations", "batch_format", "body_of", "expected"]

_FORMATS: dict[str, Format] = {
    "application/json": "json",
    "application/msgpack": "msgpack",
    "application/x-msgpack": "msgpack",
    "application/vnd.msgpack": "msgpack",
}
_ENCODINGS = ("identity", "gzip", "zstd")
_BIG = 32 * 1024
_GZIP = 16 + zlib.MAX_WBITS
# A frame may ask for no more than 8 MiB of memory (RFC 8878, section 3.1.1.1.2).
_ZSTD = {int(zstd.DecompressionParameter.window_log_max): 23}
# Each member costs a copy of what comes after it, so their number is bounded too.
_MAX_MEMBERS = 64


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


async def expected(request: web.Request) -> None:
    """Look at what a client expects before it sends a body: `body_of` says 100 Continue, once it wants the body."""
    if request.headers.get("Expect", "").lower() != "100-continue":
        raise web.HTTPExpectationFailed


def answering_expectations(handler: Callable[[Any], Awaitable[web.StreamResponse]]) -> Any:
    """The handler of all requests, whose routes or none may find that they cannot expect that."""

    async def handle(request: Any) -> web.StreamResponse:
        try:
            return await handler(request)
        except web.HTTPExpectationFailed:
            return problem_response(
                ProblemError(417, "bad_expect", "Expect can only be 100-continue; leave it out, or send that")
            )

    return handle


@asynccontextmanager
async def body_of(request: web.Request) -> AsyncIterator[bytes]:
    """The decoded body, whose bytes count as in flight as long as the block lasts.

    413 beyond a limit, 415 for an unknown Content-Encoding, 400 if it is broken, 408 if it does not come in time, 429
    while too many bytes of this caller are in flight, 503 while too many of all are.
    """
    services = request.app[SERVICES]
    limits, in_flight, caller = services.limits, services.in_flight, CALLER.get()
    encoding = request.headers.get("Content-Encoding", "identity").strip().lower() or "identity"
    if encoding not in _ENCODINGS:
        raise ProblemError(
            415, "bad_content_encoding", f"Content-Encoding {encoding[:80]!r} is unknown; send gzip, zstd or none"
        )
    reserved = 0

    def reserve(size: int) -> None:
        nonlocal reserved
        reason = in_flight.bodies.refusal(caller, size, limits.bytes_in_flight * 3 // 4, limits.bytes_in_flight)
        if reason is not None:
            raise request.app[ADMISSION].busy(reason, "bytes")
        in_flight.bodies.take(caller, size)
        reserved += size

    try:
        body = await _read(request, limits, encoding, reserve)
        if encoding != "identity":
            body = await _decompressed(body, encoding, limits)
            reserve(len(body))
        yield body
    finally:
        in_flight.bodies.give_back(caller, reserved)


async def _read(request: web.Request, limits: Limits, encoding: str, reserve: Callable[[int], None]) -> bytes:
    limit = limits.decoded_bytes if encoding == "identity" else limits.compressed_bytes
    if (request.content_length or 0) > limit:
        raise _too_large(limit, encoding)
    content = request.content
    try:
        if content.is_eof():  # the usual case: all of it came with the head
            body = content.read_nowait()
            if len(body) > limit:
                raise _too_large(limit, encoding)
            reserve(len(body))
            return body
        return await _awaited(request, limits, limit, encoding, reserve)
    except TimeoutError:
        request.app[ADMISSION].refused("body_timeout")
        raise ProblemError(
            408,
            "too_slow",
            f"the body did not come within {limits.body_seconds:g} s, or "
            f"after {limits.body_grace:g} s came more slowly than {limits.body_rate} bytes/s",
        ) from None
    except (ClientError, ConnectionError) as error:
        raise ProblemError(400, "undecodable", f"the body broke off: {type(error).__name__}") from None


async def _awaited(
    request: web.Request, limits: Limits, limit: int, encoding: str, reserve: Callable[[int], None]
) -> bytes:
    """A body that is still on its way. Its deadline moves with what came, as with Apache's mod_reqtimeout."""
    if "Expect" in request.headers:
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        request.writer.output_size = 0
    parts: list[bytes] = []
    size = 0
    began = asyncio.get_running_loop().time()
    async with asyncio.timeout_at(began + min(limits.body_grace, limits.body_seconds)) as patience:
        async for part in request.content.iter_any():
            size += len(part)
            if size > limit:
                raise _too_large(limit, encoding)
            reserve(len(part))
            parts.append(part)
            earned = limits.body_grace + size / limits.body_rate
            patience.reschedule(began + min(earned, limits.body_seconds))
    return b"".join(parts)


async def _decompressed(body: bytes, encoding: str, limits: Limits) -> bytes:
    if len(body) <= _BIG:
        return _decompress(body, encoding, limits)
    return await asyncio.get_running_loop().run_in_executor(None, _decompress, body, encoding, limits)


def _decompress(body: bytes, encoding: str, limits: Limits) -> bytes:
    """Decompress every member or frame, and stop one byte beyond the limit."""
    limit = limits.decoded_bytes
    decoded = bytearray()
    try:
        for _ in range(_MAX_MEMBERS):
            member = zlib.decompressobj(_GZIP) if encoding == "gzip" else zstd.ZstdDecompressor(options=_ZSTD)
            decoded += member.decompress(body, limit + 1 - len(decoded))
            if len(decoded) > limit:
                raise _too_large(limit, "identity")
            if not member.eof:
                raise EOFError("it ends in the middle")
            body = member.unused_data
            if not body:
                return bytes(decoded)
    except (zlib.error, EOFError, zstd.ZstdError) as error:
        raise ProblemError(400, "undecodable", f"the body is not {encoding}: {error}") from None
    raise ProblemError(400, "undecodable", f"the body has more than {_MAX_MEMBERS} {encoding} members; send one")


def _too_large(limit: int, encoding: str) -> ProblemError:
    what = "decoded body" if encoding == "identity" else f"{encoding} body"
    return ProblemError(413, "too_large", f"the {what} is larger than {limit} bytes; send smaller batches")
