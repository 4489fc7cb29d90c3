"""The keys of a breakdown: what each event's source and properties say, as numbers."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from kizashi_collector.analysis._column_funnel._conditions import Details
from kizashi_collector.analysis._column_funnel._taken import Taken
from kizashi_collector.analysis._events import LoggedEvent
from kizashi_collector.analysis._funnel import key_of
from kizashi_collector.analysis._matching import Check
from kizashi_collector.analysis._table import Codes, Column, EventTable, different

__all__ = ["Keys"]

_BLOCK = 1 << 16
_ASKED = 1 << 13
_UNKNOWN = -1


class Keys:
    """Numbers keys as they are met; 0 is the key with nothing in it."""

    def __init__(self, table: EventTable, codes: Codes, by: tuple[str, ...], details: Details, check: Check) -> None:
        self._table, self._codes, self._by, self._details, self._check = table, codes, by, details, check
        self.properties = any(field.startswith("properties.") for field in by)
        self.keys: list[tuple[str, ...]] = [("",) * len(by)]
        self._places = {self.keys[0]: 0}
        self._of_source = np.full(0 if self.properties else len(codes.sources), _UNKNOWN)

    def of(self, rows: Column) -> Column:
        """The number of the key of each of these rows of the table."""
        block = _ASKED if self.properties else _BLOCK
        parts = [self._some(rows[at : at + block]) for at in range(0, len(rows), block)]
        return np.concatenate(parts) if parts else np.zeros(0, np.int64)

    def attributed(self, taken: Taken, attribution: str) -> Column:
        """The number of the first or last key with something in it among the events of each attempt."""
        group = np.zeros(len(taken), np.int64)
        steps = range(len(taken.who))
        for step in steps if attribution == "first" else reversed(steps):
            open_ = group[taken.who[step]] == 0
            group[taken.who[step][open_]] = self.of(taken.row[step][open_])
        return group

    def _some(self, rows: Column) -> Column:
        self._check()
        source = self._table.source[rows]
        if not self.properties:
            numbers: Column = self._of_source[source]
            unknown = source[numbers == _UNKNOWN]
            if len(unknown):
                for code in different(unknown):
                    self._of_source[code] = self._number(self._codes.sources[code], {})
                numbers = self._of_source[source]
            return numbers
        seq = self._table.seq[rows]
        order = seq.argsort()
        found = np.zeros(len(rows), np.int64)
        once, again = np.unique(seq[order], return_inverse=True)
        properties = self._details.properties(once.tolist())
        codes = source[order].tolist()
        found[order] = [
            self._number(self._codes.sources[code], properties[at])
            for code, at in zip(codes, again.tolist(), strict=True)
        ]
        return found

    def _number(self, source: Mapping[str, str], properties: Mapping[str, str | int | float | bool | None]) -> int:
        key = key_of(LoggedEvent(id="", name="", time=0, received_at=0, source=source, properties=properties), self._by)
        number = self._places.setdefault(key, len(self.keys))
        if number == len(self.keys):
            self.keys.append(key)
        return number
