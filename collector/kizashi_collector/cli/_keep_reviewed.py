"""A review that is ready when somebody opens the page: over a large log it takes seconds to count."""

from __future__ import annotations

import asyncio
import logging

from kizashi_collector.http import Services
from kizashi_collector.store import StoreError

__all__ = ["keep_reviewed"]

_log = logging.getLogger("kizashi")
_AGE_MS = 30 * 60_000
_LOOK_S = 15 * 60.0
_LEARNING_S = 5.0


async def keep_reviewed(services: Services) -> None:
    """Have a review counted that is at most half an hour old, as soon as values are learned and until cancelled."""
    while True:
        plan = services.plans.current
        learned = plan is not None and services.answers.state().learned_until is not None
        if plan is not None and learned:
            try:
                await services.answers.values(plan, services.clock.now(), max_age_ms=_AGE_MS)
            except StoreError as error:
                _log.debug("no review was counted: %s", error)
        await asyncio.sleep(_LOOK_S if learned else _LEARNING_S)
