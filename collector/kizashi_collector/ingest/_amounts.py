"""The text of an amount of money, as it was sent: money is never read through a float."""

from __future__ import annotations

import msgspec
from msgspec import Raw

from kizashi_schemas import MoneyError, is_decimal

__all__ = ["json_number", "msgpack_number"]

_value_from_msgpack = msgspec.msgpack.Decoder(int | float | str | None)


def json_number(raw: Raw) -> str | None:
    """The text of a number, as it was sent. JSON's own syntax has been checked with the body."""
    text = bytes(raw).decode()
    if text == "null":
        return None
    if text.startswith('"'):
        content: str = msgspec.json.decode(text)
        return _decimal_text(content)
    if text[0] not in "-0123456789":
        raise MoneyError(f'value {text[:40]} is neither a number nor a decimal string; send 1200 or "12.50"')
    return text


def msgpack_number(raw: Raw) -> str | None:
    """The text of a number; a float becomes the shortest text that reads back as the same float."""
    try:
        value = _value_from_msgpack.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise MoneyError('value is neither a number nor a decimal string; send 1200 or "12.50"') from None
    if value is None:
        return None
    return _decimal_text(value) if isinstance(value, str) else repr(value)


def _decimal_text(content: str) -> str:
    if not is_decimal(content):
        raise MoneyError(f'value {content[:40]!r} is not a plain decimal; write digits and a point, such as "12.50"')
    return content
