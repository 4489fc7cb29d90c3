"""Percentiles of whole numbers, exact."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["nearest_rank", "rank"]


def rank(count: int, per_mille: int) -> int:
    """The place, from 0, of the percentile by nearest rank among `count` ≥ 1 sorted values, p in thousandths."""
    return max(0, -(-per_mille * count // 1000) - 1)


def nearest_rank(ordered: Sequence[int], per_mille: int) -> int:
    """The percentile by nearest rank: the ⌈p·n⌉-th smallest of n ≥ 1 sorted values, p in thousandths."""
    return ordered[rank(len(ordered), per_mille)]
