"""Sites that are healthy raise no alarm, and those that break are found out in time. Seeds are fixed."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from kizashi_collector.analysis._readiness import HourCounts, breaks
from kizashi_collector.analysis._readiness._scatter import Floats

HOUR = 3_600_000
DAYS, KEPT = 29, 29 * 24
WEEK = np.array([1.15, 1.2, 1.15, 1.1, 1.0, 0.8, 0.6])
DAY = 1 + 0.9 * np.sin(np.arange(24) / 24 * 2 * np.pi)
Levels = Callable[[np.random.Generator, Floats], Floats]


def scattered(rng: np.random.Generator, days: Floats, by: float) -> Floats:
    return np.asarray(rng.lognormal(-by * by / 2, by, len(days)))


# What each day brings, in shares of the usual, all with days and nights.
HEALTHY: dict[str, Levels] = {
    "chance alone": lambda rng, days: np.ones(len(days)),
    "good days and bad ones": lambda rng, days: scattered(rng, days, 0.2),
    "weekdays": lambda rng, days: WEEK[days.astype(int) % 7] * scattered(rng, days, 0.05),
    "no weekends": lambda rng, days: np.where(days % 7 < 5, 1.3, 0.05) * scattered(rng, days, 0.05),
    "growth of 3 % a day": lambda rng, days: 1.03 ** (days - 28) * scattered(rng, days, 0.05),
    "a campaign that doubles it over a week": lambda rng, days: (
        (1 + np.clip((days - 35) / 7, 0, 1)) * scattered(rng, days, 0.1)
    ),
    "holidays of 40 % less": lambda rng, days: np.where(days % 30 < 4, 0.6, 1.0) * scattered(rng, days, 0.1),
}
RATES = (3, 20, 100, 1_000)


def drawn(rng: np.random.Generator, levels: Levels, rate: float, days: int) -> Floats:
    """What is to be expected of each hour, the days before the first one looked at included."""
    level = levels(rng, np.arange(days, dtype=np.float64))
    return np.asarray((rate * level[:, None] * DAY / DAY.sum()).reshape(-1))


def looked_at(counts: HourCounts, hour: int, running: HourCounts) -> HourCounts:
    return np.concatenate((counts[:, hour - KEPT : hour], running[:, None]), axis=1).astype(np.int32)


def test_healthy_sites_raise_no_alarm() -> None:
    # 28 events for 16 days, looked at each hour at some minute of it: 1.2 event-years.
    rng = np.random.default_rng(20)
    days = DAYS + 16
    rates = [drawn(rng, levels, rate, days) for levels in HEALTHY.values() for rate in RATES]
    names = [f"{kind}, {rate} a day" for kind in HEALTHY for rate in RATES]
    counts = rng.poisson(np.array(rates)).astype(np.int32)
    alarms = set()
    for hour in range(KEPT, days * 24):
        passed = rng.random()
        running = rng.binomial(counts[:, hour], passed).astype(np.int32)
        # Half of them at a time: for more than 20, chances are made smaller.
        for half in (slice(0, 14), slice(14, 28)):
            rows = looked_at(counts[half], hour, running[half])
            alarms |= {one.sentence for one in breaks(rows, int((hour + passed) * HOUR), names[half])}
    assert alarms == set()


def hours_to_notice(rng: np.random.Generator, rate: float, factor: float, limit: int) -> Floats:
    """How many hours 20 events need to be found out that from a random instant of a day on come `factor` as often."""
    rates = np.array([drawn(rng, HEALTHY["chance alone"], rate, DAYS + 12) for _ in range(20)])
    begun = KEPT + rng.integers(24, size=20)
    hours = np.arange(rates.shape[1])
    counts = rng.poisson(rates * np.where(hours >= begun[:, None], factor, 1.0)).astype(np.int32)
    noticed = np.full(20, np.inf)
    for half_hour in range(2 * (KEPT + 1), 2 * (KEPT + 24 + limit)):
        hour, half = divmod(half_hour, 2)
        running = rng.binomial(counts[:, hour], half / 2).astype(np.int32)
        found = breaks(looked_at(counts, hour, running), half_hour * HOUR // 2, [str(n) for n in range(20)])
        for one in found:
            n = int(one.event)
            noticed[n] = min(noticed[n], half_hour / 2 - begun[n])
    assert (noticed > 0).all(), "an alarm before anything happened"
    return noticed


@pytest.mark.parametrize(
    ("rate", "factor", "limit", "median"),
    [
        (20, 0.0, 36, 24),
        (100, 0.0, 24, 7),
        (1_000, 0.0, 12, 2),
        (100, 0.3, 48, 24),
        (1_000, 0.3, 30, 21),
        (100, 3.0, 30, 20),
        (1_000, 3.0, 24, 16),
    ],
)
def test_half_of_the_breaks_are_noticed_in_time(rate: float, factor: float, limit: int, median: float) -> None:
    noticed = hours_to_notice(np.random.default_rng(21), rate, factor, limit)
    assert np.median(noticed) <= median
    assert np.isfinite(noticed).mean() >= 0.9
