"""The demo from its first line to its last, whatever stops it."""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
import time
from contextlib import AsyncExitStack

import aiohttp

from kizashi_collector.cli.demo._play import play
from kizashi_collector.cli.demo._programs import DemoError
from kizashi_collector.cli.demo._stay import stay

__all__ = ["show"]


def show(args: argparse.Namespace) -> int:
    """Show what the options of `kizashi demo` ask for, and return the exit status."""
    for stream in (sys.stdout, sys.stderr):
        # A terminal without ¥ or é shows a question mark, and does not end the demo.
        getattr(stream, "reconfigure", lambda **_: None)(errors="replace")
    began = time.monotonic()
    code = asyncio.run(_until_stopped(args))
    if code == 0 and not args.serve:
        print(f"\nDone in {time.monotonic() - began:.0f} s; every process has ended, and nothing is left on disk.")
    return code


async def _until_stopped(args: argparse.Namespace) -> int:
    task = asyncio.current_task()
    loop = asyncio.get_running_loop()
    stopped: list[str] = []

    def stop(number: signal.Signals) -> None:
        # Once: a second signal must not interrupt the tidying up, which is bounded.
        if not stopped and task is not None:
            stopped.append(number.name)
            task.cancel()

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, stop, number)
    try:
        async with AsyncExitStack() as stack:
            if args.serve:
                await stay(args.port, args.per_day, args.seed, stack)
            else:
                await play(args.visitors, args.seed, stack)
    except asyncio.CancelledError:
        if args.serve:
            print("\nstopped; every process has ended, and nothing is left on disk")
            return 0
        return _say(f"stopped by {', '.join(stopped)}")
    except BaseExceptionGroup as errors:
        return _say(_told(_first(errors)))
    except (DemoError, aiohttp.ClientError, TimeoutError) as error:
        return _say(_told(error))
    return 0


def _first(errors: BaseExceptionGroup[BaseException]) -> BaseException:
    """The first of what went wrong at once, however deep it lies."""
    first = errors.exceptions[0]
    return _first(first) if isinstance(first, BaseExceptionGroup) else first


def _told(error: BaseException) -> str:
    if isinstance(error, DemoError):
        return str(error)
    if isinstance(error, (aiohttp.ClientError, TimeoutError)):
        return f"a connection broke off: {error!r}"
    raise error


def _say(text: str) -> int:
    print(f"\nkizashi demo: {text}", file=sys.stderr)
    return 1
