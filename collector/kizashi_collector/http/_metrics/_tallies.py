"""Counters and histograms that cost some tens of nanoseconds to add to, since every request does."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from itertools import accumulate

from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily

__all__ = ["Distribution", "Distributions", "Tally"]


class Tally:
    """A counter, by the values of its labels: `tally.counts[labels] += n`, from one thread. `zeros` are there at once.

    prometheus_client's own counters take a lock and look labels up for each event, which is a microsecond apiece.
    """

    def __init__(
        self, name: str, help_text: str, labels: Sequence[str] = (), zeros: Sequence[tuple[str, ...]] = ()
    ) -> None:
        self.counts: dict[tuple[str, ...], int] = dict.fromkeys(zeros if labels else [()], 0)
        self._name, self._help, self._labels = name, help_text, labels

    def add(self, labels: tuple[str, ...] = (), number: int = 1) -> None:
        """Count `number` more."""
        self.counts[labels] = self.counts.get(labels, 0) + number

    def family(self) -> CounterMetricFamily:
        """What Prometheus is told."""
        family = CounterMetricFamily(self._name, self._help, labels=self._labels)
        for labels, count in list(self.counts.items()):
            family.add_metric(labels, count)
        return family


class Distribution:
    """How many values fell below each bound, and their sum. One thread may add, another may read."""

    def __init__(self, bounds: Sequence[float]) -> None:
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        self.sum = 0.0

    def add(self, value: float) -> None:
        """Count a value."""
        self._counts[bisect_left(self._bounds, value)] += 1
        self.sum += value

    def buckets(self) -> list[tuple[str, float]]:
        """The cumulative counts by upper bound, as Prometheus writes them."""
        names = [*(repr(float(bound)) for bound in self._bounds), "+Inf"]
        return list(zip(names, accumulate(self._counts), strict=True))


class Distributions:
    """A histogram by the value of one label, or of none: `of("")`."""

    def __init__(self, name: str, help_text: str, bounds: Sequence[float], label: str | None = None) -> None:
        self._name, self._help, self._bounds = name, help_text, bounds
        self._labels = [] if label is None else [label]
        self._parts: dict[str, Distribution] = {}
        if label is None:
            self.of("")

    def of(self, value: str) -> Distribution:
        """The part for a value of the label."""
        part = self._parts.get(value)
        if part is None:
            part = self._parts[value] = Distribution(self._bounds)
        return part

    def family(self) -> HistogramMetricFamily:
        """What Prometheus is told."""
        family = HistogramMetricFamily(self._name, self._help, labels=self._labels)
        for value, part in list(self._parts.items()):
            family.add_metric([value] if self._labels else [], buckets=part.buckets(), sum_value=part.sum)
        return family
