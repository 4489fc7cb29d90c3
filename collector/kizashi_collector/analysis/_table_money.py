"""What the events of a table are worth, by the column: the same amounts as `Worth` tells of one event."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from kizashi_collector.analysis._events import LoggedEvent
from kizashi_collector.analysis._table import LARGEST, NO_VALUE, CodeColumn, Codes, Column, different
from kizashi_collector.analysis._worth import Worth
from kizashi_schemas import to_currency
from kizashi_schemas.plan import Plan

__all__ = ["Money"]


class Money(Struct, frozen=True, eq=False):
    """What some events are worth, each: as sent, and as it stands where the plan takes what it carries.

    Amounts that do not fit a column, and events that were adjusted, are kept apart by their place.
    """

    sent: Column
    rateless: NDArray[np.bool_]
    large: dict[int, int]
    stands: dict[int, int | None]
    retracted: NDArray[np.bool_]
    currency: Column

    @classmethod
    def of(
        cls,
        seq: Column,
        value: Column,
        currencies: CodeColumn,
        *,
        codes: Codes,
        plan: Plan | None,
        worth: Worth,
        adjusted: Mapping[int, LoggedEvent],
    ) -> Money:
        """Value the events that have these numbers in the log, values and currencies; `adjusted` as elsewhere."""
        valued = value != NO_VALUE
        sent = np.where(valued, value, 0)
        rateless = np.zeros(len(seq), np.bool_)
        large: dict[int, int] = {}
        currency: Column = np.where(valued, currencies, 0)
        for code in different(currency):
            rate = plan.rate(codes.currencies[code]) if plan is not None and code else None
            if not code or plan is None or codes.currencies[code] == plan.currency:
                continue
            (at,) = np.nonzero(currency == code)
            if rate is None:
                rateless[at] = True
                sent[at] = 0
                continue
            amounts, inverse = np.unique(sent[at], return_inverse=True)
            converted = [to_currency(amount, rate) for amount in amounts.tolist()]
            sent[at] = np.array([amount if amount < LARGEST else 0 for amount in converted], np.int64)[inverse]
            if max(converted) >= LARGEST:
                large |= {
                    where: converted[which]
                    for where, which in zip(at.tolist(), inverse.tolist(), strict=True)
                    if converted[which] >= LARGEST
                }
        stands: dict[int, int | None] = {}
        retracted = np.zeros(len(seq), np.bool_)
        if adjusted:
            (at,) = np.nonzero(np.isin(seq, np.fromiter(adjusted, np.int64, len(adjusted))))
            for where in at.tolist():
                event = adjusted[int(seq[where])]
                stands[where] = worth.declared(event)
                retracted[where] = worth.retracted(event)
        return cls(sent, rateless, large, stands, retracted, currency)

    def only_currency(self, codes: Codes) -> str | None:
        """The currency that all values are in, if there is one."""
        found = [code for code in different(self.currency) if code]
        return codes.currencies[found[0]] if len(found) == 1 else None
