"""Read query strings: every parameter known, none twice, times and intervals resolved."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Literal

from aiohttp import web

from kizashi_collector.analysis import Interval, resolve_interval
from kizashi_collector.http._problems import ProblemError
from kizashi_collector.http._services import SERVICES
from kizashi_schemas import FunnelError, TimeError, check_keys, parse_duration

__all__ = ["Query"]

INTERVAL = ("window", "from", "to", "as_of")
_OLDEST = 86_400_000
_UNESCAPED_PLUS = re.compile(r"(?<=[0-9]) ([0-9]{2}:[0-9]{2})$")


class Query:
    """The parameters of one request. A misspelt one is an error: its silent default would be a wrong number."""

    def __init__(self, request: web.Request, known: Collection[str]) -> None:
        self._now = request.app[SERVICES].clock.now()
        self._items: dict[str, str] = {}
        for name, value in request.query.items():
            if name not in known:
                raise _bad(f"parameter {name[:40]!r} is unknown; known are {', '.join(sorted(known)) or 'none'}")
            if name in self._items:
                raise _bad(f"parameter {name} is given twice")
            self._items[name] = value

    @property
    def items(self) -> list[tuple[str, str]]:
        """The parameters, sorted by name."""
        return sorted(self._items.items())

    def get(self, name: str) -> str | None:
        """A parameter's text, or None."""
        return self._items.get(name)

    def choice(self, name: str, choices: tuple[str, ...]) -> str:
        """One of the choices; the first where the parameter is left out."""
        value = self._items.get(name, choices[0])
        if value not in choices:
            raise _bad(f"{name} {value[:40]!r} is unknown; write {' or '.join(choices)}")
        return value

    def limit(self, default: int, most: int) -> int:
        """The parameter `limit`: a whole number from 1 to `most`."""
        text = self._items.get("limit", str(default))
        if not (text.isascii() and text.isdigit() and len(text) < 10 and 1 <= int(text) <= most):
            raise _bad(f"limit {text[:40]!r} is not a whole number from 1 to {most}")
        return int(text)

    def by(self) -> tuple[str, ...]:
        """The parameter `by`: source fields, separated by commas."""
        text = self._items.get("by", "")
        keys = tuple(text.split(",")) if text else ()
        try:
            check_keys(keys, properties=False)
        except FunnelError as error:
            raise _bad(str(error)) from None
        return keys

    def money(self) -> Literal["number", "string"]:
        """How amounts are written in JSON."""
        return "string" if self.choice("money", ("number", "string")) == "string" else "number"

    @property
    def moving(self) -> bool:
        """Whether the interval ends now, and not at an instant that was asked for."""
        return not any(name in self._items for name in ("from", "to", "as_of"))

    @property
    def fresh(self) -> bool:
        """Whether the answer is to be counted now, and not some seconds ago."""
        return self.choice("fresh", ("0", "1")) == "1"

    def max_age(self) -> int:
        """The parameter `max_age`: how old an answer may be, in milliseconds; 0 where it is left out."""
        text = self._items.get("max_age")
        if text is None:
            return 0
        if "as_of" in self._items:
            raise _bad("max_age says how far from now an answer may be, and as_of names its time; leave one out")
        try:
            age = parse_duration(text)
        except TimeError as error:
            raise _bad(f"max_age {error}") from None
        if age > _OLDEST:
            raise _bad(f"max_age {text[:40]!r} is more than a day; write for example 1h")
        return age

    def interval(self) -> Interval:
        """The interval that window, from, to and as_of name."""
        return resolve_interval(
            self._now,
            window=self.get("window"),
            start=self._time("from"),
            end=self._time("to"),
            as_of=self._time("as_of"),
        )

    def _time(self, name: str) -> int | str | None:
        text = self._items.get(name)
        if text is None:
            return None
        if text.isascii() and text.isdigit() and len(text) < 20:
            return int(text)
        # An offset's plus sign that was not escaped arrives as a space.
        return _UNESCAPED_PLUS.sub(r"+\1", text)


def _bad(detail: str) -> ProblemError:
    return ProblemError(400, "bad_query", detail)
