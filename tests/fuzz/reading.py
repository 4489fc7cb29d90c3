"""Bodies read by plain means: the standard library for JSON, one function for MessagePack.

Both give the same values: dicts (of a key that comes twice the last one counts), lists, str, bool, None, and `Number`
with the text that was sent. What has no place in an event becomes `Other`. A `Doubtful` dict has a key twice, or one
that is no text: a reader may take it or leave it.
"""

from __future__ import annotations

import json
import re
import struct
from typing import Any, NamedTuple, NoReturn

__all__ = ["Doubtful", "Number", "Other", "UnreadableError", "depth", "read_json", "read_msgpack"]

_STRING = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL)


class Number(NamedTuple):
    """A number's text."""

    text: str


class Other(NamedTuple):
    """What only MessagePack knows: bytes, an extension, a key that is no text, a text that is not UTF-8."""

    what: object


class Doubtful(dict[Any, Any]):
    """A dict of which it cannot be said what it means."""


class UnreadableError(Exception):
    """The body is not of its format."""


def read_json(body: bytes) -> Any:
    """Read JSON. Raises UnreadableError; NaN, half a surrogate pair and a byte order mark are no JSON."""
    try:
        text = body.decode()
        read = json.loads(
            text, parse_int=Number, parse_float=Number, parse_constant=_refuse, object_pairs_hook=_dict_of
        )
        # Whatever text stands in it has a form as UTF-8 unless half a pair is there.
        for string in _STRING.findall(text) if "\\u" in text else ():
            json.loads(string).encode()
    except (ValueError, RecursionError) as error:
        raise UnreadableError(str(error)) from None
    return read


def _refuse(text: str) -> NoReturn:
    raise ValueError(f"{text} is no JSON")


def _dict_of(pairs: list[tuple[Any, Any]]) -> dict[Any, Any]:
    read = dict(pairs)
    return read if len(read) == len(pairs) and all(isinstance(key, str) for key in read) else Doubtful(read)


def depth(body: bytes) -> int:
    """At least as deep as the body is nested, by its opening brackets or, in MessagePack, what may be such."""
    return max(body.count(b"[") + body.count(b"{"), sum(body.count(first) for first in _CONTAINERS))


_CONTAINERS = [bytes([first]) for first in (*range(0x81, 0x84), *range(0x91, 0x94), 0xDC, 0xDD, 0xDE, 0xDF)]
_FIXED = {
    0xCA: ">f",
    0xCB: ">d",
    0xCC: ">B",
    0xCD: ">H",
    0xCE: ">I",
    0xCF: ">Q",
    0xD0: ">b",
    0xD1: ">h",
    0xD2: ">i",
    0xD3: ">q",
}
# Kind and size of the length that follows.
_SIZED = {
    0xC4: ("bin", 1),
    0xC5: ("bin", 2),
    0xC6: ("bin", 4),
    0xC7: ("ext", 1),
    0xC8: ("ext", 2),
    0xC9: ("ext", 4),
    0xD9: ("str", 1),
    0xDA: ("str", 2),
    0xDB: ("str", 4),
    0xDC: ("list", 2),
    0xDD: ("list", 4),
    0xDE: ("dict", 2),
    0xDF: ("dict", 4),
}
_EXTENSIONS = {0xD4: 1, 0xD5: 2, 0xD6: 4, 0xD7: 8, 0xD8: 16}


def read_msgpack(body: bytes) -> Any:
    """Read MessagePack. Raises UnreadableError. Text that is not UTF-8 is Other: it may stand where nobody reads it."""
    try:
        value, end = _value(body, 0)
    except (IndexError, struct.error, RecursionError) as error:
        raise UnreadableError(str(error)) from None
    if end != len(body):
        raise UnreadableError(f"{len(body) - end} bytes follow")
    return value


def _value(body: bytes, at: int) -> tuple[Any, int]:
    first = body[at]
    at += 1
    if first < 0x80:
        return Number(str(first)), at
    if first >= 0xE0:
        return Number(str(first - 256)), at
    if first < 0x90:
        return _dict(body, at, first & 15)
    if first < 0xA0:
        return _list(body, at, first & 15)
    if first < 0xC0:
        return _text(body, at, first & 31)
    if first in (0xC0, 0xC2, 0xC3):
        return {0xC0: None, 0xC2: False, 0xC3: True}[first], at
    if first in _FIXED:
        form = _FIXED[first]
        (number,) = struct.unpack_from(form, body, at)
        return Number(repr(number)), at + struct.calcsize(form)
    if first in _EXTENSIONS:
        return _bytes(body, at, _EXTENSIONS[first] + 1)
    if first not in _SIZED:
        raise UnreadableError("a byte that MessagePack never uses")
    kind, width = _SIZED[first]
    length = int.from_bytes(_bytes(body, at, width)[0].what, "big")
    at += width
    if kind == "ext":
        return _bytes(body, at, length + 1)
    return {"bin": _bytes, "str": _text, "list": _list, "dict": _dict}[kind](body, at, length)


def _bytes(body: bytes, at: int, length: int) -> tuple[Any, int]:
    if at + length > len(body):
        raise UnreadableError("it ends in the middle")
    return Other(body[at : at + length]), at + length


def _text(body: bytes, at: int, length: int) -> tuple[Any, int]:
    content, end = _bytes(body, at, length)
    try:
        return content.what.decode(), end
    except UnicodeDecodeError:
        return content, end


def _list(body: bytes, at: int, length: int) -> tuple[Any, int]:
    items = []
    for _ in range(length):
        item, at = _value(body, at)
        items.append(item)
    return items, at


def _dict(body: bytes, at: int, length: int) -> tuple[Any, int]:
    pairs: list[tuple[Any, Any]] = []
    for _ in range(length):
        key, at = _value(body, at)
        value, at = _value(body, at)
        pairs.append((key if isinstance(key, str) else Other(repr(key)), value))
    return _dict_of(pairs), at
