"""Questions to a running collector, for the commands that manage one from afar."""

from __future__ import annotations

import argparse
import os
import sys
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.client import HTTPException
from typing import TextIO

import msgspec
from msgspec import Struct

from kizashi_schemas import KizashiError, Problem

__all__ = ["Answered", "RemoteError", "add_interval_options", "add_remote_options", "ask", "ask_page", "interval_of"]

_SECONDS = 600.0
_PATIENCE_SECONDS = 1.0
_INTERVAL = ("window", "from", "to", "as_of")
_SCHEMES = ("http", "https")


class RemoteError(KizashiError):
    """The collector was not reached, or did not do it."""


class Answered(Struct, frozen=True):
    """The body of an answer, and where it goes on, if it is one page of several."""

    body: bytes
    next_cursor: str | None


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """A key belongs to one endpoint, and to nobody whom that names."""

    def redirect_request(self, *_: object) -> None:
        return None


_opener = urllib.request.build_opener(_NoRedirects, urllib.request.ProxyHandler({}))


def add_remote_options(parser: argparse.ArgumentParser, scope: str) -> None:
    """Add --endpoint, --key and --json; `scope` is what the key must have."""
    parser.add_argument("--endpoint", "--url", metavar="URL", help="the collector's URL; default KIZASHI_ENDPOINT")
    parser.add_argument(
        "--key", help=f"a key with scope {scope}; default KIZASHI_KEY, which no list of processes shows"
    )
    parser.add_argument("--json", action="store_true", help="print the answer as JSON")


def add_interval_options(parser: argparse.ArgumentParser) -> None:
    """Add --window, --from, --to and --as-of."""
    parser.add_argument("--window", metavar="LENGTH", help="such as 24h or 28d, up to now; default 7d")
    parser.add_argument("--from", dest="from_", metavar="TIME", help="begin there, such as 2026-09-01T00:00:00Z")
    parser.add_argument("--to", metavar="TIME", help="end there; with --from in place of --window")
    parser.add_argument("--as-of", metavar="TIME", help="as it stood then")


def interval_of(args: argparse.Namespace) -> dict[str, str]:
    """What the options of add_interval_options ask for, by the names that the API has for them."""
    given = zip(_INTERVAL, (args.window, args.from_, args.to, args.as_of), strict=True)
    return {name: text for name, text in given if text is not None}


def ask(
    args: argparse.Namespace,
    method: str,
    path: str,
    *,
    query: Mapping[str, str] | None = None,
    body: object = None,
    environment: Mapping[str, str] = os.environ,
) -> bytes:
    """Send a request and return the body of the answer. Raises RemoteError for any other answer than 200."""
    return ask_page(args, method, path, query=query, body=body, environment=environment).body


def ask_page(
    args: argparse.Namespace,
    method: str,
    path: str,
    *,
    query: Mapping[str, str] | None = None,
    body: object = None,
    environment: Mapping[str, str] = os.environ,
) -> Answered:
    """As `ask`, for answers that may come in pages."""
    endpoint = args.endpoint or environment.get("KIZASHI_ENDPOINT")
    if not endpoint:
        raise RemoteError("no endpoint; give --endpoint or KIZASHI_ENDPOINT, such as http://127.0.0.1:8700")
    if not _is_url(endpoint):
        raise RemoteError(f"endpoint {endpoint!r} is no URL; write for example http://127.0.0.1:8700")
    url = endpoint.rstrip("/") + path + (f"?{urllib.parse.urlencode(query)}" if query else "")
    headers = {"Content-Type": "application/json"} if body is not None else {}
    key = args.key or environment.get("KIZASHI_KEY")
    if key:
        if not (key.isascii() and key.isprintable()):
            raise RemoteError(
                "the key has characters that no key has; give it with --key or KIZASHI_KEY as it was made"
            )
        headers["Authorization"] = f"Bearer {key}"
    data = None if body is None else msgspec.json.encode(body)
    try:
        request = urllib.request.Request(url, data=data, headers=headers, method=method)  # noqa: S310  # checked above
        with _patience(sys.stderr), _opener.open(request, timeout=_SECONDS) as response:
            answered = Answered(response.read(), response.headers.get("X-Next-Cursor"))
    except urllib.error.HTTPError as error:
        with error:
            raise RemoteError(_told(error.code, error.read(), endpoint)) from None
    except urllib.error.URLError as error:
        raise RemoteError(f"cannot reach {endpoint}: {error.reason}; is the collector there?") from None
    except (OSError, HTTPException, ValueError) as error:
        raise RemoteError(f"no answer from {endpoint}: {error}; is it a collector?") from None
    return answered


def _is_url(text: str) -> bool:
    try:
        parts = urllib.parse.urlsplit(text)
        return parts.scheme in _SCHEMES and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


@contextmanager
def _patience(out: TextIO) -> Iterator[None]:
    """Tell somebody who watches a terminal for how long the answer has been waited for, from a second on."""
    if not out.isatty():
        yield
        return
    answered, begun = threading.Event(), time.monotonic()

    def tell() -> None:
        shown = False
        while not answered.wait(_PATIENCE_SECONDS):
            out.write(f"\r\x1b[Kwaiting for the collector, {time.monotonic() - begun:.0f} s")
            out.flush()
            shown = True
        if shown:
            out.write("\r\x1b[K")
            out.flush()

    teller = threading.Thread(target=tell, name="patience", daemon=True)
    teller.start()
    try:
        yield
    finally:
        answered.set()
        teller.join()


def _told(status: int, body: bytes, endpoint: str) -> str:
    try:
        problem = msgspec.json.decode(body, type=Problem)
    except msgspec.DecodeError:
        return f"the answer is {status}, and not a collector's; check the endpoint"
    # The collector speaks to programs; people have options.
    if problem.code == "no_key":
        return f"no_key: {problem.detail}; here, give it with --key or KIZASHI_KEY"
    if problem.code == "not_found":
        return f"not_found: there is no {problem.detail}; check the endpoint {endpoint}"
    return f"{problem.code}: {problem.detail}"
