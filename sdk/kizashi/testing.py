"""For the tests of sites: events that stay in memory, and what one wants to assert about them.

    def test_a_purchase_is_tracked(kizashi_events):
        shop.buy("A-1")
        assert kizashi_events.one("purchase", value=12800, currency="JPY").order == "A-1"

The fixture comes with kizashi's pytest plugin; `recorded()` is the same thing for other test runners.
"""

from __future__ import annotations

from kizashi._testing import Event, MemoryTransport, TrackedEvents, recorded

__all__ = ["Event", "MemoryTransport", "TrackedEvents", "recorded"]
