"""The events of some owners, each owner's in the order of time, and how they are come by from a sorted bucket.

An owner is an actor, or an actor under a key of a breakdown that runs the funnel anew.
"""

from __future__ import annotations

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from kizashi_collector.analysis._column_funnel._conditions import Masks
from kizashi_collector.analysis._column_funnel._kind import Kind
from kizashi_collector.analysis._column_funnel._mattering import Mattering
from kizashi_collector.analysis._column_funnel._order import Bucket, Layout
from kizashi_collector.analysis._table import Column

__all__ = ["Timelines", "timelines_of"]

_BEYOND = int(np.iinfo(np.int64).max)


class Timelines(Struct, frozen=True, eq=False):
    """Events in order of owner and time. A moment is the owner's number above the time, as the layout has it; there is
    one moment more than events, beyond all. The owners' numbers ascend.

    No two events of an owner that might take each other's place are of one instant.
    """

    layout: Layout
    moment: Column
    mask: Masks
    excluded: Masks | None
    row: Column

    def __len__(self) -> int:
        return len(self.mask)

    @property
    def owner(self) -> Column:
        """The number of each event's owner."""
        owners: Column = self.moment[:-1] >> self.layout.time_bits
        return owners

    @property
    def time(self) -> Column:
        """The time of each event."""
        return self.layout.times(self.moment[:-1])

    def owned(self, owner: Column, place: NDArray[np.intp] | Column, mask: Masks | None = None) -> Timelines:
        """The events of these places in the hands of other owners, perhaps with other masks; some may be in several."""
        bits = self.layout.time_bits
        moment = np.empty(len(place) + 1, np.int64)
        np.left_shift(owner, bits, out=moment[:-1])
        moment[:-1] |= self.moment.take(place) & ((1 << bits) - 1)
        moment[-1] = _BEYOND
        return Timelines(
            self.layout,
            moment,
            self.mask.take(place) if mask is None else mask,
            None if self.excluded is None else self.excluded.take(place),
            self.row.take(place),
        )


def timelines_of(bucket: Bucket, layout: Layout, kind: Kind, mattering: Mattering) -> tuple[Timelines, Column]:
    """The events of a bucket, but for actors for whom it matters in what order those of one instant are taken; and the
    rows of those."""
    moment = np.empty(len(bucket.packed) + 1, np.int64)
    np.right_shift(bucket.packed, layout.step_bits, out=moment[:-1])
    moment[-1] = _BEYOND
    mask = mattering.masks.take(bucket.rows)
    excluded = None if mattering.excluded is None else mattering.excluded.take(bucket.rows)
    found = Timelines(layout, moment, mask, excluded, bucket.rows)
    tied = _tied(bucket, found, kind)
    if not len(tied):
        return found, np.zeros(0, bucket.rows.dtype)
    owner = found.owner
    apart = np.isin(owner, np.unique(owner[tied]))
    (others,) = np.nonzero(~apart)
    return found.owned(owner[others], others), bucket.rows[apart]


def _tied(bucket: Bucket, found: Timelines, kind: Kind) -> Column:
    """Places of events that share their instant with another one, where their order may matter."""
    moment, mask = found.moment[:-1], found.mask
    if kind.strict:
        # Whatever comes in between ends an attempt, in any order.
        same = moment[1:] == moment[:-1]
        same &= (mask[1:] | mask[:-1]) != 0
        return np.flatnonzero(same)
    if kind.ordered and not kind.one_at_a_time:
        # Where events fit one step each they are in the order of the steps, which advances furthest; only of those
        # alike it is up to their ids. Where one fits several, all of an instant are packed alike.
        same = bucket.packed[1:] == bucket.packed[:-1]
        same &= mask[1:] != 0
        return np.flatnonzero(same)
    (fitting,) = np.nonzero(mask)
    moments = moment.take(fitting)
    return fitting[np.flatnonzero(moments[1:] == moments[:-1])]
