"""Which host sent the visitor, and whether it is another one at all."""

from __future__ import annotations

import re
from collections.abc import Sequence
from urllib.parse import urlsplit

from kizashi._visit._values import MOST_CHARACTERS, is_personal, label

__all__ = ["external_host", "landing_page"]

_HOST = re.compile(r"[a-z0-9_-]+(\.[a-z0-9_-]+)*")
# Android's browsers name the app that a link was opened from, android-app://com.google.android.gm/.
_SCHEMES = ("http", "https", "android-app")
# The host is at the beginning; the rest need not be looked at, however long it is.
_MOST_URL = 1_024


def external_host(referrer: str, host: str, own: Sequence[str]) -> str | None:
    """The host of a Referer header where it is neither `host`, the Host header, nor one of `own` or below them.

    `www.` makes no difference. A host longer than any value may be is dropped, and so is an address of numbers. Of
    path and query nothing is kept: they may say what somebody searched for.
    """
    there = _host_of(referrer)
    if there is None or _below(there, _host_of(f"http://{host}") or ""):
        return None
    return None if any(_below(there, name) for name in own) or is_personal(there) else there


def landing_page(path: str) -> str | None:
    """A path as a value, or None where a part of it is an address."""
    return None if any(is_personal(part) for part in path[:MOST_CHARACTERS].split("/")) else label(path)


def _host_of(url: str) -> str | None:
    try:
        parts = urlsplit(url[:_MOST_URL])
        host = parts.hostname
    except ValueError:
        return None
    if not host or parts.scheme not in _SCHEMES or len(host) > MOST_CHARACTERS:
        return None
    host = host.removesuffix(".")
    return host if _HOST.fullmatch(host) else None


def _below(host: str, other: str) -> bool:
    host, other = host.removeprefix("www."), other.removeprefix("www.")
    return bool(other) and (host == other or host.endswith(f".{other}"))
