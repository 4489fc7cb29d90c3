"""`kizashi plan apply`: a suggested change into a plan file, or a plan file into force at a running collector."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from msgspec import Struct

from kizashi._commands._plan_changes import change_lines, change_sentences, compare
from kizashi._commands._plan_file import complain
from kizashi._commands._replace_file import replace_file
from kizashi._commands._unified_diff import DiffError, UnifiedDiff
from kizashi._errors import ConfigurationError
from kizashi_schemas import KizashiError, PlanError
from kizashi_schemas.plan import Plan, load_plan

__all__ = ["add_apply"]

_ANEW = "the file has changed since the diff was made; make it anew with `kizashi values review --diff`"


class _Change(Struct, frozen=True):
    """What a plan was, as plain data and by its id, and what it is to be."""

    old: dict[str, object]
    old_id: str | None
    new: Plan

    @property
    def sentences(self) -> list[str]:
        return change_sentences(self.old, self.new)


def add_apply(actions: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the action `apply`."""
    parser = actions.add_parser(
        "apply",
        usage=f"%(prog)s [-h] [--endpoint URL] [--key KEY] [--yes]\n{' ' * 26}[--dry-run] [--json] [DIFF] PLAN",
        help="change a plan file as a diff says, or put a plan file in force at a collector",
        description="With two files: change the plan file as the diff says, which `kizashi values review --diff` made "
        "and you have read. Comments and spacing stay; the result is checked before anything is written. With one: put "
        "that plan in force at a running collector, after showing what it changes there. Exit status: 0 done, or "
        "nothing to do; 1 refused; 2 used wrongly.",
        epilog="example: kizashi values review --diff plan.toml > new.diff; kizashi plan apply new.diff plan.toml",
    )
    parser.add_argument("files", nargs="+", metavar="FILE", type=Path, help="a diff (- for standard input), and a plan")
    parser.add_argument("--endpoint", help="the collector's URL; default KIZASHI_ENDPOINT")
    parser.add_argument("--key", help="a key with scope admin; default KIZASHI_KEY, which no list of processes shows")
    parser.add_argument("--yes", action="store_true", help="put it in force without asking")
    parser.add_argument("--dry-run", action="store_true", help="check and show all, and change nothing")
    parser.add_argument("--json", action="store_true", help="print one JSON object; with --yes or --dry-run")
    parser.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> int:
    files: Sequence[Path] = args.files
    try:
        if len(files) == 2:
            return _change_file(args, *files)
        if len(files) == 1:
            return _put_in_force(args, *files)
        raise ConfigurationError(f"{len(files)} files are given; name a diff and a plan, or a plan alone")
    except PlanError as error:
        return complain(error, as_json=args.json)
    except ConfigurationError as error:
        return complain(PlanError([f"kizashi plan apply: {error}"]), as_json=args.json, status=2)
    except KizashiError as error:
        return complain(PlanError([f"kizashi plan apply: {error}"]), as_json=args.json)


# -- a diff into a file -----------------------------------------------------------------------------------------------


def _change_file(args: argparse.Namespace, diff: Path, plan: Path) -> int:
    if args.endpoint or args.key:
        raise ConfigurationError(
            f"--endpoint and --key are for a plan alone; apply the diff first, then `kizashi plan apply {plan}`"
        )
    patch = _diff(diff)
    before = _read(plan, "name a plan file")
    text = _text(plan, before)
    try:
        after = patch.applied(text)
    except DiffError as error:
        if patch.is_in(text):
            return _say(args, [f"{plan} has these changes already"], {"changed": False})
        raise PlanError([f"{plan}: {error}; {_ANEW} {plan}"]) from None
    if after == text:
        return _say(args, ["nothing to change"], {"changed": False})
    try:
        new = load_plan(after, filename=f"{plan} (changed)")
    except PlanError as error:
        raise PlanError([*error.problems, f"{plan}: nothing was written; mend the diff, or the plan first"]) from None
    change = _Change(*_told_of(plan, text), new)
    if not args.dry_run:
        try:
            replace_file(plan, before, after.encode())
        except FileExistsError:
            raise PlanError([f"{plan}: was changed meanwhile, and is left as it is; {_ANEW} {plan}"]) from None
        except OSError as error:
            told = error.strerror or error
            remedy = "nothing changed, check the rights of the file and of its folder"
            raise PlanError([f"{plan}: cannot be written: {told}; {remedy}"]) from None
    return _say(
        args,
        [*change.sentences, f"{plan}: plan {change.old_id} → {new.id}" + (", not written" if args.dry_run else "")],
        _figures(change, done=not args.dry_run),
        [*new.warnings] if args.dry_run else [*new.warnings, *_next_step(plan)],
    )


def _next_step(plan: Path) -> list[str]:
    return [f"next: send the collector SIGHUP if --plan names this file, else `kizashi plan apply {plan}`"]


def _diff(path: Path) -> UnifiedDiff:
    raw = sys.stdin.buffer.read() if str(path) == "-" else _read(path, "name a diff")
    name = "standard input" if str(path) == "-" else str(path)
    try:
        return UnifiedDiff.of(_text(path, raw))
    except DiffError as error:
        raise PlanError([f"{name}: {error}"]) from None


def _told_of(plan: Path, text: str) -> tuple[dict[str, object], str | None]:
    try:
        old = load_plan(text, filename=str(plan))
    except PlanError:  # the change mends it
        return {}, None
    return old.document(), old.id


def _read(path: Path, remedy: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise PlanError([f"{path}: cannot be read: {error.strerror}; {remedy}"]) from None


def _text(path: Path, raw: bytes) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        raise PlanError([f"{path}: is not UTF-8 (byte {error.start}); save it as UTF-8"]) from None


# -- a file into force ------------------------------------------------------------------------------------------------


def _put_in_force(args: argparse.Namespace, path: Path) -> int:
    # What it needs of HTTP is of no use to the other commands.
    from kizashi._commands._plan_in_force import PlanInForce

    if args.json and not (args.yes or args.dry_run):
        raise ConfigurationError("--json asks nothing; give --yes to put the plan in force, or --dry-run to look")
    raw = _read(path, "name a plan file")
    if raw.startswith((b"--- ", b"diff ")):
        raise ConfigurationError(f"{path} is a diff; name the plan that it changes, too")
    new = load_plan(_text(path, raw), filename=str(path))
    collector = PlanInForce(args.endpoint, args.key, os.environ)
    answer = collector.get()
    change = _Change(answer.plan or {}, answer.id, new)
    where = collector.endpoint
    if answer.id == new.id:
        return _say(args, [f"plan {new.id} is in force at {where} already"], {"changed": False}, new.warnings)
    if not args.json:
        _show(change, where)
    if args.dry_run:
        return _say(args, [f"{where}: nothing was changed"], _figures(change, done=False), new.warnings)
    if not args.yes and not _agreed(where):
        print(f"{where}: nothing was changed")
        return 1
    told = collector.replace(raw)
    if told.id != new.id:
        raise PlanError(
            [f"{where}: plan {told.id} is in force instead of {new.id}; somebody else posted one, ask again"]
        )
    return _say(args, [f"in force at {where}: plan {new.id}"], _figures(change, done=True), told.warnings)


def _show(change: _Change, where: str) -> None:
    if change.old_id is None:
        print(f"No plan is in force at {where}. With this one:")
    else:
        print(f"What changes at {where}, where plan {change.old_id} is in force:")
    for line in change_lines(change.old, change.new.document()):
        print(f"  {line}")
    for sentence in change.sentences:
        print(sentence)


def _agreed(where: str) -> bool:
    if not sys.stdin.isatty():
        raise ConfigurationError("there is no terminal to ask at; give --yes to put the plan in force")
    try:
        return input(f"Put it in force at {where}? [y/N] ").strip().lower() in ("y", "yes")
    except EOFError:
        return False


# -- both -------------------------------------------------------------------------------------------------------------


def _figures(change: _Change, *, done: bool) -> dict[str, object]:
    added, removed, changed = compare(change.old, change.new.document())
    return {
        "changed": done,
        "from": change.old_id,
        "to": change.new.id,
        "added": added,
        "removed": removed,
        "differences": {key: {"from": before, "to": after} for key, (before, after) in changed.items()},
        "sentences": change.sentences,
    }


def _say(args: argparse.Namespace, lines: Sequence[str], figures: dict[str, object], notes: Sequence[str] = ()) -> int:
    """Tell what was done, on standard error what is to be noted, and return the exit status."""
    if args.json:
        print(json.dumps({"ok": True, **figures, "notes": list(notes)}, ensure_ascii=False))
        return 0
    for line in lines:
        print(line)
    for note in notes:
        print(note, file=sys.stderr)
    return 0
