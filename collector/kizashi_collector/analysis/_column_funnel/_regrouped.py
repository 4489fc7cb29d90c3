"""Breakdowns that run a funnel anew: each actor's events once more for every key, a limited number at one time."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from kizashi_collector.analysis._column_funnel._keys import Keys
from kizashi_collector.analysis._column_funnel._order import order_of
from kizashi_collector.analysis._column_funnel._timelines import Timelines
from kizashi_collector.analysis._matching import Check
from kizashi_collector.analysis._table import Column

__all__ = ["alone", "at_step"]

_AT_ONE_TIME = 1 << 18


def alone(lines: Timelines, keys: Keys, check: Check) -> Iterator[tuple[Timelines, Column]]:
    """The events of each key alone; with them the keys of the new owners, by their numbers."""
    key = keys.of(lines.row)
    check()
    count = len(keys.keys)
    pair = _numbered(lines.owner) * count + key
    order = order_of(pair, int(pair.max()).bit_length()) if len(pair) else pair
    pair = pair.take(order)
    (first,) = np.nonzero(np.append(True, pair[1:] != pair[:-1])[: len(pair)])
    sizes = np.diff(np.append(first, len(pair)))
    for begin, end in _portions(sizes):
        check()
        part = slice(first[begin], first[begin] + int(sizes[begin:end].sum()))
        owner = np.repeat(np.arange(end - begin), sizes[begin:end])
        yield lines.owned(owner, order[part]), pair[first[begin:end]] % count


def at_step(lines: Timelines, step: int, since: int, keys: Keys, check: Check) -> Iterator[tuple[Timelines, Column]]:
    """An actor's events once for each key of those after an instant that fit a step, others not fitting it there; with
    them the keys of the new owners, by their numbers."""
    bit = lines.mask.dtype.type(1 << step)
    (fitting,) = np.nonzero(lines.mask & bit)
    key = np.full(len(lines), -1, np.int64)
    key[fitting] = keys.of(lines.row.take(fitting))
    naming = fitting[(key.take(fitting) > 0) & (lines.time.take(fitting) > since)]
    check()
    actor = _numbered(lines.owner)
    count = len(keys.keys)
    pairs = np.unique(actor.take(naming) * count + key.take(naming))
    whose, named = pairs // count, pairs % count
    first = np.searchsorted(actor, whose)
    sizes = np.searchsorted(actor, whose, "right") - first
    for begin, end in _portions(sizes):
        check()
        own = sizes[begin:end]
        owner = np.repeat(np.arange(end - begin), own)
        place = np.arange(len(owner)) + np.repeat(first[begin:end] - (np.cumsum(own) - own), own)
        of_place = key.take(place)
        mask = lines.mask.take(place)
        mask[(of_place >= 0) & (of_place != named[begin:end].take(owner))] &= ~bit
        yield lines.owned(owner, place, mask), named[begin:end]


def _numbered(owner: Column) -> Column:
    """Owners in their order, as numbers from 0 without gaps."""
    numbers: Column = np.cumsum(np.append(False, owner[1:] != owner[:-1])[: len(owner)])
    return numbers


def _portions(sizes: Column) -> Iterator[tuple[int, int]]:
    """Runs of groups of these sizes that are of some thousand events together, or of one group."""
    ends = np.cumsum(sizes)
    begin = 0
    while begin < len(sizes):
        before = int(ends[begin - 1]) if begin else 0
        end = max(begin + 1, int(np.searchsorted(ends, before + _AT_ONE_TIME, "right")))
        yield begin, end
        begin = end
