"""`kizashi erase ACTOR`: erase an actor from a running collector."""

from __future__ import annotations

import argparse
import sys
import urllib.parse

import msgspec

from kizashi_collector.cli._remote import add_remote_options, ask
from kizashi_schemas import ErasureAnswer, KizashiError

__all__ = ["add_erase"]


def add_erase(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `kizashi erase` to the command line."""
    parser = commands.add_parser(
        "erase",
        help="erase everything that a running collector stores of an actor",
        description="Erase every event of an actor, adjustments of its orders, and rejected events that name it. "
        "Backups are another matter: see docs/privacy.md. "
        "Exit status: 0 erased, or there was nothing, 1 not done, 2 used wrongly.",
        epilog="example: kizashi erase v-8f2 --endpoint http://127.0.0.1:8700",
    )
    parser.add_argument("actor", metavar="ACTOR", help="the actor's id, as it was sent")
    add_remote_options(parser, "admin")
    parser.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> int:
    if not args.actor:
        print("kizashi erase: no actor is named; give the id, as it was sent", file=sys.stderr)
        return 2
    try:
        content = ask(args, "DELETE", f"/v1/actors/{urllib.parse.quote(args.actor, safe='')}")
        answer = msgspec.json.decode(content, type=ErasureAnswer)
    except KizashiError as error:
        print(f"kizashi erase: {error}", file=sys.stderr)
        return 1
    except msgspec.DecodeError:
        print("kizashi erase: the answer is not a collector's; check the endpoint", file=sys.stderr)
        return 1
    except UnicodeEncodeError:
        print("kizashi erase: the actor is not UTF-8; write it in a UTF-8 terminal", file=sys.stderr)
        return 1
    print(content.decode() if args.json else f"{answer.events} events and {answer.rejected} rejected ones erased")
    return 0
