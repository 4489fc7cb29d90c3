"""Answers that are not errors: JSON with exact money, compressed where the client can read it."""

from __future__ import annotations

from typing import Literal

import msgspec
from aiohttp import web

from kizashi_schemas import MICROS, format_micros

__all__ = ["NULL", "json_response", "money", "money_text", "respond"]

NULL = msgspec.Raw(b"null")
_ZERO = msgspec.Raw(b"0")
_COMPRESS_FROM = 1024


def money(amount: int | None, style: Literal["number", "string"]) -> msgspec.Raw:
    """An amount in micros as exact decimal JSON: a number, or with `string` a text."""
    if amount is None:
        return NULL
    if not amount and style == "number":
        return _ZERO  # most events carry none
    if style == "string":
        return msgspec.Raw(f'"{format_micros(amount)}"'.encode())
    # Nearly all amounts are whole, and an answer may hold thousands.
    whole, part = divmod(amount, MICROS)
    return msgspec.Raw(format_micros(amount).encode() if part else b"%d" % whole)


def money_text(amount: int | None) -> str:
    """An amount in micros as exact decimal text; empty where there is none."""
    return "" if amount is None else format_micros(amount)


def json_response(answer: object) -> web.Response:
    """An answer as JSON that no cache keeps."""
    return respond(msgspec.json.encode(answer), "application/json", {"Cache-Control": "no-store"})


def respond(body: bytes, content_type: str, headers: dict[str, str]) -> web.Response:
    """A body with its headers, compressed where that is worth it and the client accepts it."""
    response = web.Response(body=body, content_type=content_type, charset="utf-8", headers=headers)
    if len(body) >= _COMPRESS_FROM:
        response.enable_compression()
    return response
