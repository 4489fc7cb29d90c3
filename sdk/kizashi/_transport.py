"""What the worker needs of a transport: carry one body there, bring one answer back, in time."""

from __future__ import annotations

from typing import Protocol

from msgspec import Struct

__all__ = ["Answer", "Transport"]


class Answer(Struct, frozen=True):
    """A whole HTTP answer. `retry_after` is the header's text, if there was one."""

    status: int
    body: bytes
    retry_after: str | None = None


class Transport(Protocol):
    """Carries batches. One thread sends; `abort` and `after_fork` may come from others."""

    def send(self, body: bytes, *, seconds: float) -> Answer:
        """Send one JSON body and return the whole answer within `seconds`. Raises TransportError."""

    def abort(self) -> None:
        """Make a `send` that is under way fail soon. Called last of all, before `close`."""

    def close(self) -> None:
        """Let go of connections. Nothing is sent afterwards."""

    def after_fork(self) -> None:
        """In a forked child: let go of what the parent still uses, without a word on the wire."""
