"""`kizashi copy`: from SQLite to ClickHouse, all that answers are a function of."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from kizashi_collector.cli._settings import SettingsError, add_options, resolve
from kizashi_schemas import KizashiError

if TYPE_CHECKING:
    from kizashi_collector.cli.importing import Progress
    from kizashi_collector.store.clickhouse import CopyReport

__all__ = ["add_copy"]

_FEEDS = (
    "increments were not copied: a feed begins anew, without a cursor, and is told all again; see docs/clickhouse.md"
)


def add_copy(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `kizashi copy` to the command line."""
    parser = commands.add_parser(
        "copy",
        help="copy a data folder into ClickHouse, to move there",
        description="Copy everything that answers are made of from a data folder, on which no collector may run, into "
        "a ClickHouse store. What was copied before is found there: the command may be broken off and given again. "
        "Exit status: 0 all of the log counts there, 1 not all, or it failed, 2 used wrongly.",
        epilog="example: kizashi copy --data ./data --to clickhouse://host:8123/kizashi",
    )
    parser.add_argument(
        "--to",
        required=True,
        metavar="STORE",
        help="clickhouse://user:password@host:8123/kizashi, or chdb://path; - reads it from standard input, so that "
        "no password stands in the list of processes",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    add_options(parser, ("data",))
    parser.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> int:
    os.umask(0o077)
    # The batch on its way is finished, as at Ctrl-C.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        folder: Path = resolve(args)["data"]
        report = _copy(folder, _address(args.to), quiet=args.json)
    except KizashiError as error:
        print(f"kizashi copy: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("kizashi copy: stopped; the same command goes on where it was", file=sys.stderr)
        return 128 + signal.SIGINT
    if args.json:
        print(msgspec.json.encode({"whole": report.whole, "copied": report}).decode())
    else:
        print(_told(report, folder))
    if not report.whole:
        print("kizashi copy: not all of the log counts in ClickHouse; nothing of the log was changed", file=sys.stderr)
    return 0 if report.whole else 1


def _address(text: str) -> str:
    address = sys.stdin.readline().strip() if text == "-" else text
    if not address.startswith(("clickhouse://", "chdb://")):
        raise SettingsError("--to: write clickhouse://host:8123/kizashi or chdb://path")
    return address


def _copy(folder: Path, text: str, *, quiet: bool) -> CopyReport:
    try:
        from kizashi_collector.store.clickhouse import Address, copy_log  # an extra
    except ImportError:
        raise SettingsError(
            "--to clickhouse:// needs the extra `clickhouse`: pip install 'kizashi[collector,clickhouse]'"
        ) from None
    import asyncio

    from kizashi_collector.cli.importing import Progress

    address = Address.of(text)
    bar: list[Progress] = []

    def progress(done: int, total: int) -> None:
        if not bar:
            bar.append(Progress(str(address), total, sys.stderr, quiet=quiet))
        bar[0].update(done, done)

    try:
        return asyncio.run(copy_log(folder, address, progress=progress))
    finally:
        for one in bar:
            one.close()


def _told(report: CopyReport, folder: Path) -> str:
    beside = report.beside
    lines = [
        f"copied {_count(report.new, 'event')} from {folder}; {report.known:,} were there before",
        f"and {_count(beside.plans, 'plan')}, {_count(beside.fits, 'fit')}, {_count(beside.keys, 'key')}, "
        f"{_count(beside.rejected, 'rejected event')}, {_count(beside.erased, 'id')} of erased events",
    ]
    if report.too_old:
        lines.append(f"{_count(report.too_old, 'event')} left out: too old for the retention in force there")
    lines += [
        f"{_count(number, 'event')} not taken ({code}): another one counts there"
        for code, number in sorted(report.other.items())
        if code != "erased"
    ]
    if "erased" in report.other:
        lines.append(f"{_count(report.other['erased'], 'event')} not taken: erased there")
    for one in report.names:
        what = f"adjustments of {one.name}" if one.adjustments else one.name
        if one.store != one.log - one.other:
            lines.append(f"{what}: {one.log:,} in the log, {one.store:,} in ClickHouse")
    kinds = [one for one in report.names if one.log]
    same = sum(one.store == one.log for one in kinds)
    lines.append(f"compared by name: {same} of {len(kinds)} have as many events there as here")
    return "\n".join([*lines, _FEEDS])


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"
