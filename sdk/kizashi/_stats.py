"""What became of every event that was tracked."""

from __future__ import annotations

from msgspec import Struct

__all__ = ["Stats"]


class Stats(Struct, kw_only=True, frozen=True):
    """One consistent look at a client's books. All numbers count events, but `queue_bytes`.

    At every instant, `tracked + adopted = delivered + queued + in_flight + spooled + sum(dropped.values())`.
    `delivered` means that the collector confirmed it; what it had already is a delivery too.

    `spooled` are on disk alone, `adopted` were left on disk by an ended process.

    `dropped` is keyed by reason: `queue_full`, `no_actor`, `invalid` (refused here, or alone in a batch that the
    collector could not read), `too_large`, `rejected` (the collector's verdict), `unconfigured`, `closed` (tracked
    after close), `exit` (undelivered when close or exit ran out of time), and of a spool `spool_full` (the oldest gave
    way), `expired` and `unreadable`. Reasons that never occurred are absent.
    """

    tracked: int = 0
    adopted: int = 0
    delivered: int = 0
    queued: int = 0
    in_flight: int = 0
    spooled: int = 0
    dropped: dict[str, int] = {}
    queue_bytes: int = 0
    """What the events queued and in flight are charged against `max_queue_bytes`."""

    @property
    def balanced(self) -> bool:
        """Whether the identity above holds. It always does; a False is a defect of kizashi."""
        gone = self.delivered + sum(self.dropped.values())
        return self.tracked + self.adopted == gone + self.queued + self.in_flight + self.spooled
