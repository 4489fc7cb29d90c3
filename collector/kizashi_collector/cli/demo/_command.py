"""The command line of `kizashi demo`."""

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

__all__ = ["add_demo"]


def add_demo(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `kizashi demo` to the command line."""
    parser = commands.add_parser(
        "demo",
        help="a collector, a shop, visitors and a bidding script for half a minute; with --serve, to look around in",
        description="Play half a minute of a shop: a collector, a backend that tracks with the SDK, visitors, and a "
        "bidding script; and check that what was done is what was counted. With --serve: import forty days of such a "
        "shop, keep the collector open, and have visitors go on, until Ctrl-C. Nothing is left of either. "
        "Exit status: 0 all agreed, or stopped after --serve; 1 something failed, or was stopped; 2 used wrongly.",
        epilog="example: kizashi demo --serve",
    )
    parser.add_argument("--serve", action="store_true", help="keep a collector open, on lively data, until Ctrl-C")
    parser.add_argument("--port", type=_port, help="with --serve, where; default 8700, or a free one if that is taken")
    parser.add_argument("--per-day", type=_people, default=1_500, help="with --serve, visitors a day; default 1500")
    parser.add_argument(
        "--visitors", type=_people, default=600, help="without --serve: 30 come each second; default 600"
    )
    parser.add_argument("--seed", type=int, default=7, help="the same seed is the same visitors")
    parser.set_defaults(run=_run)


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text[:9]) <= 65_535):
        raise argparse.ArgumentTypeError(f"{text!r} is no port; give one up to 65535, 0 for a free one")
    return int(text)


def _people(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 0 < int(text[:9]) == int(text)):
        raise argparse.ArgumentTypeError(f"{text!r} is no number of people; at least one must come")
    return int(text)


def _run(args: argparse.Namespace) -> int:
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
