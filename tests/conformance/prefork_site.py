"""A site that tracks one event a request, for gunicorn: `conformance.prefork_site:application`.

It is told what to use by CONFORMANCE_SDK and CONFORMANCE_ENDPOINT, and leaves each worker's last books in the folder
CONFORMANCE_BOOKS.
"""

from __future__ import annotations

import atexit
import json
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

__all__ = ["application"]

_NAME = os.environ["CONFORMANCE_SDK"]
_BOOKS = Path(os.environ["CONFORMANCE_BOOKS"])


def _write_books() -> None:
    if _NAME == "kizashi":
        import msgspec

        import kizashi

        (_BOOKS / f"{os.getpid()}.json").write_bytes(msgspec.json.encode(kizashi.stats()))


# Before the SDK registers what it does at exit, so that this comes after it.
atexit.register(_write_books)

from conformance.adapters import ADAPTERS, Options  # noqa: E402

_sdk = ADAPTERS[_NAME](os.environ["CONFORMANCE_ENDPOINT"], Options(interval=0.2))


def application(
    environ: dict[str, Any], start_response: Callable[[str, list[tuple[str, str]]], object]
) -> Iterable[bytes]:
    """Track the number in the query."""
    _sdk.track({"n": int(environ["QUERY_STRING"])})
    body = json.dumps({"pid": os.getpid()}).encode()
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]
