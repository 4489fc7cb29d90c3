"""The dashboard's routes, and the headers that all of its answers have."""

from __future__ import annotations

from importlib.metadata import version

from aiohttp import web

from kizashi_collector.dashboard._asked import asked_for, html, see
from kizashi_collector.dashboard._frame import PAGES, frame, login_page, missing_page
from kizashi_collector.dashboard._logging_in import choose_language, log_in, log_out, to_first_page
from kizashi_collector.dashboard._static_files import STATIC_FILES, StaticFiles
from kizashi_collector.http import SERVICES, Handler, ProblemError, expected, session_of

__all__ = ["add_dashboard"]

# Nothing runs, styles, frames or is asked but what comes from here (W3C Content Security Policy Level 3).
_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}
_VERSION = version("kizashi")


def add_dashboard(app: web.Application) -> None:
    """Add the pages, what they are made of, and the doors to log in and out by."""
    app[STATIC_FILES] = StaticFiles()
    for path in PAGES:
        app.router.add_get(path, _guarded(_page), expect_handler=expected)
    app.router.add_get("/static/{version}/{name:.+}", _guarded(_static), expect_handler=expected)
    app.router.add_get("/login", _guarded(to_first_page), expect_handler=expected)
    for path, handler in (("/login", log_in), ("/logout", log_out), ("/language", choose_language)):
        app.router.add_post(path, _guarded(handler), expect_handler=expected)
    # Beside the pages, for whoever mistypes one; what programs ask has more than one part.
    app.router.add_get("/{name:[^/]+/?}", _guarded(_missing), expect_handler=expected)


def _guarded(handler: Handler) -> Handler:
    async def guarded(request: web.Request) -> web.StreamResponse:
        try:
            response = await handler(request)
        except ProblemError as error:
            error.headers.update(_HEADERS)
            raise
        response.headers.update(_HEADERS)
        return response

    return guarded


async def _page(request: web.Request) -> web.Response:
    services, asked = request.app[SERVICES], asked_for(request)
    if services.keys is not None and not session_of(request):
        # SameSite=Strict: the browser keeps the cookie back from a link on another site.
        elsewhere = request.headers.get("Sec-Fetch-Site") in ("cross-site", "same-site")
        return html(login_page(asked, again=elsewhere))
    plan = services.plans.current
    return html(
        frame(
            asked,
            request.path,
            version=_VERSION,
            zone=None if plan is None else plan.timezone,
            needed=_needed(request.app[STATIC_FILES], PAGES[request.path]),
            leaving=services.keys is not None,
        )
    )


def _needed(files: StaticFiles, page: str) -> list[str]:
    """The page's own style sheet, if it has one, and the modules that its module imports."""
    return [name for name in (f"{page}/{page}.css", *files.imported(f"{page}/{page}.js")) if files.has(name)]


async def _missing(request: web.Request) -> web.Response:
    """A name without a page: the page that must be meant, or where the pages are. Programs get the usual problem."""
    name = request.match_info["name"].rstrip("/")
    meant = next((path for path, page in PAGES.items() if page == name), None)
    if meant is not None:
        return see(f"{meant}?{request.query_string}" if request.query_string else meant)
    if "text/html" not in request.headers.get("Accept", ""):
        raise web.HTTPNotFound
    return html(missing_page(asked_for(request, "/")), status=404)


async def _static(request: web.Request) -> web.Response:
    return request.app[STATIC_FILES].answer(request)
