"""What an ad's link says in its query string, under the names that events use."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import unquote_plus

from kizashi._visit._values import MOST_CHARACTERS, click_id, label, whole

__all__ = ["CLICK_IDS", "read_parameters"]

# Bounds on the work that a stranger's link can make; no ad's link comes near them.
_MOST_PARAMETERS = 100
_MOST_ENCODED = 4_096

CLICK_IDS = ("gclid", "gbraid", "wbraid", "yclid", "fbclid", "ttclid", "msclkid")

_RULES: dict[str, tuple[str, Callable[[str], str | None]]] = {
    **{name: (name, click_id) for name in CLICK_IDS},
    "utm_campaign": ("campaign", label),
    "utm_id": ("campaign_id", whole),
    "utm_term": ("keyword", label),
    "utm_content": ("creative", label),
    "utm_source": ("source", label),
    "utm_medium": ("medium", label),
}


def read_parameters(query: str) -> dict[str, str]:
    """The fields that a query string names, each with its first usable value; never raises.

    Read by hand, since parse_qs refuses some strings and builds lists of what nobody asked for. Names count as they
    are written: platforms and the makers of links write them in lower case.
    """
    if "utm_" not in query and "clid=" not in query and "lkid=" not in query and "braid=" not in query:
        return {}
    found: dict[str, str] = {}
    for part in query.split("&", _MOST_PARAMETERS)[:_MOST_PARAMETERS]:
        name, _, raw = part.partition("=")
        rule = _RULES.get(name)
        if rule is None or not raw or len(raw) > _MOST_ENCODED or rule[0] in found:
            continue
        field, check = rule
        value = check(unquote_plus(raw))
        if value:
            found[field] = value
    channel = "/".join(found.pop(name) for name in ("source", "medium") if name in found)
    if channel:
        found["channel"] = channel[:MOST_CHARACTERS]
    return found
