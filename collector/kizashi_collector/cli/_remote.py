"""Questions to a running collector, for the commands that manage one from afar."""

from __future__ import annotations

import argparse
import os
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from http.client import HTTPException

import msgspec

from kizashi_schemas import KizashiError, Problem

__all__ = ["RemoteError", "add_remote_options", "ask"]

_SECONDS = 600.0
_SCHEMES = ("http", "https")


class RemoteError(KizashiError):
    """The collector was not reached, or did not do it."""


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """A key belongs to one endpoint, and to nobody whom that names."""

    def redirect_request(self, *_: object) -> None:
        return None


_opener = urllib.request.build_opener(_NoRedirects, urllib.request.ProxyHandler({}))


def add_remote_options(parser: argparse.ArgumentParser, scope: str) -> None:
    """Add --endpoint, --key and --json; `scope` is what the key must have."""
    parser.add_argument("--endpoint", help="the collector's URL; default KIZASHI_ENDPOINT")
    parser.add_argument(
        "--key", help=f"a key with scope {scope}; default KIZASHI_KEY, which no list of processes shows"
    )
    parser.add_argument("--json", action="store_true", help="print the answer as JSON")


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
    endpoint = args.endpoint or environment.get("KIZASHI_ENDPOINT")
    if not endpoint:
        raise RemoteError("no endpoint; give --endpoint or KIZASHI_ENDPOINT, such as http://127.0.0.1:8700")
    if urllib.parse.urlsplit(endpoint).scheme not in _SCHEMES:
        raise RemoteError(f"endpoint {endpoint!r} is no URL; write for example http://127.0.0.1:8700")
    url = endpoint.rstrip("/") + path + (f"?{urllib.parse.urlencode(query)}" if query else "")
    headers = {"Content-Type": "application/json"} if body is not None else {}
    key = args.key or environment.get("KIZASHI_KEY")
    if key:
        headers["Authorization"] = f"Bearer {key}"
    data = None if body is None else msgspec.json.encode(body)
    try:
        request = urllib.request.Request(url, data=data, headers=headers, method=method)  # noqa: S310  # checked above
        with _opener.open(request, timeout=_SECONDS) as response:
            content: bytes = response.read()
    except urllib.error.HTTPError as error:
        with error:
            raise RemoteError(_told(error.code, error.read())) from None
    except urllib.error.URLError as error:
        raise RemoteError(f"cannot reach {endpoint}: {error.reason}; is the collector there?") from None
    except (OSError, HTTPException, ValueError) as error:
        raise RemoteError(f"no answer from {endpoint}: {error}; is it a collector?") from None
    return content


def _told(status: int, body: bytes) -> str:
    try:
        problem = msgspec.json.decode(body, type=Problem)
    except msgspec.DecodeError:
        return f"the answer is {status}, and not a collector's; check the endpoint"
    return f"{problem.code}: {problem.detail}"
