"""`kizashi plan`: check and compare tracking plans; what else is done with one is added by other modules."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from kizashi._commands._apply import add_apply
from kizashi._commands._codegen import add_codegen
from kizashi._commands._lint import add_lint
from kizashi._commands._plan_changes import change_lines, compare
from kizashi._commands._plan_file import complain, read_plan
from kizashi_schemas import PlanError

__all__ = ["add_plan"]


def add_plan(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command `plan`."""
    plan = commands.add_parser(
        "plan",
        help="check, compare and apply tracking plans, and hold code to one",
        description="What can be done with a tracking plan, from a file to a running collector.",
        epilog="example: kizashi plan check plan.toml",
    )
    actions = plan.add_subparsers(title="commands", metavar="COMMAND", required=True)

    check = actions.add_parser(
        "check",
        help="say whether a plan is in order, and what is not",
        description="Check a plan, and print what is in it. Each problem is a line on stderr that names the file, the "
        "key and the remedy. Exit status: 0 in order, also with warnings, 1 not, 2 used wrongly.",
        epilog="example: kizashi plan check plan.toml",
    )
    check.add_argument("plan", type=Path, help="a plan in TOML")
    check.add_argument("--json", action="store_true", help="print one JSON object")
    check.set_defaults(run=_check)

    diff = actions.add_parser(
        "diff",
        help="say what changed from one plan to the other, key by key",
        description="Compare two plans, and print what was added (+), removed (-) and changed (~). Exit status: "
        "0 compared, 1 one of them is not in order, 2 used wrongly.",
        epilog="example: kizashi plan diff old.toml new.toml",
    )
    diff.add_argument("old", type=Path, help="the plan as it was")
    diff.add_argument("new", type=Path, help="the plan as it will be")
    diff.add_argument("--json", action="store_true", help="print one JSON object")
    diff.set_defaults(run=_diff)

    add_apply(actions)
    add_codegen(actions)
    add_lint(actions)


def _check(args: argparse.Namespace) -> int:
    try:
        plan = read_plan(args.plan)
    except PlanError as error:
        return complain(error, as_json=args.json)
    counts = {
        "events": len(plan.events),
        "finals": len(plan.finals),
        "funnels": len(plan.funnels),
        "summaries": len(plan.summaries),
    }
    if args.json:
        print(json.dumps({"ok": True, "plan": plan.id, **counts, "warnings": list(plan.warnings)}, ensure_ascii=False))
        return 0
    for warning in plan.warnings:
        print(f"warning: {warning}", file=sys.stderr)
    told = ", ".join(
        f"{counts[key]} {one if counts[key] == 1 else many}"
        for key, one, many in (
            ("events", "event", "events"),
            ("finals", "final conversion", "final conversions"),
            ("funnels", "funnel", "funnels"),
            ("summaries", "summary", "summaries"),
        )
    )
    print(f"OK {args.plan}: plan {plan.id}, {told}")
    return 0


def _diff(args: argparse.Namespace) -> int:
    try:
        old, new = read_plan(args.old), read_plan(args.new)
    except PlanError as error:
        return complain(error, as_json=args.json)
    added, removed, changed = compare(old.document(), new.document())
    if args.json:
        differences = {key: {"from": before, "to": after} for key, (before, after) in changed.items()}
        print(
            json.dumps(
                {"from": old.id, "to": new.id, "added": added, "removed": removed, "changed": differences},
                ensure_ascii=False,
            )
        )
        return 0
    for line in change_lines(old.document(), new.document()):
        print(line)
    print(f"{old.id} → {new.id}: {len(added)} added, {len(removed)} removed, {len(changed)} changed")
    return 0
