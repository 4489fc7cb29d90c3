"""`kizashi funnel`: a funnel of the plan, or one composed here, drawn in the terminal."""

from __future__ import annotations

import argparse
import sys
import urllib.parse
from typing import Any

import msgspec

from kizashi_collector.cli._funnel_picture import picture
from kizashi_collector.cli._funnel_steps import StepTextError, parse_step, step_text
from kizashi_collector.cli._remote import add_interval_options, add_remote_options, ask, interval_of
from kizashi_collector.cli._terminal import Screen, plain, table
from kizashi_schemas import Funnel, FunnelAnswer, FunnelError, FunnelListing, KizashiError, check_funnel

__all__ = ["add_funnel"]

# What a funnel of the plan has said for itself.
_COMPOSED = ("order", "conversion_window", "count", "entry", "exclude", "trend")


def add_funnel(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `kizashi funnel` to the command line."""
    parser = commands.add_parser(
        "funnel",
        help="draw a funnel of the plan, or one composed here, as a running collector counts it",
        description="Draw a funnel: a bar for each step, what is lost between them, and the bottleneck, which is where "
        "the greatest share is lost. Without a name and without --step it lists the funnels of the plan. "
        "Exit status: 0 answered, 1 not answered, 2 used wrongly.",
        epilog="examples: kizashi funnel checkout --by campaign; "
        "kizashi funnel --step mv_view --step 'mv_add_to_cart[device=mobile]' --step purchase --conversion-window 7d",
    )
    parser.add_argument("name", nargs="?", metavar="NAME", help="a funnel that the plan declares")
    parser.add_argument(
        "--step",
        action="append",
        metavar="STEP",
        help="an event, or with conditions 'mv_add_to_cart[device=mobile|tablet,properties.qty=2]'; repeat it in order",
    )
    parser.add_argument("--order", choices=("ordered", "strict", "unordered"), help="default ordered")
    parser.add_argument("--conversion-window", metavar="LENGTH", help="from the first step to the last; default 14d")
    parser.add_argument("--count", choices=("actors", "attempts"), help="default actors")
    parser.add_argument(
        "--entry", choices=("latest", "first"), help="whether a new first step begins anew; see the docs"
    )
    parser.add_argument("--exclude", action="append", metavar="STEP", help="what must not come in between")
    parser.add_argument("--trend", action="store_true", default=None, help="entries by day, too")
    parser.add_argument("--by", metavar="KEYS", help="break down by source fields, or properties.x; with commas")
    parser.add_argument("--attribution", metavar="RULE", help="whose value counts: first, last, all or step:0")
    add_interval_options(parser)
    add_remote_options(parser, "read")
    parser.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> int:
    try:
        if args.step:
            return _composed(args)
        return _list(args) if args.name is None else _declared(args)
    except (StepTextError, FunnelError) as error:
        print(f"kizashi funnel: {error}", file=sys.stderr)
        return 2
    except KizashiError as error:
        print(f"kizashi funnel: {error}", file=sys.stderr)
    except msgspec.DecodeError:
        print("kizashi funnel: the answer is not a collector's; check the endpoint", file=sys.stderr)
    return 1


def _composed(args: argparse.Namespace) -> int:
    if args.name is not None:
        raise StepTextError(f"{args.name!r} and --step: name a funnel of the plan, or compose one; leave one out")
    asked: dict[str, Any] = {"steps": [_written(text) for text in args.step]}
    asked |= {name: getattr(args, name) for name in _COMPOSED if name != "exclude" and getattr(args, name) is not None}
    if args.exclude:
        asked["exclude"] = [msgspec.to_builtins(parse_step(text)) for text in args.exclude]
    funnel = msgspec.convert(asked, Funnel)
    check_funnel(funnel)
    asked |= _told_of(args)
    if args.by:
        asked["by"] = args.by.split(",")
    if args.attribution:
        asked["attribution"] = args.attribution
    return _show(args, ask(args, "POST", "/v1/funnels", body=asked), funnel)


def _written(text: str) -> object:
    step = parse_step(text)
    return msgspec.to_builtins(step) if step.where else step.event


def _told_of(args: argparse.Namespace) -> dict[str, int | str]:
    """The interval for a body, where an epoch time is a number."""
    return {
        name: int(text) if name != "window" and text.isascii() and text.isdigit() and len(text) < 19 else text
        for name, text in interval_of(args).items()
    }


def _declared(args: argparse.Namespace) -> int:
    for name in _COMPOSED:
        if getattr(args, name) is not None:
            option = name.replace("_", "-")
            raise StepTextError(f"--{option}: the plan says that for {args.name!r}; compose a funnel with --step")
    extra = {"by": args.by, "attribution": args.attribution}
    query = interval_of(args) | {name: text for name, text in extra.items() if text}
    content = ask(args, "GET", f"/v1/funnels/{urllib.parse.quote(args.name, safe='')}", query=query)
    if args.json:
        return _show(args, content, None)
    return _show(args, content, _listing(args).funnels.get(args.name))


def _show(args: argparse.Namespace, content: bytes, funnel: Funnel | None) -> int:
    answer = msgspec.json.decode(content, type=FunnelAnswer)
    if args.json:
        print(content.decode())
        return 0
    if funnel is None:
        # The plan has changed since it was asked: what the answer says of itself is enough.
        funnel = Funnel(steps=[step.event for step in answer.steps])
    for line in picture(answer, funnel, Screen.of(sys.stdout)):
        print(line)
    return 0


def _listing(args: argparse.Namespace) -> FunnelListing:
    return msgspec.json.decode(ask(args, "GET", "/v1/funnels"), type=FunnelListing)


def _list(args: argparse.Namespace) -> int:
    content = ask(args, "GET", "/v1/funnels")
    listing = msgspec.json.decode(content, type=FunnelListing)
    if args.json:
        print(content.decode())
        return 0
    if not listing.funnels:
        print("the plan in force declares no funnel; compose one with --step mv_view --step purchase")
        return 0
    rows = [
        [plain(name), funnel.conversion_window, " > ".join(plain(step_text(step)) for step in funnel.steps)]
        for name, funnel in listing.funnels.items()
    ]
    for line in table(["funnel", "within", "steps"], rows, left=3):
        print(line)
    return 0
