"""`kizashi.stats()` for Prometheus, where prometheus-client is installed.

from kizashi.prometheus import export

export()
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from kizashi._default import stats
from kizashi._errors import ConfigurationError

if TYPE_CHECKING:
    from kizashi._client import Client

try:
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
    from prometheus_client.registry import REGISTRY, Collector, CollectorRegistry
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
        "kizashi.prometheus needs prometheus-client; pip install prometheus-client", name=error.name
    ) from error

__all__ = ["export"]

_exported: WeakKeyDictionary[CollectorRegistry, _Books] = WeakKeyDictionary()


def export(client: Client | None = None, registry: CollectorRegistry = REGISTRY) -> None:
    """Show a client's books in `registry`: without `client`, those of the module's own client at each scrape.

    kizashi_sdk_events_total{state}     counter: tracked, adopted (from a spool), delivered
    kizashi_sdk_dropped_total{reason}   counter: what was lost, as in Stats.dropped
    kizashi_sdk_held_events{state}      gauge: queued, in_flight, spooled
    kizashi_sdk_queue_bytes             gauge: what the held events are charged for

    Nothing is counted twice: each scrape asks `stats()`, so that the numbers are right in a forked child, too, whose
    counters begin anew. Again for the same client and registry does nothing; for another client, it raises
    ConfigurationError, since one registry has room for each name once.
    """
    former = _exported.get(registry)
    if former is None:
        books = _Books(client)
        registry.register(books)
        _exported[registry] = books
    elif former.client is not client:
        raise ConfigurationError(
            "registry shows the books of another client already; pass registry=CollectorRegistry() for this one"
        )


class _Books(Collector):
    def __init__(self, client: Client | None) -> None:
        self.client = client

    def describe(self) -> Iterator[Metric]:
        """The names alone, so that registering asks for no numbers."""
        yield from self._families()

    def collect(self) -> Iterator[Metric]:
        """The books as they are now."""
        now = stats() if self.client is None else self.client.stats()
        events, dropped, held, size = families = self._families()
        for state in ("tracked", "adopted", "delivered"):
            events.add_metric([state], getattr(now, state))
        for reason, count in sorted(now.dropped.items()):
            dropped.add_metric([reason], count)
        for state in ("queued", "in_flight", "spooled"):
            held.add_metric([state], getattr(now, state))
        size.add_metric([], now.queue_bytes)
        yield from families

    def _families(self) -> tuple[CounterMetricFamily, CounterMetricFamily, GaugeMetricFamily, GaugeMetricFamily]:
        return (
            CounterMetricFamily(
                "kizashi_sdk_events", "Events taken in (tracked, adopted) and delivered", labels=["state"]
            ),
            CounterMetricFamily("kizashi_sdk_dropped", "Events lost, by reason", labels=["reason"]),
            # Not kizashi_sdk_events: OpenMetrics knows a counter by its name without _total, and a name but once.
            GaugeMetricFamily(
                "kizashi_sdk_held_events", "Events not yet delivered, by where they are", labels=["state"]
            ),
            GaugeMetricFamily("kizashi_sdk_queue_bytes", "What the held events are charged for"),
        )
