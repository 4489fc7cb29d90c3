"""The extension for Flask.

Kizashi(app, secret=SECRET, consent=lambda request: request.cookies.get("agreed") == "yes")
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Unpack

from flask import Flask, Response, request

from kizashi import ConfigurationError, context
from kizashi._visit import Carried, Seen, Settings, Trouble, Visits, read_options

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

__all__ = ["Kizashi"]

_PLACE = "kizashi.flask"


class _Stay:
    """One request's stay in its context: begun before the view, over when the WSGI application returns."""

    def __init__(self) -> None:
        self.here: context | None = None
        self.set_cookie: str | None = None


class Kizashi:
    """Says who acts, and where they came from, to every `kizashi.track` in a request; see Settings for the options.

    The callables are asked before the view, after the `before_request` functions that were registered before: call
    `init_app` after what loads the session and the user. Bodies that are streamed are made in the same context, and
    teardown functions run in it. Raises ConfigurationError.
    """

    def __init__(self, app: Flask | None = None, **settings: Unpack[Settings]) -> None:
        self._trouble = Trouble()
        self._visits = Visits(read_options(settings), trouble=self._trouble)
        if app is not None:
            self.init_app(app)

    def init_app(self, app: Flask) -> None:
        """Add it to an application. Raises ConfigurationError where one was added before."""
        if "kizashi" in app.extensions:
            raise ConfigurationError(f"{app!r} has Kizashi already; pass the application or call init_app, not both")
        # Flask's own hooks know the request, session and all; only WSGI knows when it is over, on every path.
        app.wsgi_app = _Bounds(app.wsgi_app)  # type: ignore[method-assign]  # the documented way to wrap it
        app.before_request(self._enter)
        app.after_request(self._answer)
        app.extensions["kizashi"] = self

    def _enter(self) -> None:
        stay = request.environ.get(_PLACE)
        if not isinstance(stay, _Stay) or stay.here is not None:
            return  # a test's request context, which nobody would leave
        try:
            headers = request.headers
            seen = Seen(
                method=request.method,
                host=request.host,
                path=request.root_path.rstrip("/") + request.path,
                query=request.query_string.decode("latin-1"),
                referrer=headers.get("Referer", ""),
                fetch_mode=headers.get("Sec-Fetch-Mode", ""),
                cookies=headers.get("Cookie", ""),
                secure=request.is_secure,
            )
        except Exception as error:  # noqa: BLE001 - a request that cannot be read is the view's to answer
            self._trouble.tell("request", "a request could not be read", error)
            seen = Seen(method="")
        # The object behind Flask's proxy: a callable may keep it, and the proxy is another request's later.
        here = request._get_current_object()  # type: ignore[attr-defined]  # the stubs show what it stands for
        welcome = self._visits.welcome(here, seen)
        stay.here, stay.set_cookie = welcome.here, welcome.set_cookie
        welcome.here.__enter__()

    def _answer(self, response: Response) -> Response:
        stay = request.environ.get(_PLACE)
        if isinstance(stay, _Stay) and stay.set_cookie is not None:
            response.headers.add("Set-Cookie", stay.set_cookie)
            stay.set_cookie = None
        return response


class _Bounds:
    """Leaves the context that a request entered, and enters it again for each part of a streamed body."""

    def __init__(self, app: WSGIApplication) -> None:
        self._app = app

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        environ[_PLACE] = stay = _Stay()
        try:
            body = self._app(environ, start_response)
        finally:
            if stay.here is not None:
                stay.here.__exit__()
        if stay.here is None or _is_plain(body, environ):
            return body
        return Carried(stay.here, body)


def _is_plain(body: object, environ: dict[str, Any]) -> bool:
    # What no code of the site makes: lists, and files, which some servers hand to the kernel if they know them.
    wrapper = environ.get("wsgi.file_wrapper")
    return isinstance(body, list | tuple) or (isinstance(wrapper, type) and isinstance(body, wrapper))
