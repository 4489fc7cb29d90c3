"""In which language a page speaks: the one that was chosen, or the one that the browser asks for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, get_args

from aiohttp import web

__all__ = ["LANGUAGES", "LANGUAGE_COOKIE", "NAMES", "WORDS", "Language", "is_language", "language_of"]

Language = Literal["en", "ja"]
LANGUAGES: tuple[Language, ...] = get_args(Language)
LANGUAGE_COOKIE = "kizashi_lang"
NAMES: Mapping[Language, str] = {"en": "English", "ja": "日本語"}
"""What each language is called by those who speak it."""

WORDS: Mapping[Language, Mapping[str, str]] = {
    "en": {
        "overview": "Overview",
        "funnel": "Funnel",
        "values": "Values",
        "live": "Live",
        "pages": "Pages",
        "skip": "Skip to the content",
        "language": "Language",
        "log_out": "Log out",
        "log_in": "Log in",
        "key": "Read key",
        "key_hint": "A key with the scope read or admin. Ask whoever runs the collector, or make one with",
        "wrong_key": "This key opens nothing here: it is unknown or revoked, or it is a write key.",
        "too_many": "Too many tries. Wait a little, then try again.",
        "missing": "There is no such page",
        "missing_hint": "These are the pages:",
        "no_script": "These pages are drawn by JavaScript. Please allow it for this address.",
    },
    "ja": {
        "overview": "概要",
        "funnel": "ファネル",
        "values": "価値",
        "live": "ライブ",
        "pages": "ページ",
        "skip": "本文へ移動",
        "language": "言語",
        "log_out": "ログアウト",
        "log_in": "ログイン",
        "key": "読み取りキー",
        "key_hint": "read または admin 権限のキーです。コレクターの管理者に確認するか、次のコマンドで作成してください:",
        "wrong_key": "このキーではログインできません。キーが存在しないか、失効しているか、書き込み専用です。",
        "too_many": "試行回数が多すぎます。しばらく待ってからもう一度お試しください。",
        "missing": "ページが見つかりません",
        "missing_hint": "次のページがあります:",
        "no_script": "このページの表示には JavaScript が必要です。このアドレスで有効にしてください。",
    },
}


def is_language(text: str) -> bool:
    """Whether the pages speak it."""
    return text in LANGUAGES


def language_of(request: web.Request) -> Language:
    """The language of the cookie, or the best of Accept-Language (RFC 9110, section 12.5.4), or English."""
    chosen = request.cookies.get(LANGUAGE_COOKIE)
    best, found = 0.0, LANGUAGES[0]
    for language in LANGUAGES:
        if language == chosen:
            return language
    for item in request.headers.get("Accept-Language", "").lower().split(","):
        tag, _, parameter = item.partition(";")
        weight = _weight(parameter)
        for language in LANGUAGES:
            if tag.strip().partition("-")[0] == language and weight > best:
                best, found = weight, language
    return found


def _weight(parameter: str) -> float:
    name, _, value = parameter.replace(" ", "").partition("=")
    if name != "q":
        return 1.0
    whole, _, part = value.partition(".")
    return float(value) if f"{whole}{part}".isascii() and f"{whole}{part}".isdigit() else 0.0
