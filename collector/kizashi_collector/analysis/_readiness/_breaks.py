"""Tracking breaks: events that stopped, fell or jumped beyond what their history allows."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np
from msgspec import Struct

from kizashi_collector.analysis._readiness._history import (
    Expected,
    Integers,
    Marks,
    days_known,
    expected_of_day,
    expected_of_days,
)
from kizashi_collector.analysis._readiness._pace import DAYS, HOUR_MS, WHOLE_HOURS, HourCounts
from kizashi_collector.analysis._readiness._scatter import (
    Floats,
    Scatter,
    chance_of_few,
    chance_of_many,
    chance_of_none,
)
from kizashi_collector.analysis._readiness._sentences import break_sentence

__all__ = ["FALSE_DAY", "FALSE_SILENCE", "Break", "breaks"]

# 20 events looked at each hour of a year are 175,320 looks. By Bonferroni, whatever depends on what, chances of 2e-6
# for too few, 2e-6 for too many and 1e-6 for silence make 0.88 false alarms of it in a year. Looks in between add
# none: the days only change with the hour, and a silence begins with one.
FALSE_DAY = 2e-6
FALSE_SILENCE = 1e-6
_EVENTS = 20

_HALF, _DOUBLE = 0.5, 2.0
# Holidays are not in the history of 28 days, nor is a campaign that begins. A day of 40 % less, or of two thirds
# more, is healthy, and is not to pass for a break because chance adds to it: beyond that, too, chance must be unlikely.
_HOLIDAY = 0.6
_FALSE_SWING = 1e-2


class Break(Struct, frozen=True):
    """An event that does not come as it did, since about `since` (ms).

    `seen` and `expected` are counts: of the silence where it stopped, else of the 24 hours that end with the last
    whole hour. `sentence` says it for a marketer.
    """

    event: str
    kind: Literal["stopped", "fell", "jumped"]
    seen: int
    expected: float
    since: int
    sentence: str


def breaks(rows: HourCounts, now: int, names: Sequence[str]) -> list[Break]:
    """The breaks that `Pace.rows(now)` shows, in the order of the rows; `names` says whose row each is. Of names
    beyond the rows nothing ever came.

    *Stopped*: nothing came for so long that, by the same hours of the days before, the chance of it is below one in a
    million, and beyond a day for longer than ever in between; or a day without any has fallen. *Fell*, *jumped*: the
    last 24 whole hours brought less than half, or more than double, of what the week before and the day of the week let
    expect; the chance of that is below two in a million, and below one in a hundred were it a holiday (40 % less) or a
    campaign's begin (two thirds more).

    An event needs 7 days of history and 50 events in it, otherwise nothing is said of it. Beyond 20 events the chances
    shrink with their number, so that a healthy site sees a false alarm less than once a year, however often it is
    looked at. Raises ValueError where rows are not as `Pace.rows` gives them.

    An hour that runs counts in a silence by the part of it that has passed, as if events came evenly within an hour.
    A fall or a jump that stays is the new level within about four days.

    Give as `now` the instant up to which events have arrived (`complete_until`), lest late ones look like a silence.
    """
    if rows.shape[1:] != (WHOLE_HOURS + 1,):
        raise ValueError(f"a row is {WHOLE_HOURS} whole hours and the one that runs, not {rows.shape[1:]}")
    if not len(rows):
        return []
    fair = min(1.0, _EVENTS / len(names))
    counts = rows.astype(np.int64)
    days = counts[:, :-1].reshape(len(rows), DAYS, 24).sum(axis=2)[:, ::-1]
    known = days_known(days)
    day = expected_of_day(days[:, 1:].astype(np.float64), known)
    seen = days[:, 0].astype(np.float64)
    few = day.telling & (seen < _HALF * day.mean)
    many = day.telling & (seen > _DOUBLE * day.mean)
    # Few days halve or double anything, and only then are there chances to be found.
    if few.any():
        few[few] = _unlikely(chance_of_few, seen[few], day.only(few), _HOLIDAY, fair)
    if many.any():
        many[many] = _unlikely(chance_of_many, seen[many], day.only(many), 1 / _HOLIDAY, fair)
    empty, silent, missed = _silences(counts, days, known, now % HOUR_MS / HOUR_MS, FALSE_SILENCE * fair)
    silent |= few & (empty >= 24)
    found = []
    for row in np.flatnonzero(silent | few | many).tolist():
        if silent[row]:
            since = (now // HOUR_MS - int(empty[row])) * HOUR_MS
            found.append(_told(names[row], "stopped", 0, float(missed[row]), since, now))
        else:
            expected = float(day.mean[row])
            since = (now // HOUR_MS - _hours_since(counts[row], expected)) * HOUR_MS
            kind: Literal["fell", "jumped"] = "fell" if few[row] else "jumped"
            found.append(_told(names[row], kind, int(seen[row]), expected, since, now))
    return found


def _told(
    event: str, kind: Literal["stopped", "fell", "jumped"], seen: int, expected: float, since: int, now: int
) -> Break:
    return Break(event, kind, seen, expected, since, break_sentence(event, kind, seen, expected, since, now))


def _unlikely(
    chance: Callable[[Floats, Floats, Floats, Scatter], Floats], seen: Floats, day: Expected, swing: float, fair: float
) -> Marks:
    days = day.scatter()
    plainly = chance(seen, day.mean, day.doubt, days) < FALSE_DAY * fair
    return np.asarray(plainly & (chance(seen, swing * day.mean, day.doubt, days) < _FALSE_SWING))


def _silences(
    counts: Integers, days: Integers, known: Integers, running: float, false: float
) -> tuple[Integers, Marks, Floats]:
    """Whole hours without an event up to now, whether that is a stop, and how many were to be expected in them.

    `running` is how much of the hour that runs has passed.
    """
    names = np.arange(len(counts))[:, None]
    some = counts > 0
    # −1 where the hour that runs has an event.
    empty = np.argmax(some[:, ::-1], axis=1) - 1
    there = some.any(axis=1) & (empty >= 0)
    empty = np.where(there, empty, 0)
    whole, part = np.divmod(empty, 24)
    # The same part of a day, that many whole days and more before: its whole hours, and as much of the next as runs.
    upto = np.concatenate((np.zeros((len(counts), 1), np.int64), np.cumsum(counts, axis=1)), axis=1)
    end = WHOLE_HOURS - 24 * np.arange(1, DAYS)
    before = upto[:, end] - upto[names, end - np.minimum(part[:, None], 24)]
    partly = before + running * counts[:, end]
    silent, missed = np.zeros(len(counts), np.bool_), np.zeros(len(counts))
    within = there & (whole == 0)
    if within.any():
        short = expected_of_day(partly[within].astype(np.float64), known[within])
        silent[within], missed[within] = _is_silent(short, false), short.mean
    beyond = there & (whole > 0)
    if beyond.any():
        # What is longer than a day is judged by the days before it began.
        back = np.arange(1, DAYS)
        clear = (back > whole[:, None]) & (back <= known[:, None])
        each, part = days[beyond, 1:].astype(np.float64), partly[beyond].astype(np.float64)
        long = expected_of_days(each, part, clear[beyond], whole[beyond])
        silent[beyond], missed[beyond] = _is_silent(long, false), long.mean
    for row in np.flatnonzero(silent & beyond).tolist():
        silent[row] = empty[row] > _longest_gap(counts[row])
    return empty, silent, missed


def _is_silent(expected: Expected, false: float) -> Marks:
    # None is never less likely than by chance alone, exp(−mean): most need no closer look.
    marked = expected.telling & (expected.mean > -math.log(false))
    if marked.any():
        some = expected.only(marked)
        marked[marked] = chance_of_none(some.mean, some.doubt, some.scatter()) < false
    return marked


def _longest_gap(counts: Integers) -> int:
    """The most whole hours without an event between two that had some: where weekends are empty, they were before."""
    some = np.flatnonzero(counts)
    return int(np.diff(some).max(initial=1)) - 1


def _hours_since(counts: Integers, expected: float) -> int:
    """How many whole hours ago the last 24 began to differ: where the sum of seen − expected turns for good (the CUSUM
    of Page 1954), an hour's expectation being what the same hour of the week before had."""
    last = counts[WHOLE_HOURS - 24 : WHOLE_HOURS]
    week = counts[WHOLE_HOURS - 192 : WHOLE_HOURS - 24].reshape(7, 24).sum(axis=0)
    usual = week * (expected / max(int(week.sum()), 1))
    # Halfway between the usual and what a break would have, so that chance before it does not count as part of it.
    factor = (_HALF + 1) / 2 if last.sum() < expected else (_DOUBLE + 1) / 2
    apart = np.concatenate(([0.0], np.cumsum(last - factor * usual)))
    turn = np.argmax(apart) if last.sum() < expected else np.argmin(apart)
    return 24 - min(int(turn), 23)
