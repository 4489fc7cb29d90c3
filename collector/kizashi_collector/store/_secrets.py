"""The secrets of keys, of which only digests are kept, and what each opens."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Iterable
from typing import Literal, get_args

__all__ = ["MAX_SECRET", "SCOPES", "Scope", "digest_of", "new_secret", "scope_among"]

Scope = Literal["write", "read", "admin"]
SCOPES: tuple[Scope, ...] = get_args(Scope)

MAX_SECRET = 256
"""A secret has no more characters; longer ones are not looked up."""


def scope_among(known: Iterable[tuple[bytes, Scope]], secret: str) -> Scope | None:
    """The scope that goes with a secret, among digests; compared in constant time."""
    digest = digest_of(secret)
    found: Scope | None = None
    for one, scope in known:
        if hmac.compare_digest(one, digest):
            found = scope
    return found


def new_secret(scope: Scope) -> str:
    """A secret that nobody can guess, with its scope in it to be told apart by people."""
    return f"kz_{scope}_{secrets.token_urlsafe(24)}"


def digest_of(secret: str) -> bytes:
    """What is kept of a secret."""
    # Bytes that are no UTF-8 arrive from a header as lone surrogates.
    return hashlib.sha256(secret.encode(errors="surrogateescape")).digest()
