"""First and last touch: what brought a visitor the first time, and the last time that anything did."""

from __future__ import annotations

from datetime import UTC, datetime

from msgspec import Struct

from kizashi._visit._params import CLICK_IDS

__all__ = ["FIELDS", "Touch", "Visit", "arrive", "lighter", "source_of"]

FIELDS = ("campaign", "campaign_id", *CLICK_IDS, "channel", "keyword", "creative", "referrer", "landing_page")
"""All that a touch may have. Where room is short, what is named last goes first."""

# An event's source may have 32 keys: these leave the site eight of its own, such as the device.
_MOST_KEYS = 24


class Touch(Struct, frozen=True, array_like=True):
    """One arrival with something to tell: when, in seconds since 1970, and what."""

    at: int
    fields: dict[str, str]


class Visit(Struct, frozen=True, array_like=True):
    """What is known of a visitor. `first` is None where it is the last touch, too."""

    last: Touch
    first: Touch | None = None


def arrive(visit: Visit | None, touch: Touch) -> Visit:
    """The visit after one more touch. Arrivals that tell nothing are no touches: the last non-direct one stays."""
    return Visit(touch) if visit is None else Visit(touch, visit.first or visit.last)


def source_of(visit: Visit) -> dict[str, str]:
    """The visit as an event's source: the last touch's fields, and with `first_` the first one's where they differ."""
    last, first = visit.last, visit.first
    source = {name: last.fields[name] for name in FIELDS if name in last.fields}
    source["touched_at"] = _rfc3339(last.at)
    if first is not None:
        if first.at != last.at:
            source["first_touched_at"] = _rfc3339(first.at)
        for name in FIELDS:
            value = first.fields.get(name)
            if value is not None and value != last.fields.get(name) and len(source) < _MOST_KEYS:
                source[f"first_{name}"] = value
    return source


def lighter(visit: Visit) -> Visit:
    """The visit without its least telling field: the first touch gives all of its own before the last gives any."""
    last, first = visit.last, visit.first
    if first is not None:
        return Visit(last, _without_one(first)) if first.fields else Visit(last)
    return Visit(_without_one(last))


def _without_one(touch: Touch) -> Touch:
    kept = [name for name in FIELDS if name in touch.fields][:-1]
    return Touch(touch.at, {name: touch.fields[name] for name in kept})


def _rfc3339(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
