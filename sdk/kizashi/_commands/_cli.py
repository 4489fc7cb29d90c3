"""The program `kizashi`: what the base install can do, and the commands that other distributions' parts add."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from importlib.metadata import EntryPoint, entry_points

from kizashi._commands._completion import add_completion
from kizashi._commands._doctor import add_doctor
from kizashi._commands._plan_commands import add_plan
from kizashi._version import __version__

__all__ = ["ENTRY_POINT_GROUP", "main", "whole_parser"]

ENTRY_POINT_GROUP = "kizashi.commands"
"""Entry points here load to `add(subparsers)`, which adds a parser and sets its default `run(args) -> int`."""

_OWN = ("plan", "doctor")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return the process's exit status: 0 done, 1 not in order, 2 used wrongly."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    parser = whole_parser(beside=arguments[:1] not in [[name] for name in _OWN])
    args, rest = parser.parse_known_args(arguments)
    if rest and not getattr(args, "takes_anything", False):
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    run: Callable[[argparse.Namespace], int] = args.run
    try:
        status = run(args)
        sys.stdout.flush()
    except BrokenPipeError:
        # Whoever read it has seen enough, as `head` has. Nothing more is written there, not even at the exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return status


def whole_parser(*, beside: bool = True) -> argparse.ArgumentParser:
    """The parser of the program, with the commands of the base install and, with `beside`, those of entry points."""
    parser = argparse.ArgumentParser(
        prog="kizashi",
        description="Micro-conversions with a value: the tracking plan, the collector, its answers.",
        epilog="example: kizashi plan check plan.toml; `kizashi COMMAND --help` tells more of each",
    )
    parser.add_argument("--version", action="version", version=f"kizashi {__version__}")
    commands = parser.add_subparsers(title="commands", dest="command", metavar="COMMAND", required=True)
    add_plan(commands)
    add_doctor(commands)
    add_completion(commands)
    # What this install can do by itself starts without loading anybody else's code, and works if that is broken.
    if beside:
        for entry in sorted(entry_points(group=ENTRY_POINT_GROUP), key=lambda entry: entry.name):
            _add(entry, commands)
    return parser


def _add(entry: EntryPoint, commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add one command, or a stand-in that says how to install it."""
    try:
        add = entry.load()
    except ModuleNotFoundError:
        stub = commands.add_parser(
            entry.name, add_help=False, help="needs the server: pip install 'kizashi[collector]'"
        )
        stub.set_defaults(run=_missing, takes_anything=True)
    else:
        add(commands)


def _missing(args: argparse.Namespace) -> int:
    print(f"kizashi {args.command} needs the server: pip install 'kizashi[collector]'", file=sys.stderr)
    return 2
