"""The collector's Prometheus metrics, in a registry of their own; docs/operate.md lists every one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator

from prometheus_client import CollectorRegistry, GCCollector, Metric, ProcessCollector, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from kizashi_collector.http._metrics._gauges import Moment, gauges
from kizashi_collector.http._metrics._tallies import Distributions, Tally
from kizashi_collector.http._request_id import current_note
from kizashi_collector.ingest import IngestReport
from kizashi_collector.store import CommitReport

__all__ = ["Metrics"]

_SECONDS = (0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5)
_EVENTS = (1, 5, 10, 50, 100, 500, 1_000, 2_500, 5_000, 10_000)
_REQUESTS = (1, 2, 5, 10, 25, 50, 100, 250, 500, 1_000)
_LATE = (1, 5, 15, 60, 300, 600, 3_600, 6 * 3_600, 86_400, 7 * 86_400, 28 * 86_400)
_SHIFTS = (5, 10, 30, 60, 600, 3_600, 86_400, 365 * 86_400)
# A timer of the event loop is up to a millisecond late by its nature.
_HELD = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5)
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class Metrics(Collector):
    """Counts what happens. `commit` belongs to the thread that writes, all the rest to the event loop's."""

    connections: Callable[[], int] = staticmethod(lambda: 0)
    """How many connections are open: whoever runs the server says it."""

    room: Callable[[], int] = staticmethod(lambda: 0)
    """How many events may wait to be written: whoever admits them says it."""

    def __init__(self) -> None:
        self.moment: Moment | None = None
        self.in_flight = 0
        self.complete_until: int | None = None
        self._events = Tally(
            "kizashi_events",
            "Events by verdict and code",
            ["verdict", "code"],
            [("accepted", ""), ("duplicate", ""), ("rejected", "")],
        )
        self._conflicts = Tally("kizashi_conflicts", "Events whose id is stored with other content")
        self._batches = Tally(
            "kizashi_batches", "Batches that were stored, by kind", ["kind"], [("live",), ("import",)]
        )
        self._imported = Tally("kizashi_imported_events", "Events of batches that were marked as an import")
        self._late = Distributions(
            "kizashi_lateness_seconds", "From the first event of a live batch to its receipt", _LATE
        )
        self._shifted = Tally("kizashi_shifted_events", "Events whose time was corrected by sent_at")
        self._shift_seconds = Distributions(
            "kizashi_shift_seconds", "By how much the times of a batch were corrected, either way", _SHIFTS
        )
        self._requests = Tally("kizashi_requests", "Requests by route and status", ["method", "route", "status"])
        self._request_seconds = Distributions("kizashi_request_seconds", "Time to answer", _SECONDS, "route")
        self._commit_seconds = Distributions(
            "kizashi_commit_seconds", "Time of a transaction, fsync included", _SECONDS
        )
        self._commit_events = Distributions("kizashi_commit_events", "Events in one transaction", _EVENTS)
        self._commit_requests = Distributions("kizashi_commit_requests", "Requests in one transaction", _REQUESTS)
        self._held = Distributions(
            "kizashi_event_loop_lag_seconds", "How late the event loop came to what was due, sampled", _HELD
        )
        self._refused = Tally("kizashi_refused_requests", "Requests refused to protect others, by reason", ["reason"])
        self._cut = Tally("kizashi_cut_connections", "Connections closed to protect others, by reason", ["reason"])
        self._all: tuple[Tally | Distributions, ...] = (
            *(self._refused, self._cut),
            *(self._events, self._conflicts, self._batches, self._imported, self._late),
            *(self._shifted, self._shift_seconds, self._requests, self._request_seconds),
            *(self._commit_seconds, self._commit_events, self._commit_requests, self._held),
        )
        self.registry = CollectorRegistry()
        self.registry.register(self)
        ProcessCollector(registry=self.registry)
        GCCollector(registry=self.registry)

    def batch(self, report: IngestReport) -> None:
        """Count the outcomes of one batch, and leave them for the access log."""
        outcomes = report.outcomes
        count = len(outcomes)
        imported = report.imported
        if count:
            # Nearly always all are one and the same object, and `count` compares no more than that.
            first = outcomes[0]
            if outcomes.count(first) == count:
                self._outcome(first.verdict, first.code or "", count)
            else:
                for (verdict, code), number in Counter((one.verdict, one.code or "") for one in outcomes).items():
                    self._outcome(verdict, code, number)
        self._batches.add(("import",) if imported else ("live",))
        if imported:
            self._imported.add((), count)
        elif report.late_ms is not None:
            self._late.of("").add(max(0, report.late_ms) / 1000)
        if report.shift:
            self._shifted.add((), count)
            self._shift_seconds.of("").add(abs(report.shift) / 1000)
        note = current_note()
        if note is not None:
            note.report = report

    def _outcome(self, verdict: str, code: str, number: int) -> None:
        self._events.add((verdict, code), number)
        if code == "conflict":
            self._conflicts.add((), number)

    def commit(self, report: CommitReport) -> None:
        """Count one transaction."""
        self._commit_seconds.of("").add(report.seconds)
        self._commit_events.of("").add(report.events)
        self._commit_requests.of("").add(report.requests)

    def request(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count one request; `route` is the pattern, never the path that was asked for."""
        counts, labels = self._requests.counts, (method if method in _METHODS else "other", route, str(status))
        counts[labels] = counts.get(labels, 0) + 1
        self._request_seconds.of(route).add(seconds)

    def refused(self, reason: str) -> None:
        """Count one request that was not taken, so that others can be."""
        self._refused.add((reason,))

    def cut(self, reason: str) -> None:
        """Count one connection that was closed for a limit."""
        self._cut.add((reason,))

    def held(self, seconds: float) -> None:
        """Count one look at how late the event loop is."""
        self._held.of("").add(seconds)

    def complete(self, until: int | None) -> None:
        """Remember up to when a summary found the events to be complete."""
        if until is not None and (self.complete_until is None or until > self.complete_until):
            self.complete_until = until

    def collect(self) -> Iterable[Metric]:
        """Every family; the gauges as of the last `moment`."""
        return self._families()

    def _families(self) -> Iterator[Metric]:
        for one in self._all:
            yield one.family()
        yield GaugeMetricFamily("kizashi_room_events", "Events that may wait to be written, as of now", self.room())
        yield from gauges(self.moment)

    def render(self, moment: Moment) -> bytes:
        """The metrics in Prometheus' text format, with what is seen at this moment."""
        self.moment = moment
        return generate_latest(self.registry)
