"""One id for each request: in its answer, in a problem, and in every log line that is written meanwhile."""

from __future__ import annotations

import re
import secrets
import time
from contextvars import ContextVar
from itertools import count

from multidict import CIMultiDictProxy

from kizashi_collector.ingest import IngestReport

__all__ = [
    "HEADER",
    "Note",
    "answer_began",
    "current_note",
    "current_request_id",
    "new_request_id",
    "noted",
    "noting",
    "request_id",
]

HEADER = "X-Request-Id"
"""The header that a proxy sends, and that the answer carries."""

_SANE = re.compile(r"[A-Za-z0-9._:=+/-]{1,128}", re.ASCII)
# Ids of one process differ by their number, those of two by what comes before it.
_prefix = secrets.token_hex(6)
_numbers = count(1)


class Note:
    """What is remembered of a request while it is answered: its id, and what the access log may say of it.

    `code` is that of a problem; `key` names the key that was used, and is never its secret. `began` is set where an
    answer goes on: the instant of `time.perf_counter` when its head was sent.
    """

    __slots__ = ("began", "code", "key", "report", "request_id")

    def __init__(self, request_id: str) -> None:
        self.request_id = request_id
        self.began: float | None = None
        self.code: str | None = None
        self.key: str | None = None
        self.report: IngestReport | None = None


_current: ContextVar[Note | None] = ContextVar("kizashi_request", default=None)
noting, noted = _current.set, _current.reset
"""Make a note the current one; `noted`, given what that returned, ends it."""


def request_id(headers: CIMultiDictProxy[str]) -> str:
    """The id that was sent, where it is 1 to 128 letters, digits or `._:=+/-`; otherwise a new one."""
    sent = headers.get(HEADER)
    if sent is not None and _SANE.fullmatch(sent):
        return sent
    return new_request_id()


def new_request_id() -> str:
    """An id that no other request has."""
    return f"{_prefix}-{next(_numbers):x}"


def current_note() -> Note | None:
    """The note of the request that is being answered here, or None outside of any."""
    return _current.get()


def answer_began() -> None:
    """Note that the answer's head was sent: how long the rest takes says nothing about the collector."""
    note = _current.get()
    if note is not None:
        note.began = time.perf_counter()


def current_request_id() -> str | None:
    """The id of the request that is being answered here, or None outside of any."""
    note = _current.get()
    return None if note is None else note.request_id
