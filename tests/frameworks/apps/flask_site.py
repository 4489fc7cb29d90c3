"""A site of Flask."""

from __future__ import annotations

from collections.abc import Iterator

from flask import Flask, Response, request, stream_with_context

import kizashi
from frameworks.apps.meeting import SECRET, meet
from kizashi.flask import Kizashi

app = Flask(__name__)
Kizashi(
    app,
    secret=SECRET,
    consent=lambda request: request.cookies["agreed"] == "yes",
    actor=lambda request: request.headers.get("X-Actor"),
    ignore_referrers=["pay.example"],
)


@app.get("/")
def home() -> str:
    return "home"


@app.get("/event")
def event() -> str:
    kizashi.track(request.args["name"])
    return "tracked"


@app.get("/meet")
def meeting() -> str:
    meet(request.args["at"])
    kizashi.track(request.args["name"], properties={"expected": request.headers["X-Actor"]})
    return "met"


@app.get("/stream")
def stream() -> Response:
    name = request.args["name"]

    def parts() -> Iterator[str]:
        yield "begun "
        kizashi.track(name)
        yield "done"

    return Response(stream_with_context(parts()) if "bound" in request.args else parts())


@app.get("/fail")
def fail() -> str:
    raise RuntimeError("the site's own")


@app.teardown_request
def teardown(_error: BaseException | None) -> None:
    if request.path == "/event" and "late" in request.args:
        kizashi.track(request.args["late"])
