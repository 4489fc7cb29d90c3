"""What Schemathesis does not know by itself: MessagePack and TOML. `fuzz.openapi` names it in SCHEMATHESIS_HOOKS."""

from __future__ import annotations

from typing import Any

import msgspec
import schemathesis  # type: ignore[import-not-found,unused-ignore]


@schemathesis.serializer("application/msgpack")  # type: ignore[untyped-decorator,unused-ignore]
def write_msgpack(_: Any, value: Any) -> bytes:
    """The value as MessagePack; what has no form there as JSON, which is then no MessagePack."""
    try:
        return msgspec.msgpack.encode(value)
    except (TypeError, OverflowError, UnicodeEncodeError):
        return repr(value).encode()


@schemathesis.serializer("application/toml")  # type: ignore[untyped-decorator,unused-ignore]
def write_toml(_: Any, value: Any) -> bytes:
    """A text as it is."""
    return str(value).encode(errors="replace")


@schemathesis.deserializer("application/msgpack")  # type: ignore[untyped-decorator,unused-ignore]
def read_msgpack(_: Any, response: Any) -> Any:
    """The answer as plain data."""
    return msgspec.msgpack.decode(response.content)
