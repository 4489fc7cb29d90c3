"""The program `kizashi`: what the base install can do, and the commands that other distributions' parts add."""

from __future__ import annotations

import argparse
import errno
import io
import os
import signal
import sys
from collections.abc import Callable, Sequence
from contextlib import redirect_stdout
from importlib.metadata import EntryPoint, entry_points

from kizashi._commands._completion import add_completion
from kizashi._commands._doctor import add_doctor
from kizashi._commands._plan_commands import add_plan
from kizashi._version import __version__

__all__ = ["ENTRY_POINT_GROUP", "main", "whole_parser"]

ENTRY_POINT_GROUP = "kizashi.commands"
"""Entry points here load to `add(subparsers)`, which adds a parser and sets its default `run(args) -> int`."""

# What this install can do by itself starts without loading anybody else's code, and works if that is broken.
_OWN = ("plan", "doctor", "--version")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return the process's exit status: 0 done, 1 not in order, 2 used wrongly."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    _show_what_can_be_shown()
    parser = whole_parser(beside=arguments[:1] not in [[name] for name in _OWN])
    args, rest = parser.parse_known_args(arguments)
    if rest and not getattr(args, "takes_anything", False):
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    if sys.stdout is None:
        # Whoever started it has closed the stream, and wants the status alone.
        with open(os.devnull, "w", encoding="utf-8") as nowhere, redirect_stdout(nowhere):
            return _run(args)
    return _run(args)


def _run(args: argparse.Namespace) -> int:
    run: Callable[[argparse.Namespace], int] = args.run
    try:
        status = run(args)
        sys.stdout.flush()
    except ModuleNotFoundError as error:
        # Commands of the server load what they need when they run; what is ours is never missing.
        if (error.name or "kizashi").startswith("kizashi"):
            raise
        return _missing(args)
    except BrokenPipeError:
        # Whoever read it has seen enough, as `head` has.
        _write_no_more()
        return 1
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        _write_no_more()
        print(f"kizashi {args.command}: the output cannot be written: {error.strerror}; make room", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"kizashi {args.command}: stopped", file=sys.stderr)
        return 128 + signal.SIGINT
    return status


def _show_what_can_be_shown() -> None:
    """Have text that a stream's encoding lacks replaced, where it would end the program.

    A terminal shows a question mark, for people. A file gets an escape: data must not quietly become other data.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace" if stream.isatty() else "backslashreplace")


def _write_no_more() -> None:
    """Have nothing written to standard output from here on, not even at the exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


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
