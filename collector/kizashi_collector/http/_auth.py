"""Who may ask what: bearer keys with scopes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextvars import ContextVar

from aiohttp import web

from kizashi_collector.http._admission import ADMISSION
from kizashi_collector.http._problems import ProblemError
from kizashi_collector.http._services import SERVICES
from kizashi_collector.store import MAX_SECRET, Keys, Scope

__all__ = ["CALLER", "Handler", "caller_of", "needs"]

CALLER: ContextVar[str] = ContextVar("kizashi_caller")
"""Whose request is being answered: a text that stands for its key, or without keys the address it came from."""

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
    """Let a handler run only for a key whose scope includes `scope`; admin includes read, but not write."""

    async def guarded(request: web.Request) -> web.StreamResponse:
        keys = request.app[SERVICES].keys
        if keys is None:
            caller = request.remote or ""
        else:
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
            caller = _caller(secret)
        CALLER.set(caller)  # aiohttp answers each request in a task of its own
        if scope != "write":
            request.app[ADMISSION].ask(caller)
        return await handler(request)

    return guarded
