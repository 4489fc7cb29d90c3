"""What a collector does for its store beside answering: it hears of plans and keys, settles batches, and learns."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable

from kizashi_collector.store._clickhouse._answers import ClickHouseAnswers
from kizashi_collector.store._clickhouse._keys import ClickHouseKeys
from kizashi_collector.store._clickhouse._log import ClickHouseLog
from kizashi_collector.store._protocol import StoreError

__all__ = ["keep_up"]

_log = logging.getLogger("kizashi.store")
_NEWS_S, _SEAL_S, _LEARN_S = 1.0, 20.0, 30.0


async def keep_up(
    log: ClickHouseLog,
    answers: ClickHouseAnswers,
    keys: ClickHouseKeys | None,
    load_plan: Callable[[], Awaitable[object]],
    *,
    chance: Callable[[], float] = random.random,
) -> None:
    """Do all of it until cancelled. `load_plan` puts the plan in force that was posted last, wherever that was.

    What fails is tried again. Collectors that start together do not all do the same at one time: by `chance`, from 0
    to 1.
    """

    async def news() -> None:
        if keys is not None:
            await log.run(keys.refresh)
        await load_plan()

    await asyncio.gather(
        _again(news, _NEWS_S, "hear of new plans and keys", chance),
        _again(log.seal, _SEAL_S, "settle batches for good", chance),
        _again(answers.learn, _LEARN_S, "learn values", chance, first=_NEWS_S),
    )


async def _again(
    do: Callable[[], Awaitable[object]],
    seconds: float,
    what: str,
    chance: Callable[[], float],
    *,
    first: float | None = None,
) -> None:
    told, pause = None, seconds if first is None else first
    while True:
        await asyncio.sleep(pause * (0.75 + 0.5 * chance()))
        pause = seconds
        try:
            await do()
        except StoreError as error:
            # Once for each trouble.
            if str(error) != told:
                _log.warning("cannot %s: %s; it is tried again", what, error)
            told = str(error)
        except Exception:  # noqa: BLE001  # whatever it was, the rest goes on
            _log.exception("cannot %s", what)
        else:
            told = None
