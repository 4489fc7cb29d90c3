"""Events that are ready to send, many at a time: what is done once for a batch costs its events next to nothing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from msgspec import Struct

__all__ = ["EVENT_BYTES", "Batch"]

EVENT_BYTES = 200
"""What an event is charged for in memory beside its JSON: the bytes object, its number, its place in two lists."""

_SMALL = 500
_ID_BEGINS = len(b'{"id":"')


class Batch(Struct):
    """Events in the order of tracking. Their bytes, and so their ids, stay the same however often they are sent.

    `seqs` are their numbers in that order, 0 for adopted ones; `offsets`, for events that stand in the spool as well,
    where each begins in its segment.
    """

    seqs: list[int]
    bodies: list[bytes]
    offsets: list[int] | None = None
    size: int = -1
    """What they are charged for in memory, in bytes."""

    def __post_init__(self) -> None:
        if self.size < 0:
            self.size = sum(map(len, self.bodies)) + EVENT_BYTES * len(self.bodies)

    def __len__(self) -> int:
        return len(self.bodies)

    @property
    def oldest(self) -> int:
        """The lowest number. What was written down late comes back from the disk in another order."""
        return self.seqs[0] if self.offsets is None else min(self.seqs)

    def id(self, place: int) -> str:
        """The id of one event, which stands at the front of its JSON."""
        body = self.bodies[place]
        return body[_ID_BEGINS : body.index(b'"', _ID_BEGINS)].decode()

    def pick(self, places: Iterable[int]) -> Batch:
        """Some of the events, as a batch of their own."""
        places = list(places)
        offsets = self.offsets
        return Batch(
            [self.seqs[place] for place in places],
            [self.bodies[place] for place in places],
            None if offsets is None else [offsets[place] for place in places],
        )

    def front(self, most_events: int, most_bytes: int) -> int:
        """How many of the first events a body of so many bytes has room for: one at least."""
        if len(self.bodies) <= most_events and self.size <= most_bytes:
            return len(self.bodies)
        count = 0
        for body in self.bodies[:most_events]:
            most_bytes -= len(body) + 1
            if most_bytes < 0 and count:
                break
            count += 1
        return count

    def takes(self, other: Batch) -> bool:
        """Whether the other one is better added to this: neither is on disk, and both are small."""
        return self.offsets is None and other.offsets is None and len(self) + len(other) <= _SMALL

    def extend(self, other: Batch) -> None:
        """Add the other's events at the end."""
        self.seqs += other.seqs
        self.bodies += other.bodies
        self.size += other.size

    def behead(self) -> int:
        """Let go of the first event; return what it was charged for."""
        size = len(self.bodies[0]) + EVENT_BYTES
        del self.seqs[:1], self.bodies[:1]
        self.size -= size
        return size

    def split(self, count: int) -> tuple[Batch, Batch]:
        """The first events and the others."""
        return self.pick(range(count)), self.pick(range(count, len(self)))

    @staticmethod
    def joined(parts: Sequence[Batch]) -> Batch:
        """Several batches as one. All of them stand in the spool, or none."""
        if len(parts) == 1:
            return parts[0]
        offsets = [offset for part in parts for offset in part.offsets or ()]
        return Batch(
            [seq for part in parts for seq in part.seqs],
            [body for part in parts for body in part.bodies],
            offsets or None,
            sum(part.size for part in parts),
        )
