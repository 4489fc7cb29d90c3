"""Which steps or exclusions each event fits, as bits: by tables over codes, and by properties only where it must."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from kizashi_collector.analysis._events import PropertyValue
from kizashi_collector.analysis._matching import Check, json_equal
from kizashi_collector.analysis._table import CodeColumn, Codes, Column
from kizashi_schemas import Exclusion, Step

__all__ = ["Conditions", "Details", "Masks"]

Masks = NDArray[np.unsignedinteger[Any]]
"""For each event a number whose bit k says that the event fits condition k."""

_MISSING = object()
_ASKED = 1 << 13
"""Events whose properties are asked for at one time."""


class Details(Protocol):
    """What columns do not hold. It is asked about events by their numbers in the log, which ascend and do not repeat,
    and answers in their order."""

    def ids(self, seqs: Sequence[int]) -> Sequence[str]:
        """The ids of these events."""

    def properties(self, seqs: Sequence[int]) -> Sequence[Mapping[str, PropertyValue]]:
        """The properties of these events."""


class _Wanted(Struct, frozen=True):
    bit: int
    conditions: list[tuple[str, list[PropertyValue]]]

    def holds(self, properties: Mapping[str, PropertyValue]) -> bool:
        return all(
            any(json_equal(properties.get(name, _MISSING), value) for value in values)
            for name, values in self.conditions
        )


class Conditions(Struct, frozen=True, eq=False):
    """Up to 64 conditions made ready for one set of codes."""

    by_name: Masks
    by_source: Masks | None
    wanted: list[_Wanted]

    @classmethod
    def of(cls, conditions: Sequence[Step | Exclusion], codes: Codes) -> Conditions:
        """Make them ready. A name that is new since a table was read is in none of its events."""
        kind = np.min_scalar_type((1 << len(conditions)) - 1)
        by_name = np.zeros(len(codes.names), kind)
        placed = [_placed(condition) for condition in conditions]
        for at, condition in enumerate(conditions):
            bit = kind.type(1 << at)
            fits = [condition.event in ("*", name) for name in codes.names]
            by_name[fits] |= bit
        by_source: Masks | None = None
        if any(sources for sources, _ in placed):
            by_source = np.full(len(codes.sources), (1 << len(conditions)) - 1, kind)
            for at, (sources, _) in enumerate(placed):
                if sources:
                    fits = [_source_fits(source, sources) for source in codes.sources]
                    by_source[~np.array(fits, np.bool_)] &= ~kind.type(1 << at)
        wanted = [_Wanted(1 << at, properties) for at, (_, properties) in enumerate(placed) if properties]
        return cls(by_name, by_source, wanted)

    def masks(self, name: CodeColumn, source: CodeColumn, seq: Column, details: Details, check: Check) -> Masks:
        """The conditions that each event fits. Properties are asked of those alone that fit otherwise."""
        masks = self.by_name.take(name)
        if self.by_source is not None:
            masks &= self.by_source.take(source)
        if self.wanted:
            (places,) = np.nonzero(masks & masks.dtype.type(sum(one.bit for one in self.wanted)))
            places = places[seq[places].argsort()]
            for begin in range(0, len(places), _ASKED):
                check()
                some = places[begin : begin + _ASKED]
                properties = details.properties(seq[some].tolist())
                mended = [self._mended(*one) for one in zip(masks[some].tolist(), properties, strict=True)]
                masks[some] = np.array(mended, masks.dtype)
        return masks

    def _mended(self, mask: int, properties: Mapping[str, PropertyValue]) -> int:
        for one in self.wanted:
            if mask & one.bit and not one.holds(properties):
                mask &= ~one.bit
        return mask

    @property
    def plain(self) -> bool:
        """Whether the name alone decides."""
        return self.by_source is None and not self.wanted


def _placed(
    condition: Step | Exclusion,
) -> tuple[list[tuple[str, list[PropertyValue]]], list[tuple[str, list[PropertyValue]]]]:
    """The conditions on the source, and those on properties."""
    places: dict[str, list[tuple[str, list[PropertyValue]]]] = {"source": [], "properties": []}
    for key, value in condition.where.items():
        kind, _, name = key.partition(".")
        places[kind].append((name, value if isinstance(value, list) else [value]))
    return places["source"], places["properties"]


def _source_fits(source: Mapping[str, str], conditions: Sequence[tuple[str, list[PropertyValue]]]) -> bool:
    """A field that is missing counts as the empty string."""
    return all(any(json_equal(source.get(name, ""), value) for value in values) for name, values in conditions)
