"""What back-tests missed in one direction: by how much all that open journeys will still bring is moved.

Chances are chained from step to step as if it did not matter how a journey came to a step. In life it does: visitors
who come back another day go on to buy more often than those who click through, and those are the journeys that stand
open. Whatever the cause, back-tests show it: so many finals foretold, so many come. Their ratio is taken over as far as
it can be trusted, as the mean of a gamma posterior about 1 for a Poisson rate. Counts of different weeks that scatter
more than Poisson ones are worth less by so much (the dispersion of a quasi-likelihood, McCullagh and Nelder 1989).
"""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["LEAST_TESTS", "PRIOR_FINALS", "recalibration"]

PRIOR_FINALS = 25.0
"""The ratio is taken for 1 ± 0.2 before anything was seen, as if 25 finals had come where 25 were foretold."""

LEAST_TESTS = 3
"""Fewer weeks do not say how weeks scatter, and the first of a shop are those of a model that knew next to nothing."""


def recalibration(foretold: Sequence[float], happened: Sequence[float], overlap: float) -> float:
    """The factor, from finals foretold at several instants and those that came; above 0, and 1 where there are too
    few. `overlap` says in how many instants a journey may count, at least 1."""
    told = [(f, h) for f, h in zip(foretold, happened, strict=True) if f > 0]
    if len(told) < LEAST_TESTS:
        return 1.0
    expected, came = sum(f for f, _ in told), sum(h for _, h in told)
    ratio = max(came, 1.0) / expected
    scatter = sum((h - ratio * f) ** 2 / (ratio * f) for f, h in told)
    less = max(scatter / (len(told) - 1), 1.0) * overlap
    return (PRIOR_FINALS + came / less) / (PRIOR_FINALS + expected / less)
