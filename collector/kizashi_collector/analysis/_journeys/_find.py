"""The journeys of all actors of a table: the same as `walk_journeys` finds, by the column."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from msgspec import Struct

from kizashi_collector.analysis._events import LoggedEvent
from kizashi_collector.analysis._journeys._journeys import CONVERTED, NEVER, RETRACTED, UNENDED, Journeys
from kizashi_collector.analysis._journeys._ladder import Ladder
from kizashi_collector.analysis._journeys._order import Bucket, Moments, buckets
from kizashi_collector.analysis._journeys._starts import journey_starts
from kizashi_collector.analysis._matching import Check
from kizashi_collector.analysis._table import LARGEST, CodeColumn, Codes, Column, EventTable
from kizashi_collector.analysis._table_money import Money
from kizashi_collector.analysis._worth import Worth

__all__ = ["find_journeys"]


def find_journeys(
    table: EventTable,
    codes: Codes,
    ladder: Ladder,
    *,
    worth: Worth,
    adjusted: Mapping[int, LoggedEvent],
    as_of: int,
    check: Check = lambda: None,
) -> Journeys:
    """Find the journeys among the events of a table, in any order, of which those up to as_of count.

    They must reach back to the actors' first events, or at least to where no journey was open. `worth` is of the plan
    whose ladder this is; `adjusted` holds those events, by their number, that it knows adjustments of. `check` is
    called between passes over some 100,000 events, and what it raises ends the work.
    """
    moments, ordered = buckets(table, ladder.ranks(codes.names), as_of=as_of, horizon_ms=ladder.horizon_ms, check=check)
    parts = [_Found.of(bucket, moments, ladder, table) for bucket in ordered]
    found = _Found.joined(parts, table, ladder)
    check()
    return found.valued(table, codes, worth, adjusted)


class _Found(Struct):
    """Journeys whose finals are known by their rows in the table, NEVER where there is none."""

    actor: CodeColumn
    begin: Column
    source: CodeColumn
    deepest: np.ndarray[tuple[int], np.dtype[np.int16]]
    reached: Column
    final: Column

    @classmethod
    def of(cls, bucket: Bucket, moments: Moments, ladder: Ladder, table: EventTable) -> _Found:
        depths = ladder.depths_by_rank().take(bucket.ranks)
        first = journey_starts(bucket.moments, depths, ladder, moments.reach)
        last = np.append(first[1:], len(depths)) - 1
        width = ladder.final
        is_final = depths == width
        # A cell for each journey and depth. Along the events of a journey, a step is deeper where the cell grows.
        cell = np.repeat(np.arange(0, len(first) * width, width), last - first + 1)
        cell += np.where(is_final, 0, depths)
        peak = np.maximum.accumulate(cell)
        deeper = np.append(True, peak[1:] > peak[:-1])
        deeper &= ~is_final
        reached = np.full((len(first), width), NEVER, np.int64)
        reached.reshape(-1)[cell[deeper]] = moments.times(bucket.moments[deeper])
        deepest = peak[last] % width
        deepest[is_final[first]] = ladder.final
        return cls(
            actor=table.actor.take(bucket.rows[first]),
            begin=moments.times(bucket.moments[first]),
            source=_credited(table.source.take(bucket.rows), first, ladder),
            deepest=deepest.astype(np.int16),
            reached=reached,
            final=np.where(is_final[last], bucket.rows[last], NEVER),
        )

    @classmethod
    def joined(cls, parts: list[_Found], table: EventTable, ladder: Ladder) -> _Found:
        none = np.zeros(0, np.int64)
        empty = cls(
            actor=table.actor[:0],
            begin=none,
            source=table.source[:0],
            deepest=none.astype(np.int16),
            reached=np.zeros((0, ladder.final), np.int64),
            final=none,
        )
        columns = []
        for name in cls.__struct_fields__:
            columns.append(np.concatenate([getattr(part, name) for part in (empty, *parts)]))
            for part in parts:
                # Millions of journeys are not to be held twice.
                setattr(part, name, none)
        return cls(*columns)

    def valued(self, table: EventTable, codes: Codes, worth: Worth, adjusted: Mapping[int, LoggedEvent]) -> Journeys:
        """Say how they ended, and what that brought."""
        (at,) = np.nonzero(self.final != NEVER)
        rows = self.final[at]
        final = np.zeros(len(self.final), table.name.dtype)
        final[at] = table.name[rows]
        end = np.full(len(self.final), NEVER, np.int64)
        end[at] = table.time[rows]
        money = Money.of(
            table.seq[rows],
            table.value[rows],
            table.currency[rows],
            codes=codes,
            plan=worth.plan,
            worth=worth,
            adjusted=adjusted,
        )
        ended = np.full(len(self.final), UNENDED, np.int8)
        ended[at] = np.where(money.retracted, RETRACTED, CONVERTED)
        brought = np.zeros(len(self.final), np.int64)
        amounts, apart = _brought(final[at], money, codes, worth)
        brought[at] = amounts
        return Journeys(
            actor=self.actor,
            begin=self.begin,
            source=self.source,
            deepest=self.deepest,
            reached=self.reached,
            ended=ended,
            end=end,
            final=final,
            brought=brought,
            apart={int(at[place]): amount for place, amount in apart.items()},
        )


def _credited(source: CodeColumn, first: Column, ladder: Ladder) -> CodeColumn:
    """The source of the last, or first, event with one, of journeys that begin at these places."""
    places = np.arange(len(source))
    if ladder.credit == "last":
        at = np.maximum.reduceat(np.where(source != 0, places, -1), first)
        # Where none has a source, that of any event of its own will do: it is 0.
        return source.take(np.maximum(at, first))
    at = np.minimum.reduceat(np.where(source != 0, places, len(source)), first)
    return source.take(np.where(at < len(source), at, first))


def _brought(names: CodeColumn, money: Money, codes: Codes, worth: Worth) -> tuple[Column, dict[int, int | None]]:
    """What finals of these names stand at; by place what no column can say."""
    events = worth.plan.events if worth.plan is not None else {}
    numbers, carries = np.zeros(len(codes.names), np.int64), np.zeros(len(codes.names), np.bool_)
    for code, name in enumerate(codes.names):
        value = events[name].value if name in events else None
        carries[code] = value == "event"
        numbers[code] = value if isinstance(value, int) else 0
    as_sent = carries[names]
    amounts = np.where(as_sent, money.sent, numbers[names])
    apart: dict[int, int | None] = {place: amount for place, amount in money.large.items() if as_sent[place]}
    apart |= dict.fromkeys(np.flatnonzero(money.rateless & as_sent).tolist())
    for place, amount in money.stands.items():
        apart.pop(place, None)
        amounts[place] = 0
        if amount is None or amount >= LARGEST:
            apart[place] = amount
        else:
            amounts[place] = amount
    return amounts, apart
