"""`kizashi keys create|list|revoke`: the keys of a data folder or of a ClickHouse store, also while collectors run."""

from __future__ import annotations

import argparse
import os
import sqlite3
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from kizashi_collector.cli._settings import SettingsError, add_options, resolve
from kizashi_collector.cli._terminal import plain, table
from kizashi_schemas import KizashiError, format_time

if TYPE_CHECKING:
    from kizashi_collector.store import Keys, Scope

__all__ = ["add_keys"]

# Written out, so that no --help waits for the store; a test holds them to it.
_SCOPES: tuple[Scope, ...] = ("write", "read", "admin")
# What any store takes for the number of a key.
_MOST = 2**63


def add_keys(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `kizashi keys` to the command line."""
    parser = commands.add_parser(
        "keys",
        help="create, list and revoke API keys",
        description="Manage the keys of the store that `kizashi serve` has: of a data folder, or of a ClickHouse "
        "store. Exit status: 0 done, 1 not done, 2 used wrongly.",
        epilog="example: kizashi keys create --scope read --name bidder --data ./data",
    )
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    create = actions.add_parser(
        "create",
        help="make a key and print its secret, once",
        description="Make a key and print its secret, alone on its line. The store keeps a digest: it cannot be "
        "shown again. Exit status: 0 made, 1 not made, 2 used wrongly.",
        epilog="example: kizashi keys create --scope write --name shop --store clickhouse://host:8123/kizashi",
    )
    create.add_argument("--scope", choices=_SCOPES, required=True, help="write: send events; read: ask; admin: manage")
    create.add_argument("--name", default="", help="what the key is for")
    listing = actions.add_parser(
        "list",
        help="show keys, without their secrets",
        description="Show all keys that were made, revoked ones too. Those of the environment are not stored. "
        "Exit status: 0 shown, 1 not shown, 2 used wrongly.",
        epilog="example: kizashi keys list --data ./data --json",
    )
    listing.add_argument("--json", action="store_true", help="as JSON")
    revoke = actions.add_parser(
        "revoke",
        help="make a key worthless at once",
        description="Make a key worthless: at once, or, of a ClickHouse store, within some two seconds. It prints "
        "nothing. Exit status: 0 revoked, 1 no such key, or it failed, 2 used wrongly.",
        epilog="example: kizashi keys revoke 3 --data ./data",
    )
    revoke.add_argument("id", type=int, help="the number that `list` shows")
    for action, do in ((create, _create), (listing, _list), (revoke, _revoke)):
        add_options(action, ("data", "store"))
        action.set_defaults(run=_run, do=do)


def _run(args: argparse.Namespace) -> int:
    do: Callable[[Keys, argparse.Namespace], None] = args.do
    os.umask(0o077)
    try:
        settings = resolve(args)
        from kizashi_collector.store import StoreError

        with closing(_opened(settings, make=do is _create)) as keys:
            try:
                do(keys, args)
            except sqlite3.Error as error:
                raise StoreError(
                    f"cannot use {settings['data'] / 'keys.db'}: {error}; check who may write there, and try again"
                ) from None
    except (KizashiError, OSError) as error:
        print(f"kizashi keys: {error}", file=sys.stderr)
        return 1
    return 0


def _opened(settings: dict[str, Any], *, make: bool) -> Keys:
    """The keys of the store; one who looks for a key, and makes none, has merely mistyped where that is."""
    if settings["store"] == "sqlite":
        folder: Path = settings["data"]
        if not make and not (folder / "keys.db").exists():
            raise SettingsError(
                f"no collector has kept keys in {str(folder)!r}; name its folder with --data or KIZASHI_DATA, "
                "or make a first key with `kizashi keys create`"
            )
        from kizashi_collector.store import KeyRing

        return KeyRing(folder, clock=_now)
    try:
        from kizashi_collector.store.clickhouse import Address, ClickHouseKeys  # an extra
    except ImportError:
        raise SettingsError(
            "--store clickhouse:// needs the extra `clickhouse`: pip install 'kizashi[collector,clickhouse]'"
        ) from None
    return ClickHouseKeys.at(Address.of(settings["store"]), clock=_now, make=make)


def _now() -> int:
    return time.time_ns() // 1_000_000


def _create(keys: Keys, args: argparse.Namespace) -> None:
    try:
        args.name.encode()
    except UnicodeEncodeError:
        raise SettingsError(f"--name: {args.name!r} is not UTF-8; write it in a UTF-8 terminal") from None
    print(keys.create(args.name, args.scope))


def _list(keys: Keys, args: argparse.Namespace) -> None:
    found = keys.all()
    if args.json:
        print(msgspec.json.encode(found).decode())
        return
    rows = [
        [
            *(str(key.id), key.scope, format_time(key.created_at)),
            *("" if key.revoked_at is None else format_time(key.revoked_at), plain(key.name)),
        ]
        for key in found
    ]
    for line in table(["id", "scope", "created", "revoked", "name"], rows, left=5):
        print(line)


def _revoke(keys: Keys, args: argparse.Namespace) -> None:
    if not (0 <= args.id < _MOST and keys.revoke(args.id)):
        raise SettingsError(f"no key {args.id} to revoke; `kizashi keys list` shows them")
