"""`kizashi values review`: what micro-conversions turned out to be worth, and a plan that says so."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from kizashi_collector.cli._figures import amount, amount_text, length, ratio
from kizashi_collector.cli._remote import RemoteError, add_remote_options, ask
from kizashi_collector.cli._terminal import plain, table
from kizashi_schemas import KizashiError, ValuesAnswer, ValueStep
from kizashi_schemas.plan import load_plan

if TYPE_CHECKING:
    from kizashi_collector.analysis import PlanChange

__all__ = ["add_values", "lines_of", "suggested_diff"]


def add_values(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `kizashi values` to the command line."""
    parser = commands.add_parser(
        "values",
        help="what micro-conversions are worth, as a running collector learned it",
        description="What can be done with the values that a running collector has learned.",
        epilog="example: kizashi values review --endpoint http://127.0.0.1:8700",
    )
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    review = actions.add_parser(
        "review",
        help="declared against learned values, and which micro-conversions to keep",
        description="Review the micro-conversions of the plan in force: a row and a sentence for each. "
        "Lift is observational: it says what goes together, not what causes what. "
        "Exit status: 0 answered, 1 not answered, or no plan file, 2 used wrongly.",
        epilog="example: kizashi values review --diff plan.toml > new.diff; kizashi plan apply new.diff plan.toml",
    )
    add_remote_options(review, "read")
    review.add_argument("--as-of", metavar="TIME", help="as it stood then, such as 2026-11-20T00:00:00Z")
    review.add_argument(
        "--diff",
        type=Path,
        metavar="PLAN",
        help="print what is suggested to change in this plan file, as a diff that `patch` reads",
    )
    review.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> int:
    try:
        return _review(args)
    except KizashiError as error:
        print(f"kizashi values: {error}", file=sys.stderr)
    except msgspec.DecodeError:
        print("kizashi values: the answer is not a collector's; check the endpoint", file=sys.stderr)
    return 1


def _review(args: argparse.Namespace) -> int:
    # A plan that cannot be read is told of before anybody is asked.
    text = None if args.diff is None else _read(args.diff)
    asked = {} if args.as_of is None else {"as_of": args.as_of}
    content = ask(args, "GET", "/v1/values", query=asked if args.json else {**asked, "money": "string"})
    answer = msgspec.json.decode(content, type=ValuesAnswer)
    if text is not None:
        return _print_diff(args, text, answer)
    if args.json:
        print(content.decode())
        return 0
    for line in lines_of(answer):
        print(line)
    return 0


def _read(path: Path) -> str:
    try:
        # Bytes, so that line ends stay what they are.
        return path.read_bytes().decode()
    except OSError as error:
        raise RemoteError(f"{path}: cannot be read: {error.strerror}; name a plan file") from None
    except UnicodeDecodeError as error:
        raise RemoteError(f"{path}: is not UTF-8 (byte {error.start}); save it as UTF-8") from None


def _print_diff(args: argparse.Namespace, text: str, answer: ValuesAnswer) -> int:
    plan = load_plan(text, filename=str(args.diff))
    if plan.id != answer.plan:
        print(f"{args.diff} is not the plan in force ({answer.plan}); what it says otherwise is left", file=sys.stderr)
    diff, unplaced = suggested_diff(answer, text, str(args.diff))
    if args.json:
        told = {"changes": answer.suggestions, "unplaced": unplaced, "diff": diff}
        print(msgspec.json.encode(told).decode())
        return 0
    sys.stdout.write(diff)
    for change in unplaced:
        print(f"by hand: events.{change.event}.{change.key}: {_told(change)}", file=sys.stderr)
    if not answer.suggestions:
        print("nothing to change", file=sys.stderr)
    return 0


def suggested_diff(answer: ValuesAnswer, text: str, filename: str) -> tuple[str, tuple[PlanChange, ...]]:
    """A unified diff of the plan's text with what the answer suggests, and the changes that are to be made by hand.

    Raises PlanError where the text is no plan.
    """
    # With numpy, which only this option pays for.
    from kizashi_collector.analysis import PlanChange, changed_plan_text, plan_text_diff

    changes = [
        PlanChange(event=change.event, key=change.key, before=change.before, after=change.after, reason=change.reason)
        for change in answer.suggestions
    ]
    changed, unplaced = changed_plan_text(text, changes)
    return plan_text_diff(text, changed, filename), unplaced


def _told(change: PlanChange) -> str:
    return f"{change.before or 'nothing'} → {change.after or 'nothing'} ({change.reason})"


def lines_of(answer: ValuesAnswer) -> list[str]:
    """The review as a table: a row and a sentence for each event, then what concerns all of them."""
    head = ["event", "verdict", "declared", "learned", "lift", "converted", "of", "lag p50", "p90", "28 days"]
    rows = [_cells(step) for step in answer.steps]
    lines = []
    if rows:
        # Names and verdicts read from the left, numbers from the right.
        first, *others = table(head, rows, left=2)
        lines.append(first)
        for step, row in zip(answer.steps, others, strict=True):
            lines += [row, f"    {plain(step.sentence)}"]
        lines.append("")
    lines += [plain(double.sentence) for double in answer.double_counted]
    lines += [
        plain(f"Review overdue, {'no owner' if late.owner is None else late.owner}: {', '.join(late.events)}.")
        for late in answer.overdue
    ]
    lines.append(plain(answer.sentence))
    if answer.plan is not None:
        lines.append(plain(_basis(answer)))
    return lines


def _cells(step: ValueStep) -> list[str]:
    learned, lift, lag = step.learned, step.lift, step.lag_seconds
    return [
        step.event,
        step.verdict,
        _amount(step.declared),
        "-"
        if learned is None
        else f"{_amount(learned.value)} ({_amount(learned.low)} to {_amount(learned.high)})"
        + ("" if learned.method == "fit" else "*"),
        "-" if lift is None else f"{ratio(lift.ratio)} ({ratio(lift.low)} to {ratio(lift.high)})",
        f"{step.converted:,}",
        f"{step.journeys:,}",
        "-" if lag is None else length(lag.p50),
        "-" if lag is None else length(lag.p90),
        f"{step.count_28d:,}",
    ]


def _basis(answer: ValuesAnswer) -> str:
    fit = "no fit yet" if answer.fit is None else f"fit {answer.fit.number} of {answer.fit.boundary}"
    # A mark is explained where there is one.
    simple = any(step.learned is not None and step.learned.method == "simple" for step in answer.steps)
    return (
        f"{answer.journeys:,} journeys begun from {answer.from_} to {answer.to}, {answer.converted:,} converted; "
        f"{fit}; money in {answer.currency}; intervals hold in 90 of 100 cases; lift is observational"
        + ("; * counted simply, without the fit" if simple else "")
    )


def _amount(raw: msgspec.Raw) -> str:
    return "event" if bytes(raw) == b'"event"' else amount_text(amount(raw))
