"""What is expected of the last hours or days, from the days before them."""

from __future__ import annotations

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from kizashi_collector.analysis._readiness._pace import DAYS
from kizashi_collector.analysis._readiness._scatter import Floats, Scatter, scatter

__all__ = ["Expected", "Integers", "Marks", "days_known", "expected_of_day", "expected_of_days"]

Integers = NDArray[np.int64]
Marks = NDArray[np.bool_]

_BEFORE = DAYS - 1
_LEAST_DAYS, _LEAST_EVENTS = 7, 50
_WEEKLY_FROM = 21


class Expected(Struct, frozen=True):
    """By name: how many events are expected, the variance of that mean in variances of what is expected, whether
    history says enough to judge by, and what `Scatter` needs: Pearson's statistic of the days, its degrees of freedom,
    the mean of a day, and the mean up to which days scatter no more than that one does."""

    mean: Floats
    doubt: Floats
    telling: Marks
    apart: Floats
    freedom: Floats
    usual: Floats
    typical: Floats

    def only(self, marked: Marks) -> Expected:
        """The names that are marked."""
        return Expected(*(getattr(self, name)[marked] for name in self.__struct_fields__))

    def scatter(self) -> Scatter:
        """How days scatter."""
        found = scatter(self.apart, self.freedom, self.usual)
        return Scatter(found.factor, found.weight, self.typical)


def days_known(days: Integers) -> Integers:
    """How many of the 28 days before the last 24 hours an event was there for, by name.

    `days` are names × 29 counts, the newest first. The day on which it first came is not counted, since only a part of
    it may have: unless that is the oldest, before which nothing is known.
    """
    there = days > 0
    oldest = DAYS - 1 - np.argmax(there[:, ::-1], axis=1)
    known = np.where(oldest == _BEFORE, _BEFORE, oldest - 1)
    return np.where(there.any(axis=1), np.maximum(known, 0), 0)


def expected_of_day(counts: Floats, known: Integers) -> Expected:
    """What the last 24 hours, or a part of them, should have brought: the mean of the last seven days, times what their
    day of the week is to the mean of a week.

    `counts` are names × 28 of the same hours of the days before, the newest first, `known` of them.
    """
    week = _Week(counts, np.arange(_BEFORE) < known[:, None])
    share = week.fitted[:, 6] / np.where(week.mean > 0, week.mean, 1.0)
    return Expected(
        mean=week.counts[:, :7].mean(axis=1) * share,
        doubt=1 / 7 + week.told_apart**2 / np.maximum(week.of_day[:, 6], 1),
        telling=week.telling,
        apart=week.apart,
        freedom=week.freedom,
        usual=week.mean,
        typical=week.mean,
    )


def expected_of_days(counts: Floats, partly: Floats, there: Marks, whole: Integers) -> Expected:
    """What the last `whole` days, and a part of the one before them, should have brought, from the same days of the
    week in which an event was `there`.

    All are names × 28, the newest day first: the counts of days, and those of the same part of each.
    """
    week, part = _Week(counts, there), _Week(partly, there)
    # Day 0, the last 24 hours, is of the kind of day 7; day 1 of its own, and so on.
    back = np.tile(np.roll(week.fitted, 1, axis=1), 4)
    upto = np.concatenate((np.zeros((len(back), 1)), np.cumsum(back, axis=1)), axis=1)
    at = np.minimum(whole, _BEFORE - 1)
    rows = np.arange(len(back))
    mean = upto[rows, at] + np.roll(part.fitted, 1, axis=1)[rows, at % 7]
    length = mean / np.where(week.mean > 0, week.mean, 1.0)
    return Expected(
        mean=mean,
        doubt=length * (1 + 6 * week.told_apart) / np.maximum(week.known, 1),
        telling=week.telling,
        apart=week.apart,
        freedom=week.freedom,
        usual=week.mean,
        # Days of a long stretch are better or worse each by itself, so that a stretch has the φ of a day.
        typical=np.maximum(mean, week.mean),
    )


class _Week:
    """What each day of the week brings, from up to 28 days, and how days scatter around that.

    How far days of the week are told apart is for the data to say, from three weeks on: what sets one off from the mean
    counts by 1 − 1/F, where F is that of the analysis of variance (the positive part of James and Stein 1961), so that
    chance alone makes no pattern.
    """

    def __init__(self, counts: Floats, there: Marks) -> None:
        self.counts = np.where(there, counts, 0.0)
        self.known = there.sum(axis=1)
        self.mean: Floats = self.counts.sum(axis=1) / np.maximum(self.known, 1)
        self.telling: Marks = (self.known >= _LEAST_DAYS) & (self.counts.sum(axis=1) >= _LEAST_EVENTS)
        # Seven days apart are the same day of the week.
        self.of_day = _by_weekday(there)
        weekly = np.tile(_by_weekday(self.counts) / np.maximum(self.of_day, 1), 4)
        mean = self.mean[:, None]
        within = _pearson(self.counts, weekly, there) / np.maximum(self.known - 7, 1)
        between = _pearson(weekly, mean, there) / 6
        evident = (self.known >= _WEEKLY_FROM) & (between > within)
        self.told_apart: Floats = np.where(evident, 1 - within / np.where(evident, between, 1.0), 0.0)
        fitted = mean + self.told_apart[:, None] * (weekly - mean)
        self.fitted = fitted[:, :7]
        self.apart = _pearson(self.counts, fitted, there)
        self.freedom: Floats = np.maximum(self.known - 1 - 6 * self.told_apart, 0.0)


def _by_weekday(days: Floats | Marks) -> Floats:
    """Sums of the 28 days, names × 28, over the four weeks."""
    return np.asarray(days.reshape(len(days), 4, 7).sum(axis=1), np.float64)


def _pearson(counts: Floats, fitted: Floats, there: Marks) -> Floats:
    """Pearson's statistic of each name, over the days in which it was there."""
    apart = (counts - fitted) ** 2 / np.where(fitted > 0, fitted, 1.0)
    return np.asarray(np.where(there & (fitted > 0), apart, 0.0).sum(axis=1))
