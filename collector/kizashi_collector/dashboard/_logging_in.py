"""The doors: a key becomes a session, a session ends, a language is chosen. All are forms of the pages."""

from __future__ import annotations

from urllib.parse import parse_qsl, urlsplit

from aiohttp import web

from kizashi_collector.dashboard._asked import asked_for, html, local, see
from kizashi_collector.dashboard._frame import login_page
from kizashi_collector.dashboard._language import LANGUAGE_COOKIE, is_language
from kizashi_collector.http import SERVICES, SESSION_COOKIE, ProblemError, begin_asking, body_of, is_own

__all__ = ["choose_language", "log_in", "log_out", "to_first_page"]

_SESSION_S = 12 * 60 * 60
_YEAR_S = 365 * 24 * 60 * 60
_MOST_BYTES = 32 * 1024
_MOST_FIELDS = 8


async def log_in(request: web.Request) -> web.Response:
    """Give a session to whoever shows a key that may read."""
    _need_own(request)
    services = request.app[SERVICES]
    refusal: ProblemError | None = None
    try:
        begin_asking(request)
    except ProblemError as error:
        refusal = error
    form = await _form(request)
    here = local(form.get("next", "/"))
    if services.keys is None:
        return see(here)
    if refusal is not None:
        page = login_page(asked_for(request, here), error="too_many")
        return html(page, status=refusal.status, headers=refusal.headers)
    until = services.clock.now() + _SESSION_S * 1000
    token = services.keys.session_for(form.get("key", "").strip(), until)
    if token is None:
        return html(login_page(asked_for(request, here), error="wrong_key"), status=403)
    answer = see(here)
    answer.set_cookie(
        SESSION_COOKIE,
        token,
        max_age=_SESSION_S,
        path="/",
        httponly=True,
        samesite="Strict",
        secure=_by_https(request),
    )
    return answer


async def log_out(request: web.Request) -> web.Response:
    """End the session of this browser; only revoking its key ends all of them."""
    _need_own(request)
    answer = see("/")
    answer.del_cookie(SESSION_COOKIE, path="/", httponly=True, samesite="Strict", secure=_by_https(request))
    return answer


async def choose_language(request: web.Request) -> web.Response:
    """Remember the language, and show the page once more."""
    _need_own(request)
    begin_asking(request)
    form = await _form(request)
    answer = see(_shown(request) or local(form.get("next", "/")))
    if is_language(form.get("lang", "")):
        answer.set_cookie(
            LANGUAGE_COOKIE,
            form["lang"],
            max_age=_YEAR_S,
            path="/",
            httponly=True,
            samesite="Lax",
            secure=_by_https(request),
        )
    return answer


async def to_first_page(_: web.Request) -> web.Response:
    """Who loads the login page again after a wrong key comes to the overview."""
    return see("/")


def _shown(request: web.Request) -> str | None:
    """What the browser shows: a page keeps its state in its URL, which its form cannot know, but the Referer tells."""
    try:
        referer = urlsplit(request.headers.get("Referer", ""))
    except ValueError:
        return None
    shown = f"{referer.path}?{referer.query}" if referer.query else referer.path
    return shown if referer.netloc == request.headers.get("Host") and local(shown) == shown else None


def _need_own(request: web.Request) -> None:
    if not is_own(request):
        raise ProblemError(403, "cross_site", "this form was not sent by a page of the dashboard; open it at /")


def _by_https(request: web.Request) -> bool:
    """Whether the browser speaks HTTPS, be it to a proxy: its own Origin says so (see `is_own`)."""
    return request.secure or request.headers.get("Origin", "").startswith("https://")


async def _form(request: web.Request) -> dict[str, str]:
    async with body_of(request) as body:
        if len(body) > _MOST_BYTES:
            raise ProblemError(413, "too_large", f"the form has {len(body)} bytes, {_MOST_BYTES} may be")
        try:
            return dict(parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=_MOST_FIELDS))
        except ValueError:
            return {}
