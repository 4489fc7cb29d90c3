"""How complete the recent past is: how late events come in, and whether they still come."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from kizashi_collector.analysis._percentiles import rank
from kizashi_collector.analysis._table import Column

__all__ = ["FRESHNESS_SPAN_MS", "complete_until", "complete_until_from", "complete_until_of", "freshness_start"]

FRESHNESS_SPAN_MS = 24 * 60 * 60 * 1000
"""Lateness is judged by what was received in the last 24 hours, the minute in which they begin included."""

_MINUTE_MS = 60_000


def freshness_start(as_of: int) -> int:
    """The millisecond before the minute, of the epoch, in which as_of − 24 h lies: what came after it is judged by."""
    return (as_of - FRESHNESS_SPAN_MS) // _MINUTE_MS * _MINUTE_MS - 1


def complete_until(receipts: Iterable[tuple[int, int]], *, last_receipt: int | None, as_of: int) -> int | None:
    """The instant up to which events have, as far as can be told, all arrived; None before any was received.

    `receipts` are (received_at, time) of the events received in (freshness_start(as_of), as_of], imports left out;
    `last_receipt` is the last one ever up to as_of. It is as_of − the 99.9th percentile of (received_at − time), and
    not later than the last receipt while the silence since then is longer than 99.9 % of the gaps between receipts
    (events that came in one request are one receipt).
    """
    columns = np.array(list(receipts), np.int64).reshape(-1, 2)
    return complete_until_of(columns[:, 0], columns[:, 1], last_receipt=last_receipt, as_of=as_of)


def complete_until_of(received_at: Column, time: Column, *, last_receipt: int | None, as_of: int) -> int | None:
    """The same, from columns."""
    if not len(received_at):
        return last_receipt
    ordered = np.sort(received_at)
    gaps = ordered[1:] - ordered[:-1]
    gaps = gaps[gaps > 0]
    return complete_until_from(
        lag=_nearest_rank(np.maximum(0, received_at - time)),
        gap=_nearest_rank(gaps) if len(gaps) else 0,
        last_receipt=last_receipt,
        as_of=as_of,
    )


def complete_until_from(*, lag: int | None, gap: int, last_receipt: int | None, as_of: int) -> int | None:
    """The same, from the 99.9th percentiles, by nearest rank, of how late events came, None where none did, and of the
    gaps between receipts, 0 where there is none."""
    if last_receipt is None or lag is None:
        return last_receipt
    until = as_of - lag
    return min(until, last_receipt) if as_of - last_receipt > gap else until


def _nearest_rank(numbers: Column) -> int:
    """The 99.9th percentile by nearest rank."""
    place = rank(len(numbers), 999)
    return int(np.partition(numbers, place)[place])
