"""A site of Django in one module: settings, views, and both doors to servers."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Iterator

import django
from django.conf import settings
from django.core.asgi import get_asgi_application
from django.core.wsgi import get_wsgi_application
from django.db import connection, transaction
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.urls import path

import kizashi
from frameworks.apps.meeting import SECRET, meet
from kizashi.django import track_on_commit


def agreed(request: HttpRequest) -> bool:
    return bool(request.COOKIES["agreed"] == "yes")


def actor(request: HttpRequest) -> str | None:
    # Through the database, as request.user is: in an event loop, Django refuses that.
    with connection.cursor() as cursor:
        cursor.execute("select %s", [request.headers.get("X-Actor")])
        row: tuple[str | None] = cursor.fetchone()
    return row[0]


settings.configure(
    SECRET_KEY=SECRET,
    ALLOWED_HOSTS=["*"],
    ROOT_URLCONF=__name__,
    MIDDLEWARE=["kizashi.django.Middleware"],
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": "file::memory:?cache=shared"}},
    LOGGING_CONFIG=None,
    KIZASHI={
        "secret": SECRET,
        "consent": f"{__name__}.agreed",
        "actor": f"{__name__}.actor",
        "ignore_referrers": ["pay.example"],
    },
)


def home(_request: HttpRequest) -> HttpResponse:
    return HttpResponse("home")


def event(request: HttpRequest) -> HttpResponse:
    kizashi.track(request.GET["name"])
    return HttpResponse("tracked")


def sync_meeting(request: HttpRequest) -> HttpResponse:
    meet(request.GET["at"])
    kizashi.track(request.GET["name"], properties={"expected": request.headers["X-Actor"]})
    return HttpResponse("met")


async def async_meeting(request: HttpRequest) -> HttpResponse:
    await asyncio.to_thread(meet, request.GET["at"])
    kizashi.track(request.GET["name"], properties={"expected": request.headers["X-Actor"]})
    return HttpResponse("met")


def sync_stream(request: HttpRequest) -> StreamingHttpResponse:
    def parts() -> Iterator[str]:
        yield "begun "
        kizashi.track(request.GET["name"])
        yield "done"

    return StreamingHttpResponse(parts())


async def async_stream(request: HttpRequest) -> StreamingHttpResponse:
    async def parts() -> AsyncIterator[str]:
        yield "begun "
        await asyncio.sleep(0)
        kizashi.track(request.GET["name"])
        yield "done"

    return StreamingHttpResponse(parts())


def fail(_request: HttpRequest) -> HttpResponse:
    raise RuntimeError("the site's own")


def commit(request: HttpRequest) -> HttpResponse:
    properties = {"step": "noted"}
    with transaction.atomic():
        with kizashi.context(session="inside"):
            track_on_commit(request.GET["name"], properties=properties)
        properties["step"] = "changed afterwards"
        kizashi.track("mv_before_commit")
    kizashi.track("mv_after_commit")
    return HttpResponse("committed")


def rollback(request: HttpRequest) -> HttpResponse:
    for outer in (True, False):
        try:
            with transaction.atomic():
                try:
                    with transaction.atomic():
                        track_on_commit("mv_rolled_back")
                        if not outer:
                            raise LookupError
                except LookupError:
                    track_on_commit(request.GET["name"])
                if outer:
                    raise LookupError
        except LookupError:
            kizashi.track("mv_after_rollback")
    return HttpResponse("rolled back")


def outside(request: HttpRequest) -> HttpResponse:
    track_on_commit(request.GET["name"], using="default")
    transaction.set_autocommit(False)
    try:
        track_on_commit("mv_unknown_fate")
    finally:
        transaction.rollback()
        transaction.set_autocommit(True)
    track_on_commit("mv_nowhere", using="no such database")
    return HttpResponse("tracked")


# The server imports the module before it calls anything; which one it is decides which views there are.
ASYNCHRONOUS = "uvicorn" in sys.modules
urlpatterns = [
    path("", home),
    path("event", event),
    path("meet", async_meeting if ASYNCHRONOUS else sync_meeting),
    path("stream", async_stream if ASYNCHRONOUS else sync_stream),
    path("fail", fail),
    path("commit", commit),
    path("rollback", rollback),
    path("outside", outside),
]
django.setup()
app = get_asgi_application() if ASYNCHRONOUS else get_wsgi_application()
