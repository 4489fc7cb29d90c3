"""The command line of `kizashi demo`."""

from __future__ import annotations

import argparse

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
    from kizashi_collector.cli.demo._until_stopped import show  # with aiohttp, which no --help is to wait for

    return show(args)
