"""Bins by their lower edges: a binary search over constants, which ClickHouse has as `roundDown`."""

from __future__ import annotations

from collections.abc import Sequence

from kizashi_collector.analysis import LagGrid

__all__ = ["MINUTE_MS", "SIZES", "edges", "lag_edge", "size_edge"]

MINUTE_MS = 60_000


def edges(grid: LagGrid) -> dict[int, int]:
    """The bin of each lower edge, in minutes: but for the horizon they are whole ones."""
    return {edge // MINUTE_MS: number for number, edge in enumerate(grid.edges[:-1])}


def lag_edge(minutes: str, grid: LagGrid) -> str:
    """The lower edge of the bin of a lag, both in whole minutes."""
    return _rounded_down(minutes, [*edges(grid)])


def _sizes() -> dict[int, int]:
    found = {0: 0, 1: 1, 2: 5, 3: 7}
    for bits in range(2, 57):
        for quarter in range(4):
            found[(4 + quarter) << (bits - 2)] = 4 * bits + quarter + 1
    return found


SIZES = _sizes()
"""The `amount_bin` of each amount that is the least of its bin, up to 2**57."""


def size_edge(amount: str) -> str:
    """The least amount of the bin of an amount."""
    return _rounded_down(amount, [*SIZES])


def _rounded_down(number: str, to: Sequence[int]) -> str:
    return f"roundDown(toUInt64({number}), [{', '.join(f'toUInt64({edge})' for edge in to)}])"
