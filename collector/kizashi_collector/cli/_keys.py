"""`kizashi keys create|list|revoke`: the keys of a data folder, also while the collector runs."""

from __future__ import annotations

import argparse
import os
import sqlite3
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import msgspec

from kizashi_collector.cli._settings import SettingsError, add_options, resolve
from kizashi_collector.store import SCOPES, KeyRing, StoreError
from kizashi_schemas import KizashiError, format_time

__all__ = ["add_keys"]


def add_keys(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `kizashi keys` to the command line."""
    parser = commands.add_parser("keys", help="create, list and revoke API keys")
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    create = actions.add_parser("create", help="make a key and print its secret, once")
    create.add_argument("--scope", choices=SCOPES, required=True, help="write: send events; read: ask; admin: manage")
    create.add_argument("--name", default="", help="what the key is for")
    listing = actions.add_parser("list", help="show keys, without their secrets")
    listing.add_argument("--json", action="store_true", help="as JSON")
    revoke = actions.add_parser("revoke", help="make a key worthless at once")
    revoke.add_argument("id", type=int, help="the number that `list` shows")
    for action, do in ((create, _create), (listing, _list), (revoke, _revoke)):
        add_options(action, ("data",))
        action.set_defaults(run=_run, do=do)


def _run(args: argparse.Namespace) -> int:
    do: Callable[[KeyRing, argparse.Namespace], None] = args.do
    os.umask(0o077)
    try:
        folder: Path = resolve(args)["data"]
        if do is not _create:
            _check_keys_exist(folder)
        with closing(KeyRing(folder, clock=lambda: time.time_ns() // 1_000_000)) as ring:
            try:
                do(ring, args)
            except sqlite3.Error as error:
                raise StoreError(
                    f"cannot use {folder / 'keys.db'}: {error}; check who may write there, and try again"
                ) from None
    except (KizashiError, OSError) as error:
        print(f"kizashi keys: {error}", file=sys.stderr)
        return 1
    return 0


def _check_keys_exist(folder: Path) -> None:
    """Opening a key ring makes what is not there; one who looks for a key has merely mistyped the folder."""
    if not (folder / "keys.db").exists():
        raise SettingsError(
            f"no collector has kept keys in {str(folder)!r}; name its folder with --data or KIZASHI_DATA, "
            "or make a first key with `kizashi keys create`"
        )


def _create(ring: KeyRing, args: argparse.Namespace) -> None:
    try:
        args.name.encode()
    except UnicodeEncodeError:
        raise SettingsError(f"--name: {args.name!r} is not UTF-8; write it in a UTF-8 terminal") from None
    print(ring.create(args.name, args.scope))


def _list(ring: KeyRing, args: argparse.Namespace) -> None:
    keys = ring.all()
    if args.json:
        print(msgspec.json.encode(keys).decode())
        return
    print(f"{'id':>4}  {'scope':<6}  {'created':<24}  {'revoked':<24}  name")
    for key in keys:
        revoked = "" if key.revoked_at is None else format_time(key.revoked_at)
        print(f"{key.id:>4}  {key.scope:<6}  {format_time(key.created_at):<24}  {revoked:<24}  {key.name}")


def _revoke(ring: KeyRing, args: argparse.Namespace) -> None:
    # SQLite's numbers end there; what lies beyond is the number of no key.
    if not (abs(args.id) < 2**63 and ring.revoke(args.id)):
        raise SettingsError(f"no key {args.id} to revoke; `kizashi keys list` shows them")
