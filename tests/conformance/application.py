"""What a case's program begins with: an SDK that is set up, and a line of words with the case that started it.

`python -c "from conformance.application import *; …" SDK ENDPOINT OPTIONS` runs a program; the names below are all that
it needs. Whatever way it ends that lets Python end, its last words are the SDK's books, if it keeps any.
"""

from __future__ import annotations

import atexit
import inspect
import json
import logging
import os
import sys
import time
from typing import Any, NoReturn

__all__ = ["client", "close", "flush", "handle_sigterm", "hear", "leave", "resident", "tell", "track", "track_mapping"]


def tell(**words: Any) -> None:
    """Say something to the case, with the SDK's books."""
    print(json.dumps({"pid": os.getpid(), "at": time.monotonic(), "books": _books(), **words}), flush=True)


def hear() -> None:
    """Wait for the case to say "go"."""
    sys.stdin.readline()


# Before the SDK registers what it does at exit, so that this comes after it.
atexit.register(lambda: tell(end=True))

from conformance.adapters import ADAPTERS, Options  # noqa: E402

_NAME, _ENDPOINT, _OPTIONS = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])


def _books() -> dict[str, Any] | None:
    if _NAME != "kizashi":
        return None
    import msgspec

    import kizashi

    books: dict[str, Any] = msgspec.to_builtins(kizashi.stats())
    return books


def _raise(*_: object) -> NoReturn:
    raise RuntimeError("a callback that raises")


class _RaisingHandler(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        _raise()


def _callback() -> Any:
    if not _OPTIONS.pop("raising", False):
        return None
    if _NAME == "kizashi":
        import kizashi

        return _raise if "on_drop" in inspect.signature(kizashi.Client).parameters else None
    return _raise


if _OPTIONS.pop("raising_log", False):
    logging.getLogger().addHandler(_RaisingHandler(logging.INFO))

client, _track, flush, close = ADAPTERS[_NAME](_ENDPOINT, Options(on_error=_callback(), **_OPTIONS))


def track(first: int, count: int = 1, **properties: Any) -> int:
    """Track events first, first + 1, …; how many of them the SDK said it refused, where its answer says so."""
    refused = 0
    for number in range(first, first + count):
        answer = _track({"n": number, **properties})
        refused += isinstance(answer, tuple) and answer[0] is False
    return refused


def track_mapping(properties: dict[str, Any]) -> None:
    """Track one event with this very mapping."""
    _track(properties)


def handle_sigterm() -> None:
    """Install what the SDK documents for SIGTERM. The peers document nothing: they die of it as any process does."""
    if _NAME == "kizashi":
        import kizashi

        kizashi.handle_sigterm()


def leave() -> None:
    """Say that the program has come to its end: from here on, time goes to the SDK's exit."""
    tell(leaving=True)


def resident() -> float:
    """The resident set in MB."""
    with open("/proc/self/statm", encoding="ascii") as statm:
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6
