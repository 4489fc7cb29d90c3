"""Percentiles of whole numbers, exact."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["nearest_rank"]


def nearest_rank(ordered: Sequence[int], per_mille: int) -> int:
    """The percentile by nearest rank: the ⌈p·n⌉-th smallest of n ≥ 1 sorted values, p in thousandths."""
    return ordered[max(0, -(-per_mille * len(ordered) // 1000) - 1)]
