"""Exact sums of amounts and of their squares, which outgrow 64 bits, and the sizes by which amounts are counted."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from kizashi_collector.analysis._values._grid import Integers

__all__ = ["amount_bin", "exact_sums"]

_LIMB = 20
_MASK = (1 << _LIMB) - 1


def exact_sums(amounts: NDArray[np.int64], starts: Integers) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Σy and Σy² of each run of `amounts` that begins at `starts`, 0 ≤ y < 2**60.

    Three limbs of 20 bits: a product of two has 40 bits, so that 2**22 of them, two of a kind, stay within 63.
    """
    if not len(starts):
        return (), ()
    limbs = [(amounts >> (_LIMB * n)) & _MASK for n in range(3)]
    totals = [0] * len(starts)
    squares = [0] * len(starts)
    for n, limb in enumerate(limbs):
        for group, part in enumerate(np.add.reduceat(limb, starts).tolist()):
            totals[group] += part << (_LIMB * n)
        for m in range(n + 1):
            products = np.add.reduceat(limb * limbs[m], starts).tolist()
            for group, part in enumerate(products):
                squares[group] += (part if m == n else 2 * part) << (_LIMB * (n + m))
    return tuple(totals), tuple(squares)


def amount_bin(amounts: NDArray[np.int64]) -> NDArray[np.int64]:
    """A size for each amount: four to each power of two, from its highest three bits; 0 for nothing. Integers alone."""
    bits = np.zeros(len(amounts), np.int64)
    rest = amounts.copy()
    for shift in (32, 16, 8, 4, 2, 1):
        high = rest >= (1 << shift)
        bits[high] += shift
        rest = np.where(high, rest >> shift, rest)
    # `rest` is now the leading 1 (or 0); the two bits below it make the quarter.
    quarter = np.where(bits >= 2, (amounts >> np.maximum(bits - 2, 0)) & 3, (amounts << np.maximum(2 - bits, 0)) & 3)
    return np.where(amounts > 0, 4 * bits + quarter + 1, 0)
