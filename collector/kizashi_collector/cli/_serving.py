"""Put the parts together, serve, and drain at SIGTERM."""

from __future__ import annotations

import argparse
import asyncio
import gc
import ipaddress
import logging
import os
import signal
import socket
import sqlite3
import sys
from contextlib import AsyncExitStack
from typing import Any

from aiohttp import web

from kizashi_collector.cli._keep_reviewed import keep_reviewed
from kizashi_collector.cli._logging import set_up_logging
from kizashi_collector.cli._settings import SettingsError, resolve
from kizashi_collector.cli._stores import open_store
from kizashi_collector.dashboard import add_dashboard
from kizashi_collector.http import Limits, Metrics, Services, Watch, make_runner, open_file_room
from kizashi_collector.ingest import Clock, Ingest, PlanBook
from kizashi_collector.store import (
    SCOPES,
    Keeper,
    Keys,
    StoreError,
    accompany,
    give_back_large,
    keep_retention,
)
from kizashi_schemas import KizashiError, PlanError

__all__ = ["serve"]

_log = logging.getLogger("kizashi.serve")
# With the second that aiohttp gets below, short of the 10 s after which container engines send SIGKILL.
_DRAIN_S = 6


def serve(args: argparse.Namespace) -> int:
    """Serve until SIGTERM, as the options of `kizashi serve` say, and return the exit status."""
    # A thread that counts over the log gives way after this. With the default of 5 ms, each row that another thread
    # reads, and each answer, would wait as long for its turn.
    sys.setswitchinterval(0.0005)
    # Nearly all that a request makes is gone with it, and no cycle is among it. Collecting at every 700 objects, as by
    # default, takes a seventh of the time; at so many, a collection takes about a millisecond.
    gc.set_threshold(20_000, 20, 20)
    give_back_large()
    os.umask(0o077)  # the log and the keys are nobody else's business
    keeper: Keeper | None = None
    try:
        settings = resolve(args)
        if args.dev and not _is_loopback(settings["host"]):
            raise SettingsError(f"--dev serves without keys, so --host must be loopback, not {settings['host']}")
        clock = Clock()
        if Keeper.possible and settings["store"] == "sqlite":
            keeper = Keeper(lambda connection: _accompany(connection, settings, clock))
        set_up_logging(settings["log_format"], settings["log_level"])
        asyncio.run(_serve(settings, clock, keeper, dev=args.dev))
    except (KizashiError, OSError) as error:
        print(f"kizashi serve: {error}", file=sys.stderr)
        return 1
    finally:
        if keeper is not None:
            keeper.close()
    return 0


def _accompany(connection: socket.socket, settings: dict[str, Any], clock: Clock) -> None:
    """Be a companion, in a process of its own."""
    set_up_logging(settings["log_format"], settings["log_level"])
    logging.getLogger("kizashi.clock").disabled = True  # the collector says it already
    accompany(connection, clock.now)


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


async def _serve(settings: dict[str, Any], clock: Clock, keeper: Keeper | None, *, dev: bool) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    metrics = Metrics()
    async with AsyncExitStack() as opened:
        store = await open_store(settings, clock, metrics, keeper, opened, dev=dev)
        answers, keys = store.answers, store.keys
        plans = PlanBook(store.plans, settings["plan"], on_change=answers.keep)
        await plans.load(clock.now())
        answers.keep(plans.current)
        _log_warnings(plans)
        services = Services(
            log=store.log,
            answers=answers,
            ingest=Ingest(
                store.log,
                plans,
                clock,
                max_events=settings["max_events"],
                retention=settings["retention"],
                on_batch=metrics.batch,
            ),
            plans=plans,
            keys=keys,
            clock=clock,
            metrics=metrics,
            limits=_limits(settings),
            retention=settings["retention"],
        )
        tasks: set[asyncio.Task[None]] = set()

        def reload() -> None:
            task = loop.create_task(_reload(services))
            tasks.add(task)
            task.add_done_callback(tasks.discard)

        loop.add_signal_handler(signal.SIGHUP, reload)
        if store.keep_up is not None:
            upkeep = loop.create_task(store.keep_up(lambda: _hear_of_plan(plans, clock)))
            opened.push_async_callback(_cancelled, upkeep)
        watch = Watch(slow_seconds=settings["slow_request"] / 1000, min_free=settings["min_free"])
        await _until_stopped(services, watch, settings["host"], settings["port"], stop)


def _limits(settings: dict[str, Any]) -> Limits:
    """The limits, with room for a few of the largest bodies at a time, and as many connections as files may be open."""
    least = Limits()
    compressed, decoded = settings["max_compressed"], settings["max_body"]
    connections = open_file_room(settings["max_connections"])
    if connections < settings["max_connections"]:
        _log.warning(
            "%d connections may be open, not %d: raise the hard limit on open files (ulimit -Hn), or lower "
            "--max-connections",
            connections,
            settings["max_connections"],
        )
    return Limits(
        compressed_bytes=compressed,
        decoded_bytes=decoded,
        events=settings["max_events"],
        bytes_in_flight=max(least.bytes_in_flight, 4 * (compressed + decoded)),
        pending_events=settings["max_pending"],
        wait_seconds=settings["max_wait"] / 1000,
        rate=settings["rate_limit"],
        read_rate=settings["read_rate_limit"],
        connections=connections,
        idle_seconds=settings["idle_timeout"] / 1000,
        header_seconds=settings["header_timeout"] / 1000,
        body_seconds=settings["body_timeout"] / 1000,
        body_rate=settings["min_body_rate"],
        answer_seconds=settings["answer_timeout"] / 1000,
    )


async def _until_stopped(services: Services, watch: Watch, host: str, port: int, stop: asyncio.Event) -> None:
    runner = make_runner(services, watch, add_dashboard)
    await runner.setup()
    # What is there by now stays to the end: no collection looks at it again.
    gc.collect()
    gc.freeze()
    try:
        site = web.TCPSite(runner, host, port, backlog=1024)
        try:
            await site.start()
        except OSError as error:
            # asyncio tells the address again; what could not be looked up has a text of its own.
            why = error.strerror if isinstance(error, socket.gaierror) else os.strerror(error.errno or 0)
            raise SettingsError(
                f"cannot listen on {host} port {port}: {why}; choose others with --host and --port"
            ) from None
        if services.keys is not None and services.keys.empty():
            _print_first_keys(services.keys)
        shown = f"[{host}]" if ":" in host else host
        print(f"listening on http://{shown}:{runner.addresses[0][1]}", flush=True)
        chores = [asyncio.create_task(chore) for chore in (_keep_retention(services), keep_reviewed(services))]
        try:
            await stop.wait()
        finally:
            for chore in chores:
                chore.cancel()
        # From here on /readyz fails and new batches are refused; what is in flight is finished. aiohttp's own shutdown
        # would drop a body that is still on its way.
        services.drain()
        _log.info("stopping: finishing what is in flight")
        await site.stop()
        try:
            async with asyncio.timeout(_DRAIN_S):
                await services.in_flight.none()
        except TimeoutError:
            _log.warning("stopping: some requests did not finish within %s s", _DRAIN_S)
    finally:
        await runner.cleanup()


async def _keep_retention(services: Services) -> None:
    def length() -> int | None:
        plan = services.plans.current
        return services.retention or (plan.retention if plan is not None else None)

    def now() -> int | None:
        return services.clock.now() if services.clock.trusted else None

    await keep_retention(services.log.retain, now=now, retention=length)


async def _hear_of_plan(plans: PlanBook, clock: Clock) -> None:
    """Put the plan in force that another collector was posted; one that is read from a file waits for SIGHUP."""
    if plans.file is None:
        await plans.load(clock.now())


async def _cancelled(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def _reload(services: Services) -> None:
    try:
        changed = await services.plans.load(services.clock.now())
    except PlanError as error:
        for problem in error.problems:
            _log.error("plan not changed: %s", problem)
        return
    except KizashiError as error:
        _log.error("plan not changed: %s", error)
        return
    _log_warnings(services.plans)
    plan = services.plans.current
    _log.info("plan %s %s", plan.id if plan else None, "is in force" if changed else "has not changed")


def _log_warnings(plans: PlanBook) -> None:
    for warning in plans.current.warnings if plans.current is not None else ():
        _log.warning("%s", warning)


def _print_first_keys(keys: Keys) -> None:
    print("no keys yet; these were made and are shown this once:")
    for scope in SCOPES:
        try:
            secret = keys.create(f"first {scope} key", scope)
        except (sqlite3.Error, StoreError) as error:
            raise SettingsError(f"cannot keep the first keys: {error}; check the volume's space and rights") from None
        print(f"  {scope:<6} {secret}")
