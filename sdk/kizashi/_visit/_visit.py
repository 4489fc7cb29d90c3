"""From what a request shows to who acts, and to the cookie that remembers it."""

from __future__ import annotations

import time
from collections.abc import Callable

from msgspec import Struct

from kizashi import context
from kizashi._visit._cookie import cookies_named, seal, set_cookie, unseal
from kizashi._visit._options import Options
from kizashi._visit._params import read_parameters
from kizashi._visit._referrer import external_host, landing_page
from kizashi._visit._touch import Touch, Visit, arrive, source_of
from kizashi._visit._trouble import Trouble

__all__ = ["Seen", "Visits", "Welcome"]


class Seen(Struct, kw_only=True, frozen=True):
    """All that is looked at of a request. Headers are as they came, empty where there was none.

    The address that the request came from is not among them.
    """

    method: str = "GET"
    host: str = ""
    path: str = "/"
    query: str = ""
    referrer: str = ""
    fetch_mode: str = ""
    cookies: str = ""
    secure: bool = False


class Welcome(Struct, frozen=True):
    """What a middleware needs: the context to handle the request in, and a Set-Cookie header's value, if any."""

    here: context
    set_cookie: str | None = None


class Visits:
    """Welcomes requests. `now` is the wall clock in seconds, passed in so that tests need no patching.

    Exceptions of the types in `passing` are let through where a callable raises them; all others are swallowed.
    """

    def __init__(
        self,
        options: Options,
        *,
        now: Callable[[], float] = time.time,
        trouble: Trouble | None = None,
        passing: tuple[type[Exception], ...] = (),
    ) -> None:
        self._options = options
        self._now = now
        self._trouble = trouble or Trouble()
        self._passing = passing

    def welcome(self, request: object, seen: Seen) -> Welcome:
        """Look at a request, asking the site's callables with the framework's own `request`."""
        options = self._options
        try:
            actor = self._identity("actor", options.actor, request)
            session = self._identity("session", options.session, request)
            # Nothing but True: a callable that returns a text such as "denied" must not count as a yes.
            agreed = self._ask("consent", options.consent, request) is True
            visit, header = self._visit(seen) if agreed else (None, self._forget(seen))
            source = None if visit is None else source_of(visit)
            return Welcome(context(actor=actor, session=session, source=source), header)
        except self._passing:
            raise
        except Exception as error:  # noqa: BLE001 - whatever it is, the visitor must get the page
            self._trouble.tell("visit", "a request could not be looked at", error)
            return Welcome(context())

    def _visit(self, seen: Seen) -> tuple[Visit | None, str | None]:
        options, now = self._options, int(self._now())
        given = cookies_named(options.cookie, seen.cookies)
        opened = [
            found for value in given if (found := unseal(value, options.secrets, now=now, max_age=options.max_age))
        ]
        visit, fresh = opened[0] if opened else (None, True)
        fields = self._arrival(seen)
        if fields:
            visit = arrive(visit, Touch(now, fields))
        elif visit is None:
            # A cookie that says nothing would only travel with every request.
            return None, self._forget(seen)
        elif fresh:
            return visit, None
        value, visit = seal(visit, options.secrets)
        # Until the touch expires, also where an old secret's cookie is only signed anew.
        return visit, self._set(seen, value, visit.last.at + options.max_age - now)

    def _arrival(self, seen: Seen) -> dict[str, str]:
        fields = read_parameters(seen.query)
        # Only pages are arrived at by a link. A page of another host that fetches from here sends a Referer as well.
        if seen.referrer and seen.method == "GET" and seen.fetch_mode in ("", "navigate"):
            referrer = external_host(seen.referrer, seen.host, self._options.own)
            if referrer is not None:
                fields["referrer"] = referrer
        if fields and (page := landing_page(seen.path)):
            fields["landing_page"] = page
        return fields

    def _forget(self, seen: Seen) -> str | None:
        return self._set(seen, "", 0) if cookies_named(self._options.cookie, seen.cookies) else None

    def _set(self, seen: Seen, value: str, max_age: int) -> str:
        options = self._options
        return set_cookie(options.cookie, value, max_age=max_age, secure=seen.secure, domain=options.domain)

    def _identity(self, name: str, asked: Callable[[object], object] | None, request: object) -> str | int | None:
        if asked is None:
            return None
        answer = self._ask(name, asked, request)
        if answer is None or (isinstance(answer, str | int) and not isinstance(answer, bool)):
            return answer
        self._trouble.tell(name, f"{name}() returned {type(answer).__name__}, not text, an int or None")
        return None

    def _ask(self, name: str, asked: Callable[[object], object], request: object) -> object:
        try:
            return asked(request)
        except self._passing:
            raise
        except Exception as error:  # noqa: BLE001 - whatever a site's callable raises
            self._trouble.tell(name, f"{name}() raised", error)
            return None
