"""Warnings about losses and outages, few enough that no outage becomes a second one in the logs."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from contextlib import suppress

from kizashi._clock import Clock

__all__ = ["SILENCE_SECONDS", "Report", "warn"]

SILENCE_SECONDS = 60.0
"""After a warning the next one of its kind waits this long, and then speaks for all that came in between."""

_MOST_CHARACTERS = 200


def warn(message: str, *args: object) -> None:
    """Log one warning to `kizashi`. A filter or handler that raises is the site's concern, and does no harm here."""
    with suppress(Exception):  # the log itself is broken: there is nowhere left to say so
        logging.getLogger("kizashi").warning(message, *args)


def _one_line(words: str) -> str:
    # Words may quote what a server sent: it must not write lines of its own into the site's log.
    return "".join(character if character.isprintable() else "?" for character in words[:_MOST_CHARACTERS])


class Report:
    """Says what was lost and what is wrong, by reason and count: never a payload, never a key."""

    def __init__(self, clock: Clock, on_drop: Callable[[str, int], object] | None = None) -> None:
        self._clock = clock
        self._on_drop = on_drop
        self._told: dict[str, int] = {}
        self._called: dict[str, int] = {}
        self._next_loss = self._next_outage = self._next_disk = self._next_call = float("-inf")
        self._hints: dict[str, str] = {}

    def hint(self, reason: str, words: str) -> None:
        """Remember what the next warning of losses for this reason should point to, such as the field at fault."""
        self._hints[reason] = _one_line(words)

    def losses(self, dropped: Mapping[str, int], *, last: bool = False) -> None:
        """Warn of drops that were not told yet; `last` ends the silence, since no later call will speak."""
        if dropped == self._told or (self._clock.monotonic() < self._next_loss and not last):
            return
        new = {reason: count - self._told.get(reason, 0) for reason, count in dropped.items()}
        self._told = dict(dropped)
        self._next_loss = self._clock.monotonic() + SILENCE_SECONDS
        parts = [
            f"{count} {reason}" + (f" (last: {hint})" if (hint := self._hints.get(reason)) else "")
            for reason, count in sorted(new.items())
            if count
        ]
        warn("kizashi lost %d events: %s", sum(new.values()), ", ".join(parts))

    def call_on_drop(self, dropped: Mapping[str, int]) -> None:
        """Tell the site's function of drops that it was not told yet. For one thread at a time, never a caller's."""
        if self._on_drop is None or dropped == self._called:
            return
        called, self._called = self._called, dict(dropped)
        for reason, count in dropped.items():
            if count > called.get(reason, 0):
                try:
                    self._on_drop(reason, count - called.get(reason, 0))
                except BaseException as error:  # noqa: BLE001 - even a sys.exit() of the site's must not end the delivery
                    if self._clock.monotonic() >= self._next_call:
                        self._next_call = self._clock.monotonic() + SILENCE_SECONDS
                        warn("kizashi: on_drop raised %s", type(error).__name__)

    def disk(
        self, words: str, doing: str = "cannot write to its spool", meanwhile: str = "events stay in memory"
    ) -> None:
        """Warn that the disk refuses something."""
        if self._clock.monotonic() >= self._next_disk:
            self._next_disk = self._clock.monotonic() + SILENCE_SECONDS
            warn("kizashi %s: %s; %s meanwhile", doing, _one_line(words), meanwhile)

    def damage(self, name: str, size: int) -> None:
        """Warn of a segment that ended in the middle of an event, as it does when a process is killed."""
        warn("kizashi found %d bytes that are no whole event at the end of %s; all before them is sent", size, name)

    def outage(self, words: str, waiting: int, seconds: float) -> None:
        """Warn that batches do not get through."""
        if self._clock.monotonic() >= self._next_outage:
            self._next_outage = self._clock.monotonic() + SILENCE_SECONDS
            warn(
                "kizashi cannot deliver: %s; %d events wait, next try in %.1f s; see `endpoint` and `key`",
                _one_line(words),
                waiting,
                seconds,
            )
