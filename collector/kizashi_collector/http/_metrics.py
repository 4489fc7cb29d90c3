"""The collector's Prometheus metrics, in a registry of their own."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from kizashi_collector.ingest import IngestReport
from kizashi_collector.store import CommitReport

__all__ = ["Metrics"]

_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5)
_EVENTS = (1, 5, 10, 50, 100, 500, 1_000, 2_500, 5_000, 10_000)


class Metrics:
    """Counts what happens; docs/operate.md lists every metric."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._events = Counter(
            "kizashi_events", "Events by verdict and code", ["verdict", "code"], registry=self.registry
        )
        self._shifted = Counter(
            "kizashi_shifted_events", "Events whose time was corrected by sent_at", registry=self.registry
        )
        self._requests = Counter(
            "kizashi_requests", "Requests by route and status", ["method", "route", "status"], registry=self.registry
        )
        self._request_seconds = Histogram(
            "kizashi_request_seconds", "Time to answer", ["route"], registry=self.registry, buckets=_SECONDS
        )
        self._commit_seconds = Histogram(
            "kizashi_commit_seconds", "Time of a transaction, fsync included", registry=self.registry, buckets=_SECONDS
        )
        self._commit_events = Histogram(
            "kizashi_commit_events", "Events in one transaction", registry=self.registry, buckets=_EVENTS
        )
        self.pending = Gauge("kizashi_pending_events", "Events that wait to be written", registry=self.registry)
        self.drift = Gauge(
            "kizashi_clock_drift_seconds", "By how much the wall clock was set since the start", registry=self.registry
        )
        self.ready = Gauge("kizashi_ready", "1 while the collector can take events", registry=self.registry)
        for verdict in ("accepted", "duplicate", "rejected"):
            self._events.labels(verdict, "")

    def batch(self, report: IngestReport) -> None:
        """Count the outcomes of one batch."""
        for outcome in report.outcomes:
            self._events.labels(outcome.verdict, outcome.code or "").inc()
        if report.shift:
            self._shifted.inc(len(report.outcomes))

    def commit(self, report: CommitReport) -> None:
        """Count one transaction."""
        self._commit_seconds.observe(report.seconds)
        self._commit_events.observe(report.events)

    def request(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count one request; `route` is the pattern, never the path that was asked for."""
        self._requests.labels(method, route, str(status)).inc()
        self._request_seconds.labels(route).observe(seconds)

    def render(self) -> bytes:
        """The metrics in Prometheus' text format."""
        return generate_latest(self.registry)
