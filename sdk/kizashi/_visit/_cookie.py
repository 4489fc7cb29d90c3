"""The visit in a signed cookie: `1.payload.signature`, both base64url, HMAC-SHA256 over version and payload.

Signed, not encrypted: the visitor may read what is known, and nobody may write it.
"""

from __future__ import annotations

import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence

import msgspec

from kizashi._visit._touch import FIELDS, Touch, Visit, lighter
from kizashi._visit._values import is_kept

__all__ = ["MOST_BYTES", "cookies_named", "seal", "set_cookie", "unseal"]

MOST_BYTES = 3_500
"""The longest value. Browsers keep at least 4,096 bytes of a cookie, name and attributes included (RFC 6265, 6.1)."""

_VERSION = b"1"
# In what is signed, so that a site may use the secret elsewhere: no other signature is one of these.
_PURPOSE = b"kizashi visit "
_DIGEST = "sha256"
# Servers' clocks differ a little. A touch further ahead than this was made by no clock that is right.
_SKEW_SECONDS = 3_600
_MOST_COOKIES = 4

_encode = msgspec.json.encode
_decoder = msgspec.json.Decoder(Visit)


def seal(visit: Visit, secrets: Sequence[bytes]) -> tuple[str, Visit]:
    """The cookie's value, signed with the first secret, and the visit as far as it fitted."""
    while True:
        payload = _VERSION + b"." + urlsafe_b64encode(_encode(visit)).rstrip(b"=")
        value = payload + b"." + _signature(payload, secrets[0])
        if len(value) <= MOST_BYTES or not visit.last.fields:
            return value.decode("ascii"), visit
        visit = lighter(visit)


def unseal(value: str, secrets: Sequence[bytes], *, now: float, max_age: int) -> tuple[Visit, bool] | None:
    """The visit, and whether the first secret signed it; None for what is forged, expired, too long or no cookie.

    `now` and `max_age` are in seconds; a visit expires `max_age` after its last touch.
    """
    if len(value) > MOST_BYTES or not value.isascii():
        return None
    payload, _, signature = value.encode("ascii").rpartition(b".")
    # All are compared, in constant time each: how long it takes tells neither a signature nor a secret's place.
    fits = [hmac.compare_digest(signature, _signature(payload, secret)) for secret in secrets]
    version, _, coded = payload.partition(b".")
    if not any(fits) or version != _VERSION:
        return None
    try:
        visit = _decoder.decode(urlsafe_b64decode(coded + b"=" * (-len(coded) % 4)))
    except ValueError:
        return None
    if not now - max_age < visit.last.at <= now + _SKEW_SECONDS or not _is_sound(visit):
        return None
    return visit, fits[0]


def _is_sound(visit: Visit) -> bool:
    # Signed by this site, but perhaps by another version of this module, or with a secret that is no longer one.
    touches: list[Touch] = [visit.last] if visit.first is None else [visit.last, visit.first]
    return all(
        0 <= touch.at <= visit.last.at + _SKEW_SECONDS
        and all(name in FIELDS and is_kept(text) for name, text in touch.fields.items())
        for touch in touches
    )


def _signature(payload: bytes, secret: bytes) -> bytes:
    return urlsafe_b64encode(hmac.digest(secret, _PURPOSE + payload, _DIGEST)).rstrip(b"=")


def set_cookie(name: str, value: str, *, max_age: int, secure: bool, domain: str | None) -> str:
    """A Set-Cookie header's value; `max_age` in seconds, 0 to delete the cookie."""
    parts = [f"{name}={value}", f"Max-Age={max_age}", "Path=/", "HttpOnly", "SameSite=Lax"]
    if secure:
        parts.append("Secure")
    if domain is not None:
        parts.append(f"Domain={domain}")
    return "; ".join(parts)


def cookies_named(name: str, header: str) -> list[str]:
    """The values that a Cookie header has for a name: more than one where a site has changed the cookie's domain."""
    if f"{name}=" not in header:
        return []
    pairs = (part.strip().partition("=") for part in header.split(";"))
    return [value for key, _, value in pairs if key == name][:_MOST_COOKIES]
