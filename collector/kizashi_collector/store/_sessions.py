"""Sessions of people: tokens that stand for a key for some hours, and are kept nowhere.

A token is `v1.<key>.<until>.<code>`: the beginning of the key's digest, the instant when it ends in milliseconds since
1970, and an HMAC-SHA256 (RFC 2104) of the two under the whole digest. So every collector that knows the key accepts it,
a restart keeps it, and revoking the key ends it.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Iterable

from kizashi_collector.store._secrets import Scope, digest_of

__all__ = ["MAX_TOKEN", "scope_among_sessions", "session_among"]

MAX_TOKEN = 128
"""A token has fewer characters; longer ones are not looked at."""

_TOKEN = re.compile(r"v1\.([0-9a-f]{16})\.([1-9][0-9]{0,14})\.([A-Za-z0-9_-]{43})", re.ASCII)
_ID_BYTES = 8
# Whoever has a write key could compute a token of it; it opens nothing.
_READERS: tuple[Scope, ...] = ("read", "admin")


def session_among(known: Iterable[tuple[bytes, Scope]], secret: str, until: int) -> str | None:
    """A token that stands for the key until then, or None where it is unknown or may not read.

    Takes the same time whichever key it is, if any.
    """
    digest, held = digest_of(secret), False
    for one, scope in known:
        held |= hmac.compare_digest(one, digest) and scope in _READERS
    key = digest[:_ID_BYTES].hex()
    token = f"v1.{key}.{until}.{_code(digest, key, until)}"
    return token if held else None


def scope_among_sessions(known: Iterable[tuple[bytes, Scope]], token: str, now: int) -> Scope | None:
    """The scope of the key that a token stands for, or None where the token is forged or over, or the key is gone."""
    match = _TOKEN.fullmatch(token) if len(token) < MAX_TOKEN else None
    if match is None or int(match[2]) <= now:
        return None
    key, until, code = match[1], int(match[2]), match[3]
    for digest, scope in known:
        if (
            digest[:_ID_BYTES].hex() == key
            and scope in _READERS
            and hmac.compare_digest(_code(digest, key, until), code)
        ):
            return scope
    return None


def _code(digest: bytes, key: str, until: int) -> str:
    code = hmac.digest(digest, f"kizashi session v1.{key}.{until}".encode(), hashlib.sha256)
    return base64.urlsafe_b64encode(code).rstrip(b"=").decode()
