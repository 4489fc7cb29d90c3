"""`kizashi rejected list|replay`: what a running collector refused, and another try for it."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable

import msgspec

from kizashi_collector.cli._remote import add_remote_options, ask
from kizashi_schemas import MOST_REPLAYED, KizashiError, RejectedListing, ReplayAnswer

__all__ = ["add_rejected"]

_MOST_LISTED = 1_000


def add_rejected(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `kizashi rejected` to the command line."""
    parser = commands.add_parser(
        "rejected",
        help="list rejected events of a running collector, or try them again",
        description="Look at what a running collector refused and kept, with the reason for each, and try it again "
        "when the reason is mended.",
        epilog="example: kizashi rejected list --endpoint http://127.0.0.1:8700 --code bad_currency",
    )
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    listing = actions.add_parser(
        "list",
        help="show the newest, and how many there are of each code",
        description="Show rejected events, the newest first, each with its reason, and counts by code. "
        "Exit status: 0 answered, 1 not answered, 2 used wrongly.",
        epilog="example: kizashi rejected list --code bad_currency --limit 5",
    )
    replay = actions.add_parser(
        "replay",
        help="try them again under the plan in force",
        description="Try rejected events again, oldest first, under the plan in force. "
        "Exit status: 0 none of those tried stays rejected, 1 some do or it failed, 2 used wrongly.",
        epilog="example: kizashi rejected replay --code unplanned --since 2026-11-20T00:00:00Z",
    )
    for action, scope, do, most, default in (
        (listing, "read", _list, _MOST_LISTED, 20),
        (replay, "admin", _replay, MOST_REPLAYED, MOST_REPLAYED),
    ):
        add_remote_options(action, scope)
        action.add_argument("--code", action="append", metavar="CODE", help="only with this code; may be repeated")
        action.add_argument("--since", metavar="TIME", help="only received after it, such as 2026-11-20T00:00:00Z")
        action.add_argument("--until", metavar="TIME", help="only received up to it")
        action.add_argument(
            "--limit",
            type=_up_to(most),
            default=default,
            metavar="N",
            help=f"at most N, up to {most}; default {default}",
        )
        action.set_defaults(run=_run, do=do)
    replay.add_argument("--id", action="append", metavar="ID", help="only with this id; may be repeated")


def _up_to(most: int) -> Callable[[str], int]:
    def read(text: str) -> int:
        if not (text.isascii() and text.isdigit() and len(text) < 10 and 1 <= int(text) <= most):
            raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1 to {most}")
        return int(text)

    return read


def _run(args: argparse.Namespace) -> int:
    do: Callable[[argparse.Namespace], int] = args.do
    try:
        return do(args)
    except KizashiError as error:
        print(f"kizashi rejected: {error}", file=sys.stderr)
    except msgspec.DecodeError:
        print("kizashi rejected: the answer is not a collector's; check the endpoint", file=sys.stderr)
    return 1


def _list(args: argparse.Namespace) -> int:
    asked = {"limit": str(args.limit), "since": args.since, "until": args.until}
    if args.code:
        asked["codes"] = ",".join(args.code)
    content = ask(args, "GET", "/v1/rejected", query={name: text for name, text in asked.items() if text is not None})
    listing = msgspec.json.decode(content, type=RejectedListing)
    if args.json:
        print(content.decode())
        return 0
    width = max([len(row.code) for row in listing.rejected] + [4])
    if listing.rejected:
        print(f"{'received':<24}  {'code':<{width}}  {'id':<36}  message")
    for row in listing.rejected:
        shown = (row.id or "", row.message)
        event_id, message = (
            text.encode("unicode_escape").decode() if not text.isprintable() else text for text in shown
        )
        print(f"{row.received_at:<24}  {row.code:<{width}}  {event_id:<36}  {message}")
    print(f"{listing.total} rejected{_counted(listing.codes)}")
    return 0


def _replay(args: argparse.Namespace) -> int:
    asked = {"codes": args.code, "ids": args.id, "since": _time(args.since), "until": _time(args.until)}
    body = {name: value for name, value in asked.items() if value is not None} | {"limit": args.limit}
    content = ask(args, "POST", "/v1/rejected/replay", body=body)
    answer = msgspec.json.decode(content, type=ReplayAnswer)
    if args.json:
        print(content.decode())
    else:
        print(
            f"{answer.tried} tried: {answer.accepted} accepted, {answer.duplicates} were stored already, "
            f"{answer.rejected} stay rejected{_counted(answer.codes)}"
        )
    return 1 if answer.rejected else 0


def _time(text: str | None) -> int | str | None:
    return int(text) if text is not None and text.isascii() and text.isdigit() and len(text) < 19 else text


def _counted(codes: dict[str, int]) -> str:
    return f" ({', '.join(f'{code} {count}' for code, count in codes.items())})" if codes else ""
