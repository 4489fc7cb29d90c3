"""What a site says once about visits, whichever framework it uses."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Required, TypedDict

from msgspec import Struct

from kizashi._errors import ConfigurationError

__all__ = ["Options", "Settings", "read_options"]

_DAY = 86_400
# Chrome cuts longer ones to this.
_MOST_DAYS = 400
_LEAST_SECRET = 16
_COOKIE = re.compile(r"[A-Za-z0-9_-]{1,64}")
_HOST = re.compile(r"[a-z0-9-]+(\.[a-z0-9-]+)*")


class Settings(TypedDict, total=False):
    """The options that all doors share. Callables get the framework's request and must not be `async`.

    secret              what signs the cookie, at least 16 characters; a list to rotate: the first signs, all verify
    consent             callable: True where the visitor agreed to be measured. All else counts as no, raising included
    actor, session      callables: who acts, in which visit; text or an int, or None. Never personal data
    cookie              the cookie's name; "kizashi"
    max_age             days that a touch is remembered, 1 to 400; 90
    domain              the cookie's domain, for a site with several hosts; default the host of the request alone
    ignore_referrers    hosts that send nobody, such as the payment page that buyers come back from
    """

    secret: Required[str | Sequence[str]]
    consent: Required[Callable[[Any], object]]
    actor: Callable[[Any], str | int | None] | None
    session: Callable[[Any], str | int | None] | None
    cookie: str
    max_age: int
    domain: str | None
    ignore_referrers: Sequence[str]


class Options(Struct, kw_only=True, frozen=True):
    """The options, checked; `max_age` in seconds. The repr never shows the secrets."""

    secrets: tuple[bytes, ...]
    consent: Callable[[Any], object]
    actor: Callable[[Any], object] | None
    session: Callable[[Any], object] | None
    cookie: str
    max_age: int
    domain: str | None
    own: tuple[str, ...]

    def __repr__(self) -> str:
        return f"Options(cookie={self.cookie!r}, max_age={self.max_age}, domain={self.domain!r}, secrets=…)"


def read_options(settings: Mapping[str, Any], where: str = "") -> Options:
    """Check the options; `where` names their place in messages, such as `KIZASHI` for Django's setting.

    Raises ConfigurationError, whose message names the option, what was given (but never a secret) and what may be.
    """
    unknown = sorted(set(settings) - set(Settings.__annotations__), key=str)
    if unknown:
        raise ConfigurationError(
            f"{_named(where, str(unknown[0]))} is no option of the middleware; "
            f"there are {', '.join(Settings.__annotations__)}"
        )
    domain = _domain(where, settings.get("domain"))
    return Options(
        secrets=_secrets(where, settings.get("secret")),
        consent=_consent(where, settings.get("consent")),
        actor=_callable(where, "actor", settings.get("actor")),
        session=_callable(where, "session", settings.get("session")),
        cookie=_cookie(where, settings.get("cookie", "kizashi")),
        max_age=_days(where, settings.get("max_age", 90)) * _DAY,
        domain=domain,
        own=(() if domain is None else (domain,)) + _hosts(where, settings.get("ignore_referrers", ())),
    )


def _named(where: str, name: str) -> str:
    return f"{where}[{name!r}]" if where else name


def _secrets(where: str, given: object) -> tuple[bytes, ...]:
    # Nothing of a secret is shown, not even its length beyond what the message must say.
    name = _named(where, "secret")
    remedy = f"give at least {_LEAST_SECRET} random characters, or a list of such texts, the newest first"
    if given is None:
        raise ConfigurationError(f"{name} is missing; {remedy}")
    secrets = [given] if isinstance(given, str) else given
    if not isinstance(secrets, Sequence) or isinstance(secrets, bytes) or not secrets:
        raise ConfigurationError(f"{name} is of type {type(given).__name__}, or empty; {remedy}")
    for secret in secrets:
        if not isinstance(secret, str) or len(secret) < _LEAST_SECRET:
            raise ConfigurationError(f"{name} holds what is no text, or is too short; {remedy}")
    return tuple(secret.encode("utf-8", "surrogatepass") for secret in secrets)


def _consent(where: str, given: object) -> Callable[[Any], object]:
    consent = _callable(where, "consent", given)
    if consent is None:
        raise ConfigurationError(
            f"{_named(where, 'consent')} is missing; give a callable that takes the request and returns True where the "
            "visitor agreed to be measured"
        )
    return consent


def _callable(where: str, name: str, given: object) -> Callable[[Any], object] | None:
    if given is None:
        return None
    if not callable(given):
        raise ConfigurationError(
            f"{_named(where, name)} is of type {type(given).__name__}; give a callable that takes the request"
        )
    if inspect.iscoroutinefunction(given) or inspect.iscoroutinefunction(getattr(given, "__call__", None)):  # noqa: B004
        raise ConfigurationError(
            f"{_named(where, name)} is asynchronous; give a plain callable, since it is asked within every request"
        )
    return given


def _cookie(where: str, given: object) -> str:
    if not isinstance(given, str) or not _COOKIE.fullmatch(given):
        raise ConfigurationError(f"{_named(where, 'cookie')} is {given!r}; write 1 to 64 letters, digits, _ or -")
    return given


def _days(where: str, given: object) -> int:
    if isinstance(given, bool) or not isinstance(given, int) or not 1 <= given <= _MOST_DAYS:
        raise ConfigurationError(f"{_named(where, 'max_age')} is {given!r}; give days from 1 to {_MOST_DAYS}")
    return given


def _domain(where: str, given: object) -> str | None:
    return None if given is None else _host(_named(where, "domain"), given)


def _hosts(where: str, given: object) -> tuple[str, ...]:
    name = _named(where, "ignore_referrers")
    if isinstance(given, str) or not isinstance(given, Sequence):
        raise ConfigurationError(f"{name} is of type {type(given).__name__}; give a list of hosts")
    return tuple(_host(name, host) for host in given)


def _host(name: str, given: object) -> str:
    host = given.lower().removeprefix(".") if isinstance(given, str) else ""
    if not _HOST.fullmatch(host):
        raise ConfigurationError(f"{name} has {given!r}; write a host such as shop.example, without scheme or port")
    return host
