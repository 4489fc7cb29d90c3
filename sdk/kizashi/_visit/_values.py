"""What a value from a stranger's request may be: short, printable, and nothing that says who or where somebody is."""

from __future__ import annotations

import re
from ipaddress import ip_address
from unicodedata import normalize
from urllib.parse import unquote

__all__ = ["MOST_CHARACTERS", "click_id", "is_kept", "is_personal", "label", "whole"]

MOST_CHARACTERS = 200
"""No value is longer. A label is cut there, since the beginning of a keyword still means something; an identifier is
dropped, since the beginning of a click id is the id of no click."""

# Base64 of either alphabet, dotted and slashed numbers. Ad platforms write nothing else, and a template that was never
# filled in, such as {gclid}, is no id.
_CLICK_ID = re.compile(r"[A-Za-z0-9._~=:/+|*-]{1,200}")
_PORT = re.compile(r":[0-9]{1,5}$")
_MOST_LAYERS = 5
_MOST_RAW = 4_096


def click_id(text: str) -> str | None:
    """The click id as it came, or None: it is handed back to the platform, which knows no other spelling."""
    return text if _CLICK_ID.fullmatch(text) and not is_personal(text) else None


def label(text: str) -> str | None:
    """A name that people gave: white space made single spaces, cut at MOST_CHARACTERS."""
    clean = _clean(text)
    return None if clean is None else clean[:MOST_CHARACTERS].rstrip()


def whole(text: str) -> str | None:
    """A name that a machine compares: as a label, but dropped where it is too long."""
    clean = _clean(text)
    return None if clean is None or len(clean) > MOST_CHARACTERS else clean


def is_kept(text: str) -> bool:
    """Whether a value could have come out of the functions above."""
    return 0 < len(text) <= MOST_CHARACTERS and text.isprintable()


def is_personal(text: str) -> bool:
    """Whether a text has an @ in any spelling, percent-encoded any number of times, or is an IP address.

    Looked for in the whole text, before anything is cut: half an e-mail address is a name.
    """
    for _ in range(_MOST_LAYERS):
        # NFKC: the full-width and small forms of @, dots and digits are those characters too.
        if "@" in text or "@" in normalize("NFKC", text):
            return True
        plain = unquote(text)
        if plain == text:
            return _is_ip(normalize("NFKC", text))
        text = plain
    return True  # wrapped so often that somebody meant to hide it


def _clean(text: str) -> str | None:
    # Of what is longer than any name could be, nothing is kept, so that nothing has to be searched either.
    # isprintable knows one kind of space; Japanese campaigns have the wide one, too, and split() knows them all.
    if len(text) > _MOST_RAW:
        return None
    clean = " ".join(text.split())
    # U+FFFD stands where bytes were no UTF-8: what is left of the name would be a name of nothing.
    if not clean or not clean.isprintable() or "\ufffd" in clean or is_personal(clean):
        return None
    return clean


def _is_ip(text: str) -> bool:
    if "." not in text and ":" not in text:
        return False  # the usual case, spared two exceptions
    text = text.strip(" .")
    return any(_parses(form.strip("[]")) for form in (text, _PORT.sub("", text)))


def _parses(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True
