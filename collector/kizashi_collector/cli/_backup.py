"""`kizashi backup` and `kizashi restore`: a data folder in one file, taken while the collector runs, and back again."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from kizashi_collector.cli._settings import SettingsError, add_options, resolve
from kizashi_schemas import KizashiError, format_time

if TYPE_CHECKING:
    from kizashi_collector.store import BackupManifest, Restored

__all__ = ["add_backup", "add_restore"]

_REDRAW_SECONDS = 0.1
_WIDTH = 24


def add_backup(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `kizashi backup` to the command line."""
    parser = commands.add_parser(
        "backup",
        help="write the log and the keys to one file, also while the collector runs",
        description="Write a consistent backup of a data folder to one file. It appears whole, or not at all. "
        "Exit status: 0 written, 1 not written, 2 used wrongly.",
        epilog="example: kizashi backup --data ./data /backups/",
    )
    parser.add_argument("target", type=Path, help="the file to write; in a folder, one named after the time")
    parser.add_argument("--force", action="store_true", help="replace the file if it exists")
    _add_shared(parser)
    parser.set_defaults(run=_run, do=_backup)


def add_restore(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `kizashi restore` to the command line."""
    parser = commands.add_parser(
        "restore",
        help="bring a backup back into a new data folder",
        description="Check a backup and put it into a data folder that is new or empty, while no collector runs on it. "
        "Exit status: 0 restored, 1 not restored, 2 used wrongly.",
        epilog="example: kizashi restore --data ./restored /backups/kizashi-20261120T041500Z.tar",
    )
    parser.add_argument("backup", type=Path, nargs="?", help="the file that `kizashi backup` wrote")
    parser.add_argument(
        "--force", action="store_true", help="move the log and the keys that are there aside; nothing is deleted"
    )
    parser.add_argument(
        "--in-place",
        action="store_true",
        help="in place of a backup: check the log that another tool, as Litestream, has restored to --data, and make "
        "it fit to be served",
    )
    _add_shared(parser)
    parser.set_defaults(run=_run, do=_restore)


def _add_shared(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    add_options(parser, ("data",))


def _run(args: argparse.Namespace) -> int:
    os.umask(0o077)
    # What was begun is cleared away, as at Ctrl-C.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    bar = _Bar(shown=sys.stderr.isatty() and not args.json)
    try:
        folder: Path = resolve(args)["data"]
        told, text = args.do(args, folder, time.time_ns() // 1_000_000, bar)
    except KizashiError as error:
        bar.clear()
        print(f"kizashi {args.command}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        bar.clear()
        print(f"kizashi {args.command}: stopped; nothing was changed", file=sys.stderr)
        return 128 + signal.SIGINT
    bar.clear()
    print(msgspec.json.encode(told).decode() if args.json else text)
    return 0


def _backup(args: argparse.Namespace, folder: Path, now: int, bar: _Bar) -> tuple[dict[str, Any], str]:
    from kizashi_collector.store import back_up  # a quarter of a second, which no --help is to wait for

    target: Path = args.target
    if target.is_dir():
        target = target / f"kizashi-{_stamp(now)}.tar"
    manifest = back_up(folder, target, version=version("kizashi"), now=now, force=args.force, progress=bar)
    size = target.stat().st_size
    told = {"file": str(target), "bytes": size, "manifest": manifest}
    return told, f"backed up {_contents(manifest)} to {target} ({_size(size)})"


def _restore(args: argparse.Namespace, folder: Path, now: int, bar: _Bar) -> tuple[dict[str, Any], str]:
    from kizashi_collector.store import accept_log, restore_backup

    backup: Path | None = args.backup
    if (backup is None) != args.in_place:
        raise SettingsError("name the backup to restore, or give --in-place for a log that is in --data already")
    if backup is None:
        if args.force:
            raise SettingsError("--force and --in-place: nothing is replaced in place; leave one out")
        restored, made = accept_log(folder, progress=bar), ""
    else:
        restored = restore_backup(backup, folder, stamp=_stamp(now), force=args.force, progress=bar)
        made = f" of {format_time(restored.created_at or 0)}"
    text = f"restored {_contents(restored)}{made} to {folder}; every file passed SQLite's {restored.check}"
    if restored.aside is not None:
        text += f"\nwhat was there before is in {restored.aside}"
    if restored.keys is None:
        text += "\nthere were no keys: the next start makes some, unless the environment gives them"
    return {"folder": str(folder), "restored": restored}, text


def _contents(found: BackupManifest | Restored) -> str:
    keys = 0 if found.keys is None else found.keys
    events = f"{found.log.events:,} event{'' if found.log.events == 1 else 's'}"
    return f"{events} (the newest is number {found.log.newest}) and {keys} key{'' if keys == 1 else 's'}"


def _stamp(now: int) -> str:
    return time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(now // 1000))


def _size(count: int) -> str:
    return f"{count / 1e6:,.1f} MB"


class _Bar:
    """What is being done, and how much of it is, on one line of a terminal that is drawn again and again."""

    def __init__(self, *, shown: bool) -> None:
        self._shown = shown
        self._drawn_at = 0.0

    def __call__(self, stage: str, done: int, total: int) -> None:
        now = time.monotonic()
        if not self._shown or now - self._drawn_at < _REDRAW_SECONDS:
            return
        self._drawn_at = now
        filled = _WIDTH * done // total if total else 0
        amount = (
            f"[{'#' * filled:.<{_WIDTH}}] {100 * done // total:3d} %  {_size(done)} of {_size(total)}" if total else ""
        )
        sys.stderr.write(f"\r\x1b[K{stage}  {amount}")
        sys.stderr.flush()

    def clear(self) -> None:
        """Leave the line as it was before."""
        if self._shown and self._drawn_at:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()
