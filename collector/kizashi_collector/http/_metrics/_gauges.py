"""What is looked up when Prometheus asks: the state of this moment, as gauges."""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from importlib.metadata import PackageNotFoundError, version

from msgspec import Struct, field
from prometheus_client.core import GaugeMetricFamily

from kizashi_collector.store import AnswersState, LogState

__all__ = ["Moment", "gauges"]


class Moment(Struct, frozen=True, kw_only=True):
    """The state at one scrape; `log` is None where it could not be told. Times in milliseconds since 1970.

    `unready` is whether each reason not to be ready holds.
    """

    unready: Mapping[str, bool] = field(default_factory=dict)
    pending_events: int = 0
    requests_in_flight: int = 0
    body_bytes: int = 0
    connections: int = 0
    clock_drift_ms: int = 0
    complete_until: int | None = None
    answers: AnswersState = AnswersState()
    log: LogState | None = None


_OF_MOMENT: tuple[tuple[str, str, Callable[[Moment], float | None]], ...] = (
    ("kizashi_ready", "1 while the collector can take events", lambda now: not any(now.unready.values())),
    ("kizashi_pending_events", "Events that wait to be written", lambda now: now.pending_events),
    ("kizashi_requests_in_flight", "Requests that are being answered", lambda now: now.requests_in_flight),
    ("kizashi_body_bytes", "Bytes of bodies being read or waiting to be stored", lambda now: now.body_bytes),
    ("kizashi_connections", "Connections that are open", lambda now: now.connections),
    (
        "kizashi_clock_drift_seconds",
        "By how much the wall clock was set since the start",
        lambda now: now.clock_drift_ms / 1000,
    ),
    (
        "kizashi_complete_until_timestamp_seconds",
        "Up to when the events are complete, as far as can be told",
        lambda now: _seconds(now.complete_until),
    ),
    ("kizashi_current", "1 while the declared answers are kept current", lambda now: now.answers.current),
    (
        "kizashi_current_progress",
        "How much of the log has been counted for the declared answers, from 0 to 1",
        lambda now: now.answers.progress,
    ),
    ("kizashi_current_events", "Events in memory, for the declared answers", lambda now: now.answers.events),
    ("kizashi_current_backlog", "Stored events that the declared answers lack", lambda now: now.answers.backlog),
    (
        "kizashi_current_build_seconds",
        "How long it took to count the declared answers from the log",
        lambda now: now.answers.build_seconds,
    ),
    (
        "kizashi_learned_until_timestamp_seconds",
        "Up to when events were learned from, for what steps are worth",
        lambda now: _seconds(now.answers.learned_until),
    ),
    ("kizashi_learning_seconds", "How long that took the last time", lambda now: now.answers.learning_seconds),
    (
        "kizashi_journeys_mending",
        "Actors whose journeys are being found anew in the log, since late events changed them",
        lambda now: now.answers.mending,
    ),
)
_OF_LOG: tuple[tuple[str, str, Callable[[LogState], float | None]], ...] = (
    ("kizashi_disk_free_bytes", "Free bytes of the volume that holds the log", lambda log: log.free_bytes),
    ("kizashi_disk_bytes", "Size of the volume that holds the log", lambda log: log.disk_bytes),
    ("kizashi_log_events", "Events in the log, adjustments aside", lambda log: log.events),
    ("kizashi_log_chunks", "Chunks that the events are stored in", lambda log: log.chunks),
    ("kizashi_log_rejected", "Rejected events that are kept", lambda log: log.rejected),
    (
        "kizashi_last_receipt_timestamp_seconds",
        "When an event was received last that is stored",
        lambda log: _seconds(log.last_received),
    ),
    ("kizashi_last_backup_timestamp_seconds", "When a backup ended last", lambda log: _seconds(log.last_backup)),
    ("kizashi_ids_trouble", "1 while the index of ids cannot be written", lambda log: log.index.trouble is not None),
    ("kizashi_ids_waiting", "Ids in memory, not in the index on disk yet", lambda log: log.index.ids_waiting),
    ("kizashi_ids_tables_waiting", "Full tables of ids that wait for the disk", lambda log: log.index.tables_waiting),
    ("kizashi_ids_runs", "Sorted runs that the index of ids consists of", lambda log: log.index.runs),
    ("kizashi_ids_in_runs", "Ids in the runs of the index", lambda log: log.index.ids_in_runs),
)


def gauges(moment: Moment | None) -> Iterator[GaugeMetricFamily]:
    """Every gauge. Without a moment, and where a value is not known, a family has no sample."""
    log = None if moment is None else moment.log
    yield _build("" if log is None else log.engine)
    unready = {} if moment is None else moment.unready
    yield _by_label("kizashi_not_ready", "1 for each reason not to be ready that holds", "reason", unready)
    for name, text, value in _OF_MOMENT:
        yield GaugeMetricFamily(name, text, value=None if moment is None else value(moment))
    yield _by_label(
        "kizashi_log_bytes", "Size of the log's files by kind", "kind", {} if log is None else log.file_bytes
    )
    for name, text, told in _OF_LOG:
        yield GaugeMetricFamily(name, text, value=None if log is None else told(log))


def _build(store: str) -> GaugeMetricFamily:
    family = GaugeMetricFamily(
        "kizashi_build_info", "1, with the versions in its labels", labels=["version", "python", "store"]
    )
    family.add_metric([*_versions(), store], 1)
    return family


def _seconds(milliseconds: int | None) -> float | None:
    return None if milliseconds is None else milliseconds / 1000


def _by_label(name: str, text: str, label: str, values: Mapping[str, float]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, text, labels=[label])
    for one, value in values.items():
        family.add_metric([one], value)
    return family


@cache
def _versions() -> tuple[str, str]:
    try:
        own = version("kizashi")
    except PackageNotFoundError:
        own = "unknown"
    return own, platform.python_version()
