"""`kizashi keys create|list|revoke`: the keys of a data folder, also while the collector runs."""

from __future__ import annotations

import argparse
import os
import sys
import time

import msgspec

from kizashi_collector.cli._settings import add_options, resolve
from kizashi_collector.store import SCOPES, KeyRing
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
    for action, run in ((create, _create), (listing, _list), (revoke, _revoke)):
        add_options(action, ("data",))
        action.set_defaults(run=run)


def _open(args: argparse.Namespace) -> KeyRing:
    os.umask(0o077)
    return KeyRing(resolve(args)["data"], clock=lambda: time.time_ns() // 1_000_000)


def _create(args: argparse.Namespace) -> int:
    print(_open(args).create(args.name, args.scope))
    return 0


def _list(args: argparse.Namespace) -> int:
    keys = _open(args).all()
    if args.json:
        print(msgspec.json.encode(keys).decode())
        return 0
    print(f"{'id':>4}  {'scope':<6}  {'created':<24}  {'revoked':<24}  name")
    for key in keys:
        revoked = "" if key.revoked_at is None else format_time(key.revoked_at)
        print(f"{key.id:>4}  {key.scope:<6}  {format_time(key.created_at):<24}  {revoked:<24}  {key.name}")
    return 0


def _revoke(args: argparse.Namespace) -> int:
    try:
        if _open(args).revoke(args.id):
            return 0
    except KizashiError as error:
        print(f"kizashi keys: {error}", file=sys.stderr)
        return 1
    print(f"kizashi keys: no key {args.id} to revoke; `kizashi keys list` shows them", file=sys.stderr)
    return 1
