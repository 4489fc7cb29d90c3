"""`kizashi plan lint`: find the calls of track() in Python files that a plan does not agree with."""

from __future__ import annotations

import argparse
import ast
import io
import json
import os
import re
import sys
import tokenize
import warnings
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from msgspec import Struct, to_builtins

from kizashi._commands._called_names import called_names, partial_of
from kizashi._commands._plan_file import complain, read_plan
from kizashi._commands._track_calls import Code, Remark, TrackCall, track_call
from kizashi._commands._typed_events import MARK, function_names
from kizashi_schemas import PlanError
from kizashi_schemas.plan import Plan

__all__ = ["Finding", "Linted", "add_lint", "lint", "python_files"]

_IGNORE = re.compile(r"#\s*kizashi:\s*ignore\b")
_SKIPPED = frozenset({"__pycache__", "node_modules", "site-packages"})


class Finding(Struct, frozen=True):
    """One line of the report. Lines and columns begin with 1."""

    path: str
    line: int
    column: int
    code: Code
    message: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}:{self.column}: {self.message}"


class Linted(Struct, frozen=True):
    """What was found in some files: findings, calls of which nothing can be told, planned events that none names."""

    files: int
    calls: int
    findings: list[Finding]
    cannot_tell: list[Finding]
    never_tracked: list[str]


def add_lint(actions: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command `plan lint`."""
    parser = actions.add_parser(
        "lint",
        help="find the calls of track() in Python files that a plan does not know",
        description="Find the calls of kizashi's track() in Python files whose event, currency, value or arguments do "
        "not agree with a plan. The files are read, not run. A line with the comment `# kizashi: ignore` is left out. "
        "Exit status: 0 nothing found, 1 findings, 2 no such path or no plan.",
        epilog="example: kizashi plan lint src/ --plan plan.toml",
    )
    parser.add_argument("paths", nargs="+", type=Path, metavar="PATH", help="a Python file, or a folder of them")
    parser.add_argument("--plan", type=Path, help="the plan; default KIZASHI_PLAN, else ./plan.toml")
    parser.add_argument("--verbose", action="store_true", help="list the calls whose event cannot be told, too")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> int:
    try:
        plan = read_plan(args.plan or Path(os.environ.get("KIZASHI_PLAN") or "plan.toml"))
    except PlanError as error:
        return complain(error, status=2)
    missing = [path for path in args.paths if not path.exists()]
    for path in missing:
        print(f"kizashi plan lint: {path}: no such file or folder; name what there is to check", file=sys.stderr)
    if missing:
        return 2
    files = list(python_files(args.paths))
    if not files:
        print("kizashi plan lint: no Python file there; name a folder of code", file=sys.stderr)
        return 2
    linted = lint(files, plan)
    if args.json:
        print(json.dumps({"ok": not linted.findings, "plan": plan.id, **to_builtins(linted)}, ensure_ascii=False))
    else:
        _tell(linted, verbose=args.verbose)
    return 1 if linted.findings else 0


def _tell(linted: Linted, *, verbose: bool) -> None:
    told = [*linted.findings, *linted.cannot_tell] if verbose else linted.findings
    for finding in sorted(told, key=lambda finding: (finding.path, finding.line, finding.column)):
        print(finding)
    if linted.never_tracked:
        print(f"note: planned, but never tracked in these files: {', '.join(linted.never_tracked)}", file=sys.stderr)
    files, calls = _counted(linted.files, "file"), _counted(linted.calls, "call")
    if linted.findings:
        print(f"{_counted(len(linted.findings), 'finding')}: {files}, {calls} of track()", file=sys.stderr)
    else:
        print(f"OK {files}, {calls} of track()")


def _counted(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"


def python_files(paths: Iterable[Path]) -> Iterator[Path]:
    """The files named, and the Python files in the folders named, each once; no hidden folder and no environment."""
    seen: set[Path] = set()
    for path in paths:
        for file in _walked(path) if path.is_dir() else (path,):
            if (real := file.resolve()) not in seen:
                seen.add(real)
                yield file


def _walked(folder: Path) -> Iterator[Path]:
    for place, folders, files in os.walk(folder):
        here = Path(place)
        folders[:] = sorted(
            name
            for name in folders
            if not name.startswith(".") and name not in _SKIPPED and not (here / name / "pyvenv.cfg").exists()
        )
        yield from (here / name for name in sorted(files) if name.endswith(".py"))


def lint(files: Sequence[Path], plan: Plan) -> Linted:
    """Hold every call of track() in the files to the plan.

    A module that `kizashi plan codegen` wrote names every event: what counts there are the calls of its functions.
    """
    functions = function_names(plan)
    findings: list[Finding] = []
    cannot_tell: list[Finding] = []
    modules: set[str] = set()
    called: set[tuple[str, str]] = set()
    named: set[str] = set()
    calls = 0
    for path in files:
        source = _Source(path)
        if source.tree is None:
            findings += source.faults
        elif source.text.startswith(MARK):
            modules.add(path.stem)
        else:
            for target, call in called_names(source.tree):
                tracked = track_call(target, call)
                if tracked is None:
                    module, _, function = partial_of(target).rpartition(".")
                    called.add((module.rpartition(".")[2], function))
                    continue
                calls += 1
                named |= {tracked.name} if tracked.name is not None else set()
                for finding in source.findings(tracked, tracked.remarks(plan)):
                    (cannot_tell if finding.code == "cannot_tell" else findings).append(finding)
    named |= {functions[function] for module, function in called if module in modules and function in functions}
    never = [name for name in plan.events if name not in named]
    return Linted(files=len(files), calls=calls, findings=findings, cannot_tell=cannot_tell, never_tracked=never)


class _Source:
    """One file: its text, its tree unless it has none, and the lines that are to be left out."""

    def __init__(self, path: Path) -> None:
        self.path = str(path)
        self.text = ""
        self.tree: ast.Module | None = None
        self.faults: list[Finding] = []
        self._ignored: set[int] = set()
        try:
            content = path.read_bytes()
            encoding, _ = tokenize.detect_encoding(io.BytesIO(content).readline)
            # As Python reads it: any of the three line ends is one.
            self.text = io.TextIOWrapper(io.BytesIO(content), encoding).read()
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # an invalid escape sequence is not what was asked about
                self.tree = ast.parse(self.text)
        except OSError as error:
            self._fault(1, 1, f"cannot be read: {error.strerror}")
        except SyntaxError as error:
            self._fault(error.lineno or 1, error.offset or 1, f"not Python {_version()}: {error.msg}")
        except UnicodeDecodeError as error:
            self._fault(1, 1, f"is not {error.encoding}; save it as UTF-8, or name its encoding in the first line")
        except (ValueError, RecursionError, MemoryError) as error:
            self._fault(1, 1, f"cannot be parsed: {error}")
        self._lines = self.text.split("\n")
        if _IGNORE.search(self.text) is not None and self.tree is not None:
            self._ignored = self._commented()

    def findings(self, call: TrackCall, remarks: Iterable[Remark]) -> Iterator[Finding]:
        """The remarks on a call as findings, unless a comment on a line of theirs says otherwise."""
        whole = {call.node.lineno, call.node.end_lineno or call.node.lineno}
        for remark in remarks:
            if self._ignored.isdisjoint(whole | {remark.node.lineno}):
                before = self._lines[remark.node.lineno - 1].encode()[: remark.node.col_offset]
                column = len(before.decode(errors="replace")) + 1
                yield Finding(self.path, remark.node.lineno, column, remark.code, remark.message)

    def _fault(self, line: int, column: int, message: str) -> None:
        self.faults.append(Finding(self.path, max(line, 1), max(column, 1), "unreadable", message))

    def _commented(self) -> set[int]:
        tokens = tokenize.generate_tokens(io.StringIO(self.text).readline)
        try:
            return {
                token.start[0] for token in tokens if token.type == tokenize.COMMENT and _IGNORE.search(token.string)
            }
        except (tokenize.TokenError, SyntaxError):
            return set()


def _version() -> str:
    return ".".join(map(str, sys.version_info[:2]))
