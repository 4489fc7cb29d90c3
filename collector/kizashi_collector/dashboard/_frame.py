"""The frame of every page, and the login page: written here, filled by the modules in `static/`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

from msgspec import Struct

from kizashi_collector.dashboard._language import NAMES, WORDS, Language

__all__ = ["PAGES", "Asked", "frame", "login_page", "missing_page"]

PAGES: Mapping[str, str] = {"/": "overview", "/funnel": "funnel", "/values": "values", "/live": "live"}
"""The pages by their paths."""

_CURRENT = ' aria-current="page"'
_PRESSED = ' aria-pressed="true"'


class Asked(Struct, frozen=True, kw_only=True):
    """For whom a page is drawn: its path with the query, the language, and where static files are found."""

    here: str
    language: Language
    files: str

    @property
    def words(self) -> Mapping[str, str]:
        """The words of the frame."""
        return WORDS[self.language]

    def file(self, name: str) -> str:
        """Where a static file is found."""
        return escape(f"{self.files}{name}")


def frame(asked: Asked, path: str, *, version: str, zone: str | None, needed: Sequence[str], leaving: bool) -> str:
    """A page without its content.

    `zone` is the plan's; `needed` names files beside app.css, core/core.js and the page's own module; `leaving` tells
    whether there is a session to end.
    """
    page, words = PAGES[path], asked.words
    links = "".join(
        f'<li><a href="{to}"{_CURRENT if to == path else ""}>{words[name]}</a></li>' for to, name in PAGES.items()
    )
    log_out = (
        f'<form class="log-out" method="post" action="/logout"><button>{words["log_out"]}</button></form>'
        if leaving
        else ""
    )
    names = ("core/core.js", f"{page}/{page}.js")
    head = [f'<link rel="stylesheet" href="{asked.file(name)}">' for name in needed if name.endswith(".css")]
    # What modules import: the browser need not have read them to know of it.
    imported = [name for name in needed if name.endswith(".js") and name not in names]
    head += [f'<link rel="modulepreload" href="{asked.file(name)}">' for name in imported]
    head += [f'<script type="module" src="{asked.file(name)}"></script>' for name in names]
    data = {"page": page, "lang": asked.language, "version": version, "zone": zone or ""}
    attributes = " ".join(f'data-{name}="{escape(value)}"' for name, value in data.items())
    return _document(
        asked,
        title=words[page],
        head="\n".join(head),
        body=f"""<a class="skip" href="#main">{words["skip"]}</a>
<header class="top">
<a class="brand" href="/"><img src="{asked.file("icon.svg")}" alt="" width="24" height="24">kizashi</a>
<nav aria-label="{words["pages"]}"><ul>{links}</ul></nav>
<div class="tools">{_language_switch(asked)}{log_out}</div>
</header>
<main id="main" {attributes}>
<noscript><p class="problem">{words["no_script"]}</p></noscript>
</main>""",
    )


def login_page(asked: Asked, *, error: str | None = None, again: bool = False) -> str:
    """The form that asks for a key, leading on to `asked.here`.

    `error` names a text that says why the last try failed. `again` has the browser ask once more by itself: it keeps
    the session back when somebody follows a link from another site.
    """
    words = asked.words
    # Password managers file what they keep under a user.
    alert = f'<p class="problem" role="alert" id="why">{words[error]}</p>' if error else ""
    described = 'aria-describedby="why hint" aria-invalid="true"' if error else 'aria-describedby="hint"'
    return _document(
        asked,
        title=words["log_in"],
        head='<meta http-equiv="refresh" content="0">' if again else "",
        body=f"""{_bare_header(asked)}
<main id="main" class="login" data-page="login" data-lang="{asked.language}">
<h1>{words["log_in"]}</h1>
{alert}
<form method="post" action="/login">
<input name="user" value="dashboard" autocomplete="username" hidden>
<label for="key">{words["key"]}</label>
<input id="key" name="key" type="password" required autofocus autocomplete="current-password" {described}>
<input name="next" type="hidden" value="{escape(asked.here)}">
<p class="hint" id="hint">{words["key_hint"]} <code>kizashi keys create --scope read</code></p>
<button>{words["log_in"]}</button>
</form>
</main>""",
    )


def missing_page(asked: Asked) -> str:
    """What stands where there is no page: the way to those that are there."""
    words = asked.words
    links = "".join(f'<li><a href="{to}">{words[name]}</a></li>' for to, name in PAGES.items())
    return _document(
        asked,
        title=words["missing"],
        head="",
        body=f"""{_bare_header(asked)}
<main id="main" class="login" data-page="missing" data-lang="{asked.language}">
<h1>{words["missing"]}</h1>
<p>{words["missing_hint"]}</p>
<ul>{links}</ul>
</main>""",
    )


def _bare_header(asked: Asked) -> str:
    return f"""<header class="top">
<span class="brand"><img src="{asked.file("icon.svg")}" alt="" width="24" height="24">kizashi</span>
<div class="tools">{_language_switch(asked)}</div>
</header>"""


def _language_switch(asked: Asked) -> str:
    """A button for each language. What a page keeps in its URL meanwhile travels as the form's Referer."""
    buttons = "".join(
        f'<button name="lang" value="{code}" lang="{code}"{_PRESSED if code == asked.language else ""}>{name}</button>'
        for code, name in NAMES.items()
    )
    return (
        f'<form class="languages" method="post" action="/language" aria-label="{asked.words["language"]}">'
        f'<input name="next" type="hidden" value="{escape(asked.here)}">{buttons}</form>'
    )


def _document(asked: Asked, *, title: str, head: str, body: str) -> str:
    return f"""<!doctype html>
<html lang="{asked.language}">
<head>
<meta charset="utf-8">
<title>{title} · kizashi</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="robots" content="noindex">
<link rel="icon" href="{asked.file("icon.svg")}" type="image/svg+xml">
<link rel="stylesheet" href="{asked.file("app.css")}">
{head}
</head>
<body>
{body}
</body>
</html>
"""
