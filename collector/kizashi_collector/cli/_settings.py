"""Settings of the server: each an option and an environment variable, the option first."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from msgspec import Struct

from kizashi_collector.store import SCOPES, Scope
from kizashi_schemas import KizashiError, TimeError, parse_duration

__all__ = ["SETTINGS", "Setting", "SettingsError", "add_options", "given_keys", "resolve"]


class SettingsError(KizashiError):
    """A setting that cannot be used."""


class Setting(Struct, frozen=True):
    """One setting. `read` turns text into the value, or raises ValueError."""

    name: str
    default: Any
    read: Callable[[str], Any]
    help: str

    @property
    def option(self) -> str:
        """Its option on the command line."""
        return f"--{self.name.replace('_', '-')}"

    @property
    def variable(self) -> str:
        """Its environment variable."""
        return f"KIZASHI_{self.name.upper()}"


def _port(text: str) -> int:
    port = int(text)
    if not 0 <= port <= 65535:
        raise ValueError("a port is a number from 0 to 65535")
    return port


def _positive(text: str) -> int:
    number = int(text)
    if number <= 0:
        raise ValueError("it must be a whole number above 0")
    return number


def _retention(text: str) -> int:
    return int(parse_duration(text))


def _store(text: str) -> str:
    if text != "sqlite":
        raise ValueError("this version stores in sqlite alone")
    return text


SETTINGS = (
    Setting("data", Path("data"), Path, "folder for the log and the keys; one volume is enough"),
    Setting("plan", None, Path, "tracking plan (TOML); read again on SIGHUP. Without it, POST /v1/plan sets one"),
    Setting("host", "127.0.0.1", str, "address to listen on; 0.0.0.0 for all"),
    Setting("port", 8700, _port, "port to listen on; 0 picks a free one"),
    Setting("store", "sqlite", _store, "where events are kept"),
    Setting("retention", None, _retention, "refuse events older than this, for example 400d; overrides the plan's"),
    Setting("max_events", 2_500, _positive, "events in one batch at most"),
    Setting("max_body", 10 * 1024 * 1024, _positive, "bytes of a decoded body at most"),
    Setting("max_compressed", 1024 * 1024, _positive, "bytes of a compressed body at most"),
    Setting("max_pending", 100_000, _positive, "events that may wait to be written; beyond, batches are answered 503"),
)


def add_options(parser: argparse.ArgumentParser, names: tuple[str, ...]) -> None:
    """Add the options of these settings to a parser; their help names variable and default."""
    for setting in SETTINGS:
        if setting.name in names:
            default = "" if setting.default is None else f", default {setting.default}"
            parser.add_argument(
                setting.option, metavar=setting.name.upper(), help=f"{setting.help} (${setting.variable}{default})"
            )


def resolve(args: argparse.Namespace, environment: Mapping[str, str] = os.environ) -> dict[str, Any]:
    """The values of the settings that the parser has options for. Raises SettingsError, naming setting and value."""
    values: dict[str, Any] = {}
    for setting in SETTINGS:
        if not hasattr(args, setting.name):
            continue
        text, origin = getattr(args, setting.name), setting.option
        if text is None:
            text, origin = environment.get(setting.variable) or None, setting.variable
        try:
            values[setting.name] = setting.default if text is None else setting.read(text)
        except (ValueError, TimeError) as error:
            raise SettingsError(f"{origin}: {text!r} cannot be used: {error}") from None
    return values


def given_keys(environment: Mapping[str, str] = os.environ) -> dict[Scope, str]:
    """The keys that the environment gives: KIZASHI_WRITE_KEY, KIZASHI_READ_KEY, KIZASHI_ADMIN_KEY."""
    keys: dict[Scope, str] = {}
    for scope in SCOPES:
        secret = environment.get(f"KIZASHI_{scope.upper()}_KEY")
        if secret:
            keys[scope] = secret
    return keys
