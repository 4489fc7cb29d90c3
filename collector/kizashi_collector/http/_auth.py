"""Who may ask what: bearer keys with scopes, and sessions of people, which read and do nothing else."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextvars import ContextVar

from aiohttp import web

from kizashi_collector.http._admission import ADMISSION
from kizashi_collector.http._problems import ProblemError
from kizashi_collector.http._services import SERVICES
from kizashi_collector.store import MAX_SECRET, MAX_TOKEN, Keys, Scope

__all__ = [
    "CALLER",
    "SESSION_COOKIE",
    "Handler",
    "begin_asking",
    "caller_of",
    "is_own",
    "may_still",
    "needs",
    "session_of",
]

CALLER: ContextVar[str] = ContextVar("kizashi_caller")
"""Whose request is being answered: a text that stands for its key, or without keys the address it came from."""

SESSION_COOKIE = "kizashi_session"

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_ALLOWED: dict[Scope, frozenset[Scope]] = {
    "write": frozenset({"write"}),
    "read": frozenset({"read"}),
    "admin": frozenset({"admin", "read"}),
}


def caller_of(keys: Keys | None, secret: str | None, remote: str) -> str | None:
    """Whom a request that brings events counts for, or None where it may not bring any."""
    if keys is None:
        return remote
    if secret is None or len(secret) > MAX_SECRET or keys.scope_of(secret) != "write":
        return None
    return _caller(secret)


def _caller(secret: str) -> str:
    return f"{hash(secret):x}"  # what counts per key keeps no secrets


def needs(scope: Scope, handler: Handler) -> Handler:
    """Let a handler run only for a key whose scope includes `scope`; admin includes read, but not write.

    Where `scope` is read, a session that comes from the collector's own pages will do as well.
    """

    async def guarded(request: web.Request) -> web.StreamResponse:
        caller = _admitted(request, scope)
        CALLER.set(caller)  # aiohttp answers each request in a task of its own
        if scope != "write":
            request.app[ADMISSION].ask(caller)
        return await handler(request)

    return guarded


def may_still(request: web.Request, scope: Scope) -> bool:
    """Whether a request that was let in would be let in now: its key may be revoked by now, or its session over."""
    try:
        _admitted(request, scope)
    except ProblemError:
        return False
    return True


def _admitted(request: web.Request, scope: Scope) -> str:
    """Whose request it is. Raises ProblemError, 401 or 403, where they may not ask what is for `scope`."""
    keys = request.app[SERVICES].keys
    if keys is None:
        return request.remote or ""
    if scope == "read" and "Authorization" not in request.headers and is_own(request) and session_of(request):
        return _session_caller(request)
    scheme, _, secret = request.headers.get("Authorization", "").partition(" ")
    secret = secret.strip()
    held = keys.scope_of(secret) if scheme.lower() == "bearer" and 0 < len(secret) <= MAX_SECRET else None
    if held is None:
        raise ProblemError(
            401,
            "no_key",
            "no valid key; send Authorization: Bearer with a key from `kizashi keys create`",
            {"WWW-Authenticate": 'Bearer realm="kizashi"'},
        )
    if scope not in _ALLOWED[held]:
        raise ProblemError(403, "wrong_scope", f"this key's scope is {held}, and this needs {scope}")
    return _caller(secret)


def begin_asking(request: web.Request) -> None:
    """Count a question of somebody who has shown no key yet, by address. Raises ProblemError, 429."""
    caller = request.remote or ""
    CALLER.set(caller)
    request.app[ADMISSION].ask(caller)


def session_of(request: web.Request) -> bool:
    """Whether the request carries a session that holds, and may therefore read."""
    services, token = request.app[SERVICES], request.cookies.get(SESSION_COOKIE, "")
    if services.keys is None or not 0 < len(token) < MAX_TOKEN:
        return False
    return services.keys.scope_of_session(token, services.clock.now()) is not None


def is_own(request: web.Request) -> bool:
    """Whether one of the collector's own pages sent the request, or a person by hand.

    Browsers say so in Sec-Fetch-Site (W3C Fetch Metadata), but not over plain HTTP to another machine. There they
    send an Origin with every POST (RFC 6454), and with a GET only where it is another's.
    """
    site = request.headers.get("Sec-Fetch-Site")
    if site is not None:
        return site in ("same-origin", "none")
    origin = request.headers.get("Origin")
    if origin is None:
        return request.method in ("GET", "HEAD")
    return origin.partition("://")[2] == request.headers.get("Host", "")


def _session_caller(request: web.Request) -> str:
    # All sessions of one key share its rate.
    return f"session {request.cookies[SESSION_COOKIE].split('.')[1]}"
