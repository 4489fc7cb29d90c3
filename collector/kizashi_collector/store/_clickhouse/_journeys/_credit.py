"""What a journey is credited to: some fields of a source, carried along as one number."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from kizashi_collector.store._clickhouse._journeys._kept import KeptJourneys
from kizashi_collector.store._clickhouse._rows import DIMENSIONS
from kizashi_collector.store._clickhouse._sql import Parameters, View

__all__ = ["Credit"]


class Credit(Struct, frozen=True):
    """Expressions over the rows of events: `fields`, the texts of the fields ('' where missing), and `source`, a hash
    of them, 0 of an event without a source, which no journey is credited to."""

    fields: tuple[str, ...]
    source: str

    @classmethod
    def of(cls, fields: Sequence[str], parameters: Parameters) -> Credit:
        """Those of these fields of a source."""
        texts = tuple(
            f"toString({field})" if field in DIMENSIONS else f"more[{parameters.add(field, 'String')}]"
            for field in fields
        )
        # Each text is hashed by itself first: a column of few distinct ones hashes each of them once.
        hashes = ", ".join(
            f"sipHash64({field if field in DIMENSIONS else text})" for field, text in zip(fields, texts, strict=True)
        )
        return cls(texts, f"if(sourced, greatest(sipHash64({hashes or '0'}), 1), toUInt64(0))")

    def names_sql(self, view: View, where: str, kept: KeptJourneys | None = None, which: str = "1") -> str:
        """A SELECT of `source` and k0, k1, …, the texts that it stands for, of the rows where a condition holds, and
        of kept journeys where `which` does."""
        places = range(len(self.fields))
        texts = "".join(f", {text} AS k{place}" for place, text in enumerate(self.fields))
        sent = f"SELECT {self.source} AS source{texts} FROM {view.table} WHERE {where} AND sourced"
        if kept is not None:
            those = f"{kept.numbered} AND sourced AND {which}"
            sent += f" UNION ALL SELECT {self.source}{texts} FROM {kept.table} WHERE {those}"
        named = "".join(f", any(k{place}) AS k{place}" for place in places)
        return f"SELECT source{named} FROM ({sent}) GROUP BY source"
