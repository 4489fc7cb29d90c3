"""`kizashi doctor`: is this machine able to deliver events, and if not, why."""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path

from kizashi._commands._plan_file import complain, read_plan
from kizashi_schemas import PlanError

__all__ = ["add_doctor"]

_MOST_SECONDS = 600.0


def add_doctor(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command `doctor`."""
    parser = commands.add_parser(
        "doctor",
        help="check the way from here to a collector, and deliver one test event",
        description="Check configuration, host name, connection, TLS, collector, readiness, clock, key and plan, and "
        "deliver one test event twice: it must count once. Each check is a line: OK, WARN, FAIL or SKIP. "
        "Exit status: 0 nothing failed, 1 something did, 2 used wrongly.",
        epilog="example: KIZASHI_KEY=kz_write_… kizashi doctor --endpoint https://collector.example --plan plan.toml",
    )
    parser.add_argument("--endpoint", help="the collector's URL; default KIZASHI_ENDPOINT")
    parser.add_argument("--key", help="a key with scope write; default KIZASHI_KEY, which no list of processes shows")
    parser.add_argument("--read-key", help="a key that may read the collector's plan; default KIZASHI_READ_KEY")
    parser.add_argument("--plan", type=Path, help="compare with the collector's plan; default KIZASHI_PLAN, or none")
    parser.add_argument("--no-event", action="store_true", help="deliver no test event")
    parser.add_argument("--timeout", type=_seconds, default=15.0, help="seconds for all of it; default 15")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.set_defaults(run=_run)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds <= _MOST_SECONDS:
        raise argparse.ArgumentTypeError(f"{text!r} is no time; give seconds, up to {_MOST_SECONDS:g}")
    return seconds


def _run(args: argparse.Namespace) -> int:
    # What it needs of sockets, TLS and HTTP is of no use to the other commands.
    from kizashi._commands._diagnosis import Diagnosis

    path = args.plan or (Path(os.environ["KIZASHI_PLAN"]) if os.environ.get("KIZASHI_PLAN") else None)
    try:
        plan = None if path is None else read_plan(path)
    except PlanError as error:
        return complain(error, as_json=args.json, status=2)
    diagnosis = Diagnosis(
        endpoint=args.endpoint,
        key=args.key,
        read_key=args.read_key,
        plan=plan,
        send=not args.no_event,
        seconds=args.timeout,
    )
    checks = []
    for check in diagnosis.run():
        checks.append(check)
        if not args.json:
            print(f"{check.status:<4}  {check.check:<13}  {check.message}", flush=True)
    failed = sum(check.status == "FAIL" for check in checks)
    if args.json:
        told = [{"check": check.check, "status": check.status, "message": check.message} for check in checks]
        print(json.dumps({"ok": not failed, "checks": told}, ensure_ascii=False))
    return 1 if failed else 0
