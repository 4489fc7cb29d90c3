"""`kizashi plan codegen`: write a module of typed functions, or say that the one there is stale."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from kizashi._commands._plan_file import complain, read_plan
from kizashi._commands._typed_events import MARK, render_module
from kizashi_schemas import PlanError

__all__ = ["add_codegen"]


def add_codegen(actions: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command `plan codegen`."""
    parser = actions.add_parser(
        "codegen",
        help="write a Python module with a typed function for each event",
        description="Write a Python module with a typed function for each event of a plan, so that a type checker and "
        "an editor know a wrong name, a missing value and a wrong currency. "
        "Exit status: 0 written, or up to date, 1 stale, or the plan is not in order, 2 used wrongly, or not written.",
        epilog="examples: kizashi plan codegen plan.toml -o shop/events.py; in CI, the same with --check, which "
        "writes nothing and exits with 1 if the module is stale",
    )
    parser.add_argument("plan", type=Path, help="a plan in TOML")
    parser.add_argument("-o", "--output", required=True, metavar="FILE", help="the module to write; - prints it")
    parser.add_argument("--check", action="store_true", help="write nothing; exit with 1 if the module is stale")
    parser.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> int:
    try:
        plan = read_plan(args.plan)
    except PlanError as error:
        return complain(error)
    text = render_module(plan)
    if args.output == "-":
        if args.check:
            return _refuse("--check compares with a file; name one with -o, not -")
        sys.stdout.write(text)
        return 0
    path = Path(args.output)
    try:
        # As text, so that a checkout which ends lines in the way of its system is not stale.
        present = path.read_text(encoding="utf-8") if path.exists() else None
    except OSError as error:
        return _refuse(f"{path}: cannot be read: {error.strerror}; name a file")
    except UnicodeDecodeError:
        present = "not text at all"
    if present == text:
        print(f"OK {path}: from plan {plan.id}")
        return 0
    command = f"kizashi plan codegen {args.plan} -o {path}"
    if args.check:
        state = "is missing" if present is None else "is stale"
        print(f"{path}: {state}; write it anew from plan {plan.id}: {command}", file=sys.stderr)
        return 1
    if present and not present.startswith(MARK):
        return _refuse(f"{path}: was not written by this command; name another file, or remove this one")
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        return _refuse(f"{path}: cannot be written: {error.strerror}; name a file in a folder that is there")
    print(f"wrote {path}: {len(plan.events)} {'event' if len(plan.events) == 1 else 'events'} of plan {plan.id}")
    return 0


def _refuse(message: str) -> int:
    print(f"kizashi plan codegen: {message}", file=sys.stderr)
    return 2
