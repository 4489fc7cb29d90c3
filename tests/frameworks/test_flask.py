"""The Flask door, called as a server calls it."""

from __future__ import annotations

import io
from collections.abc import Iterable
from typing import Any
from wsgiref.util import FileWrapper, setup_testing_defaults

import pytest
from flask import Flask, Response, send_file

import kizashi
from frameworks.recording import LANDING, SETTINGS, recorded
from kizashi.flask import Kizashi


def make(**settings: Any) -> Flask:
    app = Flask(__name__)
    extension = Kizashi(**(SETTINGS | settings))
    extension.init_app(app)

    @app.get("/a")
    def track() -> str:
        kizashi.track("mv_inside")
        return "a"

    return app


def call(app: Flask, path: str, **environ: Any) -> tuple[Iterable[bytes], dict[str, str]]:
    """One request on this thread, as WSGI servers make it; the body is not read yet."""
    defaults: dict[str, Any] = {"PATH_INFO": path, "QUERY_STRING": LANDING} | environ
    setup_testing_defaults(defaults)
    headers: dict[str, str] = {}

    def start_response(_status: str, given: list[tuple[str, str]], _error: Any = None) -> Any:
        headers.update(given)

    return app.wsgi_app(defaults, start_response), headers


def close(body: Iterable[bytes]) -> None:
    body.close()  # type: ignore[attr-defined]  # what WSGI asks of servers


def test_the_context_ends_when_the_application_returns_and_comes_back_for_the_body() -> None:
    app = make()

    @app.get("/stream")
    def stream() -> Response:
        def parts() -> Iterable[bytes]:
            kizashi.track("mv_part")
            yield b"1"
            kizashi.track("mv_part")
            yield b"2"

        response = Response(parts())
        response.call_on_close(lambda: kizashi.track("mv_closed"))
        return response

    with recorded() as events:
        body, _ = call(app, "/stream")
        kizashi.track("mv_between", actor="v-2")
        for _ in body:
            kizashi.track("mv_between", actor="v-2")
        close(body)
        kizashi.track("mv_between", actor="v-2")
    told = [(event["name"], bool(event.get("source"))) for event in events]
    part, between = ("mv_part", True), ("mv_between", False)
    assert told == [between, part, between, part, between, ("mv_closed", True), between]


def test_a_client_that_hangs_up_leaves_nothing_open() -> None:
    app, ended = make(), []

    @app.get("/stream")
    def stream() -> Response:
        def parts() -> Iterable[bytes]:
            try:
                yield b"1"
                yield b"2"
            finally:
                ended.append(True)

        return Response(parts())

    with recorded():
        body, _ = call(app, "/stream")
        assert next(iter(body)) == b"1"
        close(body)
    assert ended == [True]


def test_teardown_functions_and_error_pages_are_inside() -> None:
    app = make()
    app.teardown_request(lambda _error: kizashi.track("mv_teardown"))

    @app.get("/fail")
    def fail() -> str:
        raise RuntimeError

    app.register_error_handler(500, lambda _error: ("sorry", 500))
    with recorded() as events:
        body, headers = call(app, "/fail")
        close(body)
        kizashi.track("mv_after", actor="v-2")
    assert headers["Set-Cookie"].startswith("kizashi=1.")
    assert [(event["name"], bool(event.get("source"))) for event in events] == [
        ("mv_teardown", True),
        ("mv_after", False),
    ]


def test_an_exception_that_goes_through_the_application_leaves_no_context() -> None:
    app = make()
    app.testing = True

    @app.get("/fail")
    def fail() -> str:
        raise LookupError("the site's own")

    with recorded() as events:
        with pytest.raises(LookupError, match="the site's own"):
            call(app, "/fail")
        kizashi.track("mv_after", actor="v-2")
    assert not events[0].get("source")


def test_a_file_reaches_the_server_as_the_file_that_it_is() -> None:
    app = make()

    @app.get("/file")
    def file() -> Response:
        return send_file(io.BytesIO(b"x"), mimetype="text/plain")

    body, _ = call(app, "/file", **{"wsgi.file_wrapper": FileWrapper})
    assert isinstance(body, FileWrapper)
    close(body)


def test_a_request_context_without_a_request_enters_nothing() -> None:
    app = make()
    with recorded() as events:
        with app.test_request_context(f"/a?{LANDING}"):
            app.preprocess_request()
        kizashi.track("mv_after", actor="v-2")
    assert not events[0].get("source")


def test_actors_may_come_from_flasks_session() -> None:
    from flask import session

    app = make(actor=lambda _request: session["user"])
    app.secret_key = "a secret for the session"

    @app.get("/login")
    def login() -> str:
        session["user"] = 7
        return "hello"

    with recorded() as events:
        client = app.test_client()
        client.get("/login")
        client.get("/a")
    assert [(event["name"], event["actor"]) for event in events] == [("mv_inside", "7")]


def test_behind_a_proxy_that_says_https_the_cookie_is_secure() -> None:
    _, headers = call(make(), "/a", **{"wsgi.url_scheme": "https"})
    assert headers["Set-Cookie"].endswith("; Secure")


def test_a_second_extension_for_one_application_is_an_error() -> None:
    app = make()
    with pytest.raises(kizashi.ConfigurationError, match="has Kizashi already"):
        Kizashi(app, **SETTINGS)
