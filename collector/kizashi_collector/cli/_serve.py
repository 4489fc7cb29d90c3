"""`kizashi serve`: put the parts together, serve, and drain at SIGTERM."""

from __future__ import annotations

import argparse
import asyncio
import ipaddress
import logging
import os
import signal
import sys
from contextlib import AsyncExitStack
from typing import Any

from aiohttp import web

from kizashi_collector.cli._settings import SettingsError, add_options, given_keys, resolve
from kizashi_collector.http import Limits, Metrics, Services, make_runner
from kizashi_collector.ingest import Clock, Ingest, PlanBook
from kizashi_collector.store import SCOPES, KeyRing, LogAnswers, SqliteLog
from kizashi_schemas import KizashiError, PlanError

__all__ = ["add_serve"]

_log = logging.getLogger("kizashi.serve")
# With the second that aiohttp gets below, short of the 10 s after which container engines send SIGKILL.
_DRAIN_S = 6
_OPTIONS = (
    *("data", "plan", "host", "port", "store", "retention"),
    *("max_events", "max_body", "max_compressed", "max_pending", "query_timeout"),
)


def add_serve(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `kizashi serve` to the command line."""
    parser = commands.add_parser("serve", help="run the collector", description="Run the collector on SQLite.")
    add_options(parser, _OPTIONS)
    parser.add_argument("--dev", action="store_true", help="on a loopback address, serve without keys")
    parser.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> int:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s", stream=sys.stderr)
    # Until the event loop's own handlers are there; as process 1 of a container, SIGTERM would be ignored without one.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    # The plan that SIGHUP asks for is about to be read anyway; its default would end the process.
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    # A thread that counts over the log gives way after this. With the default of 5 ms, each row that another thread
    # reads, and each answer, would wait as long for its turn.
    sys.setswitchinterval(0.0005)
    os.umask(0o077)  # the log and the keys are nobody else's business
    try:
        settings = resolve(args)
        if args.dev and not _is_loopback(settings["host"]):
            raise SettingsError(f"--dev serves without keys, so --host must be loopback, not {settings['host']}")
        asyncio.run(_serve(settings, dev=args.dev))
    except (KizashiError, OSError) as error:
        print(f"kizashi serve: {error}", file=sys.stderr)
        return 1
    return 0


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


async def _serve(settings: dict[str, Any], *, dev: bool) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    clock = Clock()
    metrics = Metrics()
    log = SqliteLog(
        settings["data"],
        max_pending=settings["max_pending"],
        query_seconds=settings["query_timeout"] / 1000,
        on_commit=metrics.commit,
    )
    async with AsyncExitStack() as opened:
        opened.push_async_callback(log.close)
        plans = PlanBook(log, settings["plan"])
        await plans.load(clock.now())
        _log_warnings(plans)
        keys = None if dev else KeyRing(settings["data"], clock=clock.now, given=given_keys())
        if keys is not None:
            opened.callback(keys.close)
        services = Services(
            log=log,
            answers=LogAnswers(log),
            ingest=Ingest(
                log,
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
            limits=_limits(settings["max_compressed"], settings["max_body"]),
        )
        tasks: set[asyncio.Task[None]] = set()

        def reload() -> None:
            task = loop.create_task(_reload(services))
            tasks.add(task)
            task.add_done_callback(tasks.discard)

        loop.add_signal_handler(signal.SIGHUP, reload)
        await _until_stopped(services, settings["host"], settings["port"], stop)


def _limits(compressed: int, decoded: int) -> Limits:
    """The limits, with room for a few of the largest bodies at a time."""
    least = Limits()
    return Limits(
        compressed_bytes=compressed,
        decoded_bytes=decoded,
        bytes_in_flight=max(least.bytes_in_flight, 4 * (compressed + decoded)),
    )


async def _until_stopped(services: Services, host: str, port: int, stop: asyncio.Event) -> None:
    runner = make_runner(services)
    await runner.setup()
    try:
        site = web.TCPSite(runner, host, port, backlog=1024)
        try:
            await site.start()
        except OSError as error:
            raise SettingsError(f"cannot listen on {host} port {port}: {error.strerror}; choose with --port") from None
        if services.keys is not None and services.keys.empty():
            _print_first_keys(services.keys)
        shown = f"[{host}]" if ":" in host else host
        print(f"listening on http://{shown}:{runner.addresses[0][1]}", flush=True)
        await stop.wait()
        # From here on /readyz fails and new batches are refused; what is in flight is finished. aiohttp's own shutdown
        # would drop a body that is still on its way.
        services.draining = True
        _log.info("stopping: finishing what is in flight")
        await site.stop()
        try:
            async with asyncio.timeout(_DRAIN_S):
                await services.in_flight.none()
        except TimeoutError:
            _log.warning("stopping: some requests did not finish within %s s", _DRAIN_S)
    finally:
        await runner.cleanup()


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


def _print_first_keys(keys: KeyRing) -> None:
    print("no keys yet; these were made and are shown this once:")
    for scope in SCOPES:
        print(f"  {scope:<6} {keys.create(f'first {scope} key', scope)}")
