"""The store that was chosen, and what is to be done for it while the collector runs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack
from typing import Any

from msgspec import Struct

from kizashi_collector.cli._settings import SettingsError, given_keys
from kizashi_collector.http import Metrics
from kizashi_collector.ingest import Clock, PlanHistory
from kizashi_collector.store import Answers, Companion, InThread, Keeper, KeyRing, Keys, Log, LogAnswers, SqliteLog

__all__ = ["Store", "open_store"]

Settings = dict[str, Any]


class Store(Struct, frozen=True):
    """A store that is open. `keys` is None in development without keys. `keep_up`, if there is any, runs as long as the
    collector serves, and is given what puts the plan in force that was posted last.
    """

    log: Log
    plans: PlanHistory
    answers: Answers
    keys: Keys | None
    keep_up: Callable[[Callable[[], Coroutine[Any, Any, object]]], Coroutine[Any, Any, None]] | None = None


async def open_store(
    settings: Settings,
    clock: Clock,
    metrics: Metrics,
    keeper: Keeper | None,
    opened: AsyncExitStack,
    *,
    dev: bool,
) -> Store:
    """Open the store that the settings name; it is closed with `opened`. Raises StoreError, SettingsError."""
    if settings["store"] == "sqlite":
        return _sqlite(settings, clock, metrics, keeper, opened, dev=dev)
    try:
        from kizashi_collector.store.clickhouse import (  # an extra
            Address,
            ClickHouseAnswers,
            ClickHouseKeys,
            ClickHouseLog,
            keep_up,
        )
    except ImportError:
        raise SettingsError(
            "--store clickhouse:// needs the extra `clickhouse`: pip install 'kizashi[collector,clickhouse]'"
        ) from None
    log = await asyncio.to_thread(
        ClickHouseLog,
        Address.of(settings["store"]),
        max_pending=settings["max_pending"],
        query_seconds=settings["query_timeout"] / 1000,
        on_commit=metrics.commit,
    )
    opened.push_async_callback(log.close)
    answers = ClickHouseAnswers(log, clock.now, refresh_seconds=settings["refresh"] / 1000)
    opened.push_async_callback(answers.close)
    keys = None
    if not dev:
        keys = await asyncio.to_thread(ClickHouseKeys, log.engine, clock=clock.now, given=given_keys())
    return Store(log, log, answers, keys, lambda load_plan: keep_up(log, answers, keys, load_plan))


def _sqlite(
    settings: Settings,
    clock: Clock,
    metrics: Metrics,
    keeper: Keeper | None,
    opened: AsyncExitStack,
    *,
    dev: bool,
) -> Store:
    log = SqliteLog(
        settings["data"],
        max_pending=settings["max_pending"],
        query_seconds=settings["query_timeout"] / 1000,
        on_commit=metrics.commit,
    )
    opened.push_async_callback(log.close)
    answers = LogAnswers(log, InThread(log, clock.now) if keeper is None else Companion(log, keeper))
    opened.push_async_callback(answers.close)
    keys = None
    if not dev:
        keys = KeyRing(settings["data"], clock=clock.now, given=given_keys())
        opened.callback(keys.close)
    return Store(log, log, answers, keys)
