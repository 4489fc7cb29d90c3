"""Middleware for Django, synchronous and asynchronous, and events that wait for the transaction's commit.

MIDDLEWARE = [..., "kizashi.django.Middleware"]
KIZASHI = {"secret": SECRET_KEY, "consent": "shop.consent.given"}
"""

from __future__ import annotations

import time as clocks
from collections.abc import Awaitable, Callable, Mapping
from contextvars import copy_context
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, cast

from asgiref.sync import iscoroutinefunction, markcoroutinefunction, sync_to_async
from django.conf import settings
from django.core.exceptions import SynchronousOnlyOperation
from django.db import transaction
from django.http import FileResponse, HttpRequest, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.utils.module_loading import import_string

import kizashi
from kizashi._errors import ConfigurationError
from kizashi._visit import AsyncCarried, Carried, Seen, Trouble, Visits, Welcome, read_options

if TYPE_CHECKING:
    from datetime import datetime
    from decimal import Decimal

__all__ = ["Middleware", "track_on_commit"]

_CALLABLES = ("consent", "actor", "session")
_MILLISECOND_NS = 1_000_000
_trouble = Trouble()


class Middleware:
    """Says who acts, and where they came from, to every `kizashi.track` in a request.

    The setting KIZASHI is a dict of the options that kizashi's Settings lists; callables may be dotted paths. List the
    middleware behind those that load the session and the user, where `actor` or `consent` look at them. In ASGI, a
    callable that asks the database is asked again in the thread for such things. Raises ConfigurationError.
    """

    sync_capable = True
    async_capable = True

    def __init__(
        self,
        get_response: Callable[[HttpRequest], HttpResponseBase] | Callable[[HttpRequest], Awaitable[HttpResponseBase]],
    ) -> None:
        self._get_response = get_response
        self._visits = Visits(
            read_options(_settings(), "KIZASHI"), trouble=_trouble, passing=(SynchronousOnlyOperation,)
        )
        self._asynchronous = iscoroutinefunction(get_response)
        if self._asynchronous:
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> HttpResponseBase | Awaitable[HttpResponseBase]:
        """Handle a request."""
        if self._asynchronous:
            return self._acall(request)
        welcome = self._welcome(request)
        with welcome.here:
            response = cast("HttpResponseBase", self._get_response(request))
        return _finished(response, welcome)

    async def _acall(self, request: HttpRequest) -> HttpResponseBase:
        try:
            welcome = self._visits.welcome(request, _see(request))
        except SynchronousOnlyOperation:
            welcome = await sync_to_async(self._welcome)(request)
        with welcome.here:
            response = await cast("Awaitable[HttpResponseBase]", self._get_response(request))
        return _finished(response, welcome)

    def _welcome(self, request: HttpRequest) -> Welcome:
        try:
            return self._visits.welcome(request, _see(request))
        except SynchronousOnlyOperation as error:
            _trouble.tell("asynchronous", "a callable needs the database where there is an event loop", error)
            return Welcome(kizashi.context())


def track_on_commit(
    name: str,
    *,
    using: str | None = None,
    actor: str | int | None = None,
    value: int | Decimal | str | float | None = None,
    currency: str | None = None,
    order: str | int | None = None,
    session: str | int | None = None,
    source: Mapping[str, str | int | None] | None = None,
    properties: Mapping[str, str | int | float | Decimal | bool | None] | None = None,
    time: datetime | int | str | None = None,
    idempotency_key: str | int | None = None,
    consent: Mapping[str, bool | None] | None = None,
    adjust: Literal["restate", "retract"] | None = None,
) -> None:
    """Do as kizashi.track, but once the transaction has been committed; at once where there is none.

    Of a transaction or savepoint that is rolled back, nothing is tracked. The arguments, copies of the mappings, the
    context and the time are those of this call. `using` is a database alias, as transaction.on_commit takes it. Raises
    nothing: for a database that is not there, or with autocommit switched off, where nobody knows when a commit is, the
    event is lost with a warning.
    """
    around = copy_context()
    emit = partial(
        kizashi.track,
        name,
        actor=actor,
        value=value,
        currency=currency,
        order=order,
        session=session,
        source=_copied(source),
        properties=_copied(properties),
        time=clocks.time_ns() // _MILLISECOND_NS if time is None else time,
        idempotency_key=idempotency_key,
        consent=_copied(consent),
        adjust=adjust,
    )

    def committed() -> None:  # a partial has no __qualname__, which Django logs where one raises in strict mode
        around.run(emit)

    try:
        transaction.on_commit(committed, using=using, robust=True)
    except Exception as error:  # noqa: BLE001 - a site must not fail because it is measured
        _trouble.tell("on_commit", "an event could not wait for its transaction and is lost", error)


def _copied(mapping: Any) -> Any:
    if not isinstance(mapping, Mapping):
        return mapping
    try:
        return dict(mapping)
    except Exception:  # noqa: BLE001 - whatever a stranger's mapping raises; track() will meet it, and count it
        return mapping


def _settings() -> dict[str, Any]:
    given = getattr(settings, "KIZASHI", None)
    if not isinstance(given, Mapping):
        raise ConfigurationError(
            f"the setting KIZASHI is of type {type(given).__name__}; write KIZASHI = "
            '{"secret": SECRET_KEY, "consent": "shop.consent.given"}'
        )
    read = dict(given)
    for name in _CALLABLES:
        path = read.get(name)
        if isinstance(path, str):
            try:
                read[name] = import_string(path)
            except ImportError as error:
                raise ConfigurationError(
                    f"KIZASHI[{name!r}] is {path!r}, which cannot be imported; write module.function"
                ) from error
    return read


def _see(request: HttpRequest) -> Seen:
    try:
        meta = request.META
        return Seen(
            method=request.method or "",
            host=request.get_host(),
            path=request.path,
            query=meta.get("QUERY_STRING", ""),
            referrer=meta.get("HTTP_REFERER", ""),
            fetch_mode=meta.get("HTTP_SEC_FETCH_MODE", ""),
            cookies=meta.get("HTTP_COOKIE", ""),
            secure=request.is_secure(),
        )
    except Exception as error:  # noqa: BLE001 - such as DisallowedHost, which is Django's to answer
        _trouble.tell("request", "a request could not be read", error)
        return Seen(method="")


def _finished(response: HttpResponseBase, welcome: Welcome) -> HttpResponseBase:
    if welcome.set_cookie is not None:
        response.cookies.load(welcome.set_cookie)
    # A file is left as it is: servers hand it to the kernel where they know it, and no code of the site makes it.
    if isinstance(response, StreamingHttpResponse) and not isinstance(response, FileResponse):
        carried = AsyncCarried if response.is_async else Carried
        response.streaming_content = carried(welcome.here, response.streaming_content)
    return response
