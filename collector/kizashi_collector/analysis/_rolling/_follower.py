"""What goes on beside the summaries of moving windows, over the same events."""

from __future__ import annotations

from typing import Protocol

from kizashi_collector.analysis._rolling._held import Places

__all__ = ["Follower"]


class Follower(Protocol):
    """Told of whatever changes among the events held."""

    def entered(self, places: Places) -> None:
        """These events are there now, priced and linked; their places are side by side. None lies ahead of now."""

    def changing(self, places: Places) -> None:
        """These events are about to be worth something else, or to be deleted."""

    def slid(self, length: int, start: int, end: int, places: Places) -> None:
        """The window of this length began at `start` and now begins at `end`: these events are what it left behind.

        The other windows follow before anything else happens.
        """
