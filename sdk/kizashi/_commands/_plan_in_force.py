"""The plan in force at a running collector: asked for, and replaced."""

from __future__ import annotations

import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from http.client import HTTPException

import msgspec

from kizashi._errors import ConfigurationError
from kizashi._version import __version__
from kizashi_schemas import KizashiError, PlanAnswer, Problem

__all__ = ["PlanInForce", "RefusedError"]

_SECONDS = 60.0
_MOST_BYTES = 64 * 1024 * 1024
_REMEDIES = {
    "plan_file_rules": "a --plan file rules there, and what is posted would be gone at the next start; "
    "apply the change to that file and send SIGHUP, or start the collector without --plan",
    "no_key": "pass a key with scope admin as --key, or set KIZASHI_KEY",
    "wrong_scope": "pass one with scope admin as --key, or set KIZASHI_KEY",
}


class RefusedError(KizashiError):
    """The collector was not reached, or did not do it. The message has the remedy, and no key."""


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """A key belongs to one endpoint, and to nobody whom that names."""

    def redirect_request(self, *_: object) -> None:
        return None


_opener = urllib.request.build_opener(_NoRedirects, urllib.request.ProxyHandler({}))


class PlanInForce:
    """GET and POST /v1/plan at an endpoint, both None to be taken from `environ`. Raises ConfigurationError."""

    def __init__(self, endpoint: str | None, key: str | None, environ: Mapping[str, str]) -> None:
        url = endpoint or environ.get("KIZASHI_ENDPOINT")
        remedy = "give for example --endpoint http://127.0.0.1:8700"
        if not url:
            raise ConfigurationError(f"endpoint is missing; {remedy}, or set KIZASHI_ENDPOINT")
        try:
            parts = urllib.parse.urlsplit(url)
            known = parts.scheme in ("http", "https") and bool(parts.hostname) and "@" not in parts.netloc
        except ValueError:
            known = False
        if not known or not url.isprintable() or not url.isascii() or " " in url:
            # Somebody may have written a password into it.
            raise ConfigurationError(f"endpoint is not a URL of a scheme, a host and perhaps a port; {remedy}")
        self.endpoint = url.rstrip("/")
        self._key = key or environ.get("KIZASHI_KEY") or None
        if self._key is not None and not (self._key.isascii() and self._key.isprintable() and " " not in self._key):
            raise ConfigurationError("key is not one line of visible ASCII characters; copy it as it was printed")

    def get(self) -> PlanAnswer:
        """The plan in force. Raises RefusedError."""
        return self._ask(None)

    def replace(self, text: bytes) -> PlanAnswer:
        """Put the plan of a TOML file in force. Raises RefusedError, and then the old one still is."""
        return self._ask(text)

    def _ask(self, plan: bytes | None) -> PlanAnswer:
        headers = {"User-Agent": f"kizashi-python/{__version__}"}
        if plan is not None:
            headers["Content-Type"] = "application/toml"
        if self._key is not None:
            headers["Authorization"] = f"Bearer {self._key}"
        url = f"{self.endpoint}/v1/plan"
        try:
            request = urllib.request.Request(url, data=plan, headers=headers)  # noqa: S310  # checked above
            with _opener.open(request, timeout=_SECONDS) as response:
                content: bytes = response.read(_MOST_BYTES)
        except urllib.error.HTTPError as error:
            with error:
                raise RefusedError(_refusal(error.code, error.read(_MOST_BYTES))) from None
        except urllib.error.URLError as error:
            raise RefusedError(f"cannot reach {self.endpoint}: {error.reason}; is the collector there?") from None
        except (OSError, HTTPException, ValueError) as error:
            raise RefusedError(f"no answer from {self.endpoint}: {error}; is it a collector?") from None
        try:
            return msgspec.json.decode(content, type=PlanAnswer)
        except msgspec.DecodeError:
            raise RefusedError(f"{url} tells of no plan, and is not a collector's; check the endpoint") from None


def _refusal(status: int, body: bytes) -> str:
    try:
        problem = msgspec.json.decode(body, type=Problem)
    except msgspec.DecodeError:
        return f"the answer is {status}, and not a collector's; check the endpoint"
    told = "; ".join(filter(None, (f"{problem.code}: {problem.detail or problem.title}", _REMEDIES.get(problem.code))))
    # Whoever answers may have written anything.
    return "".join(sign if sign.isprintable() else " " for sign in told)
