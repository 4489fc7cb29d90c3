"""Settings of the server: each an option and an environment variable, the option first."""

from __future__ import annotations

import argparse
import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from kizashi_schemas import KizashiError, TimeError, parse_duration

if TYPE_CHECKING:
    from kizashi_collector.store import Scope

__all__ = ["SETTINGS", "Setting", "SettingsError", "add_options", "given_keys", "resolve"]

_LEVELS = ("debug", "info", "warning", "error")


class SettingsError(KizashiError):
    """A setting that cannot be used."""


class Setting(Struct, frozen=True):
    """One setting. `read` turns text into the value, or raises ValueError; the default is text too, or none."""

    name: str
    default: str | None
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
    return _whole(text, 0, 65_535, "a port is a number from 0 to 65535")


def _positive(text: str) -> int:
    return _whole(text, 1, None, "it must be a whole number above 0")


def _whole(text: str, least: int, most: int | None, told: str) -> int:
    try:
        number = int(text)
    except ValueError:
        raise ValueError(told) from None
    if number < least or (most is not None and number > most):
        raise ValueError(told)
    return number


def _duration(text: str) -> int:
    return int(parse_duration(text))


def _store(text: str) -> str:
    if text != "sqlite" and not text.startswith(("clickhouse://", "chdb://")):
        raise ValueError("write sqlite, clickhouse://host:8123/kizashi or chdb://path")
    return text


def _rate(text: str) -> float:
    try:
        rate = float(text)
    except ValueError:
        rate = 0.0
    if not 0 < rate < float("inf"):
        raise ValueError("it must be a number above 0; leave it out for no limit")
    return rate


def _log_format(text: str) -> str:
    if text not in ("text", "json"):
        raise ValueError("it must be text or json")
    return text


def _log_level(text: str) -> str:
    if text.lower() not in _LEVELS:
        raise ValueError(f"it must be one of {', '.join(_LEVELS)}")
    return text.lower()


def _bytes(text: str) -> int:
    return _whole(text, 0, None, "it must be a whole number of bytes, 0 or more")


SETTINGS = (
    Setting("data", "data", Path, "folder for the log and the keys; one volume is enough"),
    Setting("plan", None, Path, "tracking plan (TOML); read again on SIGHUP. Without it, POST /v1/plan sets one"),
    Setting("host", "127.0.0.1", str, "address to listen on; 0.0.0.0 for all"),
    Setting("port", "8700", _port, "port to listen on; 0 picks a free one"),
    Setting("store", "sqlite", _store, "where events are kept: sqlite, clickhouse://host:8123/kizashi, or chdb://path"),
    Setting("refresh", "10s", _duration, "with ClickHouse, how often answers that the plan declares are counted again"),
    Setting(
        "retention", None, _duration, "refuse and delete what is older than this, such as 400d; overrides the plan's"
    ),
    Setting("max_events", "2500", _positive, "events in one batch at most"),
    Setting("max_body", "10485760", _positive, "bytes of a decoded body at most"),
    Setting("max_compressed", "1048576", _positive, "bytes of a compressed body at most"),
    Setting("max_pending", "100000", _positive, "events that may wait to be written; beyond, batches are answered 503"),
    Setting("query_timeout", "30s", _duration, "how long a question may take; beyond, it is answered 503"),
    Setting("max_wait", "1s", _duration, "how long a batch may be expected to wait; beyond, it is answered 503 or 429"),
    Setting("rate_limit", None, _rate, "events per second of each write key; beyond, batches are answered 429"),
    Setting("read_rate_limit", None, _rate, "questions per second of each read or admin key; beyond, 429"),
    Setting("max_connections", "20000", _positive, "connections at a time; beyond, the longest idle go, or it is 503"),
    Setting("idle_timeout", "75s", _duration, "how long a connection may be idle"),
    Setting("header_timeout", "10s", _duration, "how long the head of a request may take once its first byte is there"),
    Setting("body_timeout", "30s", _duration, "how long a body may take; one below --min-body-rate is cut after 10s"),
    Setting("min_body_rate", "1024", _positive, "bytes per second that a body must come with"),
    Setting("answer_timeout", "60s", _duration, "how long a client may leave its answer unread"),
    Setting("min_free", None, _bytes, "free bytes of the volume; below, /readyz fails; by default 64 MiB or a 20th"),
    Setting("log_format", None, _log_format, "text or json; without it, text on a terminal and json elsewhere"),
    Setting("log_level", "info", _log_level, "debug, info, warning or error; at debug every request has its line"),
    Setting("slow_request", "1s", _duration, "an answer that takes as long has its line in the log"),
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
    origins: dict[str, str] = {}
    for setting in SETTINGS:
        if not hasattr(args, setting.name):
            continue
        text, origin = getattr(args, setting.name) or None, setting.option
        if text is None:
            text, origin = environment.get(setting.variable) or None, setting.variable
        if text is None:
            text, origin = setting.default, setting.option
        try:
            values[setting.name] = None if text is None else setting.read(text)
            origins[setting.name] = origin
        except (ValueError, TimeError) as error:
            raise SettingsError(f"{origin}: {text!r} cannot be used: {error}") from None
    if "max_pending" in values and "max_events" in values and values["max_pending"] < values["max_events"]:
        raise SettingsError(
            f"{origins['max_pending']}: {values['max_pending']} is less than one batch may hold "
            f"({origins['max_events']}: {values['max_events']}), so that a full one could never be taken; "
            "raise the first or lower the second"
        )
    return values


def given_keys(environment: Mapping[str, str] = os.environ) -> dict[Scope, str]:
    """The keys that the environment gives: KIZASHI_WRITE_KEY, KIZASHI_READ_KEY, KIZASHI_ADMIN_KEY.

    Raises SettingsError, which never shows a secret, for one that no request could bring, and one for two scopes.
    """
    from kizashi_collector.store import MAX_SECRET, SCOPES  # with the whole store; only the server asks

    # What a request's Authorization header can carry.
    possible = re.compile(rf"[!-~]{{1,{MAX_SECRET}}}")
    keys: dict[Scope, str] = {}
    for scope in SCOPES:
        secret = environment.get(_key_variable(scope))
        if not secret:
            continue
        if not possible.fullmatch(secret):
            raise SettingsError(
                f"{_key_variable(scope)}: no request could bring this key; "
                f"give 1 to {MAX_SECRET} visible ASCII characters, without spaces or a line's end"
            )
        for other, known in keys.items():
            if known == secret:
                raise SettingsError(
                    f"{_key_variable(scope)}: the same key as {_key_variable(other)}, and a key has one scope; "
                    "give each its own"
                )
        keys[scope] = secret
    return keys


def _key_variable(scope: Scope) -> str:
    return f"KIZASHI_{scope.upper()}_KEY"
