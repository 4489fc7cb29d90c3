"""Events that can never be delivered, kept for whoever looks into it."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import msgspec

__all__ = ["MAX_BYTES", "DeadLetters"]

MAX_BYTES = 64 * 1024 * 1024
"""The file grows no further; what comes then is counted all the same."""


class DeadLetters:
    """Appends to a file of JSON lines: `at` (RFC 3339), `reason`, `answer` and the `event` as it was sent.

    The file holds what the site tracked, and is readable for its owner alone. Any number of processes may share it.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def append(self, body: bytes, *, reason: str, answer: str, at: str) -> None:
        """Write one line. Raises OSError."""
        line = msgspec.json.encode({"at": at, "reason": reason, "answer": answer, "event": msgspec.Raw(body)}) + b"\n"
        # Opened each time: that is rare enough, needs no lock after a fork, and follows a file that was moved away.
        descriptor = os.open(self._path, os.O_CREAT | os.O_APPEND | os.O_RDWR | os.O_CLOEXEC, 0o600)
        try:
            size = os.fstat(descriptor).st_size
            if size and os.pread(descriptor, 1, size - 1) != b"\n":
                line = b"\n" + line  # a full disk cut the last one
            # One write, so that the lines of several processes do not mix.
            if size < MAX_BYTES and os.write(descriptor, line) < len(line):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        finally:
            os.close(descriptor)
