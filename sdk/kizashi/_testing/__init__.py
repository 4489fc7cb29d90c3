"""What sites use in their tests: a collector in memory, the client replaced by one for it, and questions to it."""

from kizashi._testing._memory import Event, MemoryTransport
from kizashi._testing._recording import TrackedEvents, recorded

__all__ = ["Event", "MemoryTransport", "TrackedEvents", "recorded"]
