"""What a request for a page says, and how pages are answered."""

from __future__ import annotations

from urllib.parse import urlsplit

from aiohttp import web

from kizashi_collector.dashboard._frame import PAGES, Asked
from kizashi_collector.dashboard._language import language_of
from kizashi_collector.dashboard._static_files import STATIC_FILES

__all__ = ["asked_for", "html", "local", "see"]

_MOST_CHARACTERS = 8_000


def asked_for(request: web.Request, here: str | None = None) -> Asked:
    """For whom a page is drawn; `here` where it is not the request's own path."""
    files = request.app[STATIC_FILES]
    return Asked(here=request.path_qs if here is None else here, language=language_of(request), files=files.path(""))


def html(text: str, *, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    """A page that nobody keeps, packed where the browser unpacks it."""
    response = web.Response(
        status=status,
        text=text,
        content_type="text/html",
        headers={"Cache-Control": "no-store", **(headers or {})},
    )
    response.enable_compression()
    return response


def see(path: str) -> web.Response:
    """The answer to a form: look at that page. `path` is a local one."""
    return web.Response(status=303, headers={"Location": path, "Cache-Control": "no-store"})


def local(wanted: str) -> str:
    """The path and query of a page of the dashboard, or `/` where that is not what is wanted."""
    try:
        parts = urlsplit(wanted)
    except ValueError:
        return "/"
    if parts.scheme or parts.netloc or parts.path not in PAGES:
        return "/"
    # Put together anew: `///` has the path `/`, and is the name of a host to a browser.
    found = f"{parts.path}?{parts.query}" if parts.query else parts.path
    return found if found.isascii() and found.isprintable() and len(found) < _MOST_CHARACTERS else "/"
