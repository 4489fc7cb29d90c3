"""The command line of `kizashi import`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kizashi_collector.cli.importing import Format

__all__ = ["add_import"]

# Written out, so that no --help waits for what reads them; a test holds them to it.
_FORMATS: tuple[Format, ...] = ("csv", "ndjson", "segment", "ga4")


def add_import(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `kizashi import` to the command line."""
    parser = commands.add_parser(
        "import",
        help="send exported events (CSV, NDJSON, Segment, GA4) to a collector",
        description="Send exported events to a running collector. Killed or stopped, the same command goes on where it "
        "was; run twice, it stores nothing twice. Exit status: 0 all in, 1 some rejected, 2 wrong use, 3 no collector.",
        epilog="example: kizashi import orders.csv.gz --mapping orders.toml --endpoint http://127.0.0.1:8700 --dry-run",
    )
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help="plain, gzip or zstd")
    parser.add_argument("--endpoint", help="the collector, for example http://127.0.0.1:8700 ($KIZASHI_ENDPOINT)")
    parser.add_argument("--key", help="a write key ($KIZASHI_KEY, which no list of processes shows)")
    parser.add_argument("--format", choices=_FORMATS, help="default: the mapping's, or by the file's name")
    parser.add_argument("--mapping", type=Path, metavar="TOML", help="which column becomes what")
    parser.add_argument("--state", type=Path, metavar="FILE", help="default: beside each file, FILE.import.json")
    parser.add_argument(
        "--rejected", type=Path, metavar="FOLDER", help="where FILE.rejected.ndjson goes; default: beside"
    )
    parser.add_argument("--restart", action="store_true", help="from the first line, whatever the state says")
    parser.add_argument("--strict", action="store_true", help="stop at the first row that is not taken")
    parser.add_argument("--dry-run", action="store_true", help="send and write nothing: try the mapping, show events")
    parser.add_argument("--batch", type=int, default=2000, metavar="N", help="events in one request (default 2000)")
    parser.add_argument("--patience", default="5m", help="how long no batch may get through (default 5m)")
    parser.add_argument("--json", action="store_true", help="the summary as JSON, and no progress")
    parser.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> int:
    from kizashi_collector.cli._import_files import import_files

    return import_files(args)
