"""What is lost between the steps of a funnel: where the bottleneck is, and which row of a breakdown falls behind there.

The dashboard's static/funnel/figures.js finds the same; tests/collector/cli/funnel_losses.json holds both to it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from msgspec import Struct

from kizashi_schemas import FunnelStep

__all__ = ["FarBelow", "Loss", "far_below", "losses_of"]

# A share of fewer is mostly chance.
_ENOUGH = 30
_CLEAR_Z = 4.0
_CLEAR_POINTS = 0.1
_CLEAR_PART = 2 / 3


class Loss(Struct, frozen=True):
    """How many went no further than the step before that is not optional, and what share of those who were there.

    `bottleneck`: of all losses this is the greatest share, and the first where there are several. Where fewer than 30
    were there it is none, unless nothing is lost anywhere else.
    """

    count: int
    share: float
    bottleneck: bool


class FarBelow(Struct, frozen=True):
    """The row, by its place, that passes from one step to another far more seldom than all other rows together.

    `rate` and `others` are the shares of those at `before`, both places from 0, who went on to `step`.
    """

    row: int
    before: int
    step: int
    rate: float
    others: float


def losses_of(steps: Sequence[FunnelStep], optional: Sequence[int] = ()) -> list[Loss | None]:
    """The loss before each step; None before the first one, before optional ones, and where nobody was."""
    found: list[tuple[int, int] | None] = []
    before = 0
    for number, step in enumerate(steps):
        if number in optional:
            found.append(None)
            continue
        found.append((before - step.count, before) if before else None)
        before = step.count
    losing = [(at, *loss) for at, loss in enumerate(found) if loss is not None and loss[0] > 0]
    sure = [loss for loss in losing if loss[2] >= _ENOUGH]
    # Of equals `max` takes the first.
    worst = max(sure or losing, key=lambda loss: loss[1] / loss[2], default=(None,))[0]
    return [
        None if one is None else Loss(one[0], one[0] / one[1], bottleneck=at == worst) for at, one in enumerate(found)
    ]


def far_below(rows: Sequence[Sequence[FunnelStep]], optional: Sequence[int] = ()) -> FarBelow | None:
    """The greatest difference of a row's step rate to that of all other rows that is clear, if there is any.

    Clear is more than 4 standard errors, by a pooled two-proportion z-test, and 10 percentage points or a third of the
    others' rate. Optional steps are left out.
    """
    found: FarBelow | None = None
    before = 0
    for step in range(1, len(rows[0]) if rows else 0):
        if step in optional:
            continue
        all_came, all_went = (sum(row[at].count for row in rows) for at in (before, step))
        for number, row in enumerate(rows):
            came, went = row[before].count, row[step].count
            if not came or came == all_came:
                continue
            rate, others = went / came, (all_went - went) / (all_came - came)
            pooled = all_went / all_came
            error = math.sqrt(pooled * (1 - pooled) * (1 / came + 1 / (all_came - came)))
            below = others - rate
            clear = below > _CLEAR_Z * error and (below >= _CLEAR_POINTS or rate <= others * _CLEAR_PART)
            if clear and below > (found.others - found.rate if found else 0.0):
                found = FarBelow(number, before, step, rate, others)
        before = step
    return found
