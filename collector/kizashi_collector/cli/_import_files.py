"""Exports of other systems, file by file, into a running collector, over its public API."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import NoReturn

import msgspec
from msgspec import Struct

from kizashi_collector.cli.importing import (
    CollectorError,
    Counts,
    Format,
    InputFile,
    Job,
    Mapping,
    MappingError,
    Progress,
    Sender,
    State,
    StrictError,
    load_mapping,
)
from kizashi_schemas import KizashiError, TimeError, parse_duration

__all__ = ["import_files"]

_FORMAT_OF = {".csv": "csv", ".tsv": "csv", ".ndjson": "ndjson", ".jsonl": "ndjson"}
_ALL_IN, _SOME_REJECTED, _WRONG_USE, _UNREACHABLE, _INTERRUPTED = 0, 1, 2, 3, 130


class _Report(Struct, kw_only=True):
    """What became of one file, over all runs of its import."""

    file: str
    done: bool
    line: int
    counts: Counts
    rejected_file: str | None


def import_files(args: argparse.Namespace) -> int:
    """Import what the options of `kizashi import` name, and return the exit status; SIGTERM stops as Ctrl-C does."""
    stop = threading.Event()

    def interrupt(*_: object) -> NoReturn:
        stop.set()  # wakes a sender that waits for the collector
        raise KeyboardInterrupt

    before = {number: signal.signal(number, interrupt) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        return _import_all(args, stop)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _import_all(args: argparse.Namespace, stop: threading.Event) -> int:
    reports: list[_Report] = []
    sender: Sender | None = None
    begun = time.monotonic()
    code = _ALL_IN
    try:
        sender = _sender(args, stop)
        for path in args.files:
            _import(path, args, sender, reports)
    except StrictError as error:
        code = _say(f"{error}; stopped by --strict, before this row", _SOME_REJECTED)
    except CollectorError as error:
        code = _say(f"{error}; run the same command again to go on where it was", _UNREACHABLE)
    except KizashiError as error:
        code = _say(str(error), _WRONG_USE)
    except KeyboardInterrupt:
        code = _say("stopped; run the same command again to go on where it was", _INTERRUPTED)
    finally:
        if sender is not None:
            sender.close()
    if code == _ALL_IN and any(report.counts.rejected for report in reports):
        code = _SOME_REJECTED
    _summarize(reports, time.monotonic() - begun, args)
    return code


def _say(text: str, code: int) -> int:
    print(f"kizashi import: {text}", file=sys.stderr)
    return code


def _sender(args: argparse.Namespace, stop: threading.Event) -> Sender | None:
    if args.batch < 1:
        raise MappingError(f"--batch: {args.batch} is no number of events; give 1 or more")
    try:
        patience = parse_duration(args.patience) / 1000
    except TimeError as error:
        raise MappingError(f"--patience: {error}") from None
    if args.dry_run:
        return None
    endpoint = args.endpoint or os.environ.get("KIZASHI_ENDPOINT")
    if not endpoint:
        raise MappingError("no collector is named; give --endpoint http://host:8700, or set KIZASHI_ENDPOINT")
    args.endpoint = endpoint.rstrip("/")
    return Sender(
        endpoint,
        args.key or os.environ.get("KIZASHI_KEY") or None,
        patience=patience,
        waiting=lambda reason, seconds: print(f"waiting {seconds:.1f} s: {reason}", file=sys.stderr, flush=True),
        sleep=stop.wait,
    )


def _import(path: Path, args: argparse.Namespace, sender: Sender | None, reports: list[_Report]) -> None:
    with InputFile(path) as file:
        mapping = _mapping(file, args)
        folder: Path = args.rejected or path.parent
        rejected = folder / f"{path.name}.rejected.ndjson"
        job = Job(
            file,
            mapping,
            send=None if sender is None else sender.send,
            endpoint=args.endpoint or "",
            state=State(args.state or path.with_name(f"{path.name}.import.json")),
            rejected=rejected,
            progress=Progress(file.name, file.size, sys.stderr, quiet=args.json),
            batch_events=args.batch,
            strict=args.strict,
            restart=args.restart,
        )
        try:
            job.run()
        finally:
            kept = str(rejected) if job.at.rejected_bytes else None
            at = job.at
            reports.append(_Report(file=str(path), done=at.done, line=at.line, counts=at.counts, rejected_file=kept))
            if sender is None and not args.json:
                for sample in job.samples:
                    print(sample.decode())


def _mapping(file: InputFile, args: argparse.Namespace) -> Mapping:
    text = None
    if args.mapping is not None:
        try:
            text = args.mapping.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise MappingError(f"cannot read {args.mapping}: {error}; name a TOML file in UTF-8") from None
    label = str(args.mapping or "the mapping")
    kind: Format | None = args.format
    if kind is None and (text is None or not _says_format(text)):
        by_name = _FORMAT_OF.get(Path(file.name).suffix.lower())
        if by_name is not None:
            return load_mapping("csv" if by_name == "csv" else "ndjson", text, label)
    return load_mapping(kind, text, label)


def _says_format(text: str) -> bool:
    try:
        return "format" in msgspec.toml.decode(text)
    except msgspec.DecodeError:
        return True  # load_mapping tells what is wrong with it


def _summarize(reports: list[_Report], seconds: float, args: argparse.Namespace) -> None:
    total = Counts()
    for report in reports:
        for name in ("rows", "accepted", "duplicates", "rejected", "skipped"):
            setattr(total, name, getattr(total, name) + getattr(report.counts, name))
        for code, count in report.counts.codes.items():
            total.codes[code] = total.codes.get(code, 0) + count
    if args.json:
        print(msgspec.json.encode({"files": reports, "total": total, "seconds": round(seconds, 3)}).decode())
        return
    if not reports:
        return
    for report in reports:
        done = "" if report.done else f"  (up to line {report.line})"
        print(f"{report.file}: {_counted(report.counts, args)}{done}")
        if report.rejected_file is not None:
            print(f"  rejected rows, each with its reason: {report.rejected_file}")
    if len(reports) > 1:
        print(f"in all: {_counted(total, args)}")
    for code, count in sorted(total.codes.items(), key=lambda item: -item[1]):
        print(f"  {code}: {count:,}")


def _counted(counts: Counts, args: argparse.Namespace) -> str:
    taken = "fit to send" if args.dry_run else f"accepted, {counts.duplicates:,} duplicates"
    return (
        f"{counts.rows:,} rows: {counts.accepted:,} {taken}, {counts.rejected:,} rejected, {counts.skipped:,} left out"
    )
