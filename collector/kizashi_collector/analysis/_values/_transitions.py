"""The transitions of a ladder: from each state to each deeper one, the last of which is the final."""

from __future__ import annotations

__all__ = ["Transition", "transitions"]

Transition = tuple[int, int]
"""From a state (0 below the ladder, 1 … steps) to a deeper one (steps + 1 is the final)."""


def transitions(steps: int) -> tuple[Transition, ...]:
    """All of them, by where they begin, then by where they end."""
    return tuple((m, j) for m in range(steps + 1) for j in range(m + 1, steps + 2))
