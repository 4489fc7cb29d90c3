"""Trees that neither JSON nor MessagePack could hold whole, and how both write them down.

Tables are lists of pairs, so that a key may come twice; and a `Token` is written as it is, so that anything may stand
where a value should.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import NamedTuple

import msgspec

__all__ = ["Node", "Table", "Token", "json_of", "msgpack_of"]


class Token(NamedTuple):
    """Bytes that are written as they are, one way for each format."""

    json: bytes
    msgpack: bytes


class Table(list[tuple["Node", "Node"]]):
    """Pairs of key and value, in their order."""


Node = Token | Table | Sequence["Node"] | str | int | float | bool | bytes | None


def json_of(node: Node) -> bytes:
    """The tree as JSON. What JSON has no form for becomes a text."""
    if isinstance(node, Token):
        return node.json
    if isinstance(node, Table):
        return b"{" + b",".join([_json_key(key) + b":" + json_of(value) for key, value in node]) + b"}"
    if isinstance(node, list):
        return b"[" + b",".join([json_of(item) for item in node]) + b"]"
    return msgspec.json.encode(node)


def _json_key(key: Node) -> bytes:
    return json_of(key) if isinstance(key, str | Token) else b'"' + json_of(key).replace(b'"', b"") + b'"'


def msgpack_of(node: Node) -> bytes:
    """The tree as MessagePack. An integer of more than 64 bits becomes a float, or a text."""
    if isinstance(node, Token):
        return node.msgpack
    if isinstance(node, Table):
        return _head(len(node), 0x80, 0xDE) + b"".join([msgpack_of(key) + msgpack_of(value) for key, value in node])
    if isinstance(node, list):
        return _head(len(node), 0x90, 0xDC) + b"".join([msgpack_of(item) for item in node])
    if isinstance(node, int) and not -(2**63) <= node < 2**64:
        return msgpack_of(float(node) if abs(node) < 10**300 else str(node)[:40])
    return msgspec.msgpack.encode(node)


def _head(length: int, small: int, large: int) -> bytes:
    return bytes([small | length]) if length < 16 else struct.pack(">BH", large, length)
