"""The frame of each page: its language, its headers, and nothing in it that somebody else wrote."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from dashboard_forms import form, log_in, opened
from kizashi_collector.dashboard._language import WORDS
from live_collector import LiveCollector, live_collector

PAGES = {"/": "overview", "/funnel": "funnel", "/values": "values", "/live": "live"}
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}


class Tags(HTMLParser):
    """The start tags of a page with their attributes, and the tags that were not closed."""

    VOID = ("meta", "link", "img", "input")

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert len(dict(attrs)) == len(attrs), tag
        self.found.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.found if name == tag]


async def page(collector: LiveCollector, path: str, token: str | None = None, **headers: str) -> Tags:
    async with opened(collector, path, token, **headers) as response:
        assert (response.status, response.content_type, response.charset) == (200, "text/html", "utf-8")
        tags = Tags(await response.text())
    assert tags.open == []
    return tags


@pytest.mark.parametrize("path", PAGES)
async def test_a_page_names_itself_and_loads_its_module(collector: LiveCollector, path: str) -> None:
    tags = await page(collector, path, await log_in(collector))
    (main,) = tags.all("main")
    assert main == {
        "id": "main",
        "data-page": PAGES[path],
        "data-lang": "en",
        "data-version": "0.1.0",
        "data-zone": "",
    }
    links = {link["href"]: link.get("aria-current") for link in tags.all("a") if link.get("class") is None}
    assert links == {one: "page" if one == path else None for one in PAGES}
    scripts = [script["src"] for script in tags.all("script") if script["type"] == "module"]
    assert [str(src).rpartition("/")[2] for src in scripts] == ["core.js", f"{PAGES[path]}.js"]
    styles = [str(one["href"]).rpartition("/")[2] for one in tags.all("link") if one["rel"] == "stylesheet"]
    assert styles == ["app.css", f"{PAGES[path]}.css"]
    assert tags.all("a")[0] == {"class": "skip", "href": "#main"}


@pytest.mark.parametrize("path", PAGES)
async def test_whatever_a_page_loads_is_there_and_is_its_own(collector: LiveCollector, path: str) -> None:
    for tags in (await page(collector, path, await log_in(collector)), await page(collector, path)):
        wanted = [str(one["href"]) for one in tags.all("link")]
        wanted += [str(one["src"]) for tag in ("img", "script") for one in tags.all(tag)]
        assert len(wanted) >= 3
        for address in wanted:
            async with opened(collector, address) as response:
                assert response.status == 200, address


async def test_nothing_in_a_page_needs_more_than_its_own_policy(collector: LiveCollector) -> None:
    token = await log_in(collector)
    for path in PAGES:
        for tags in (await page(collector, path, token), await page(collector, path)):
            assert not tags.all("style")
            assert all("src" in script for script in tags.all("script"))
            names = {name for _, attributes in tags.found for name in attributes}
            assert not {name for name in names if name == "style" or name.startswith("on")}


async def test_every_answer_has_the_headers(collector: LiveCollector) -> None:
    token = await log_in(collector)
    tags = await page(collector, "/", token)
    style = str(next(one["href"] for one in tags.all("link") if one["rel"] == "stylesheet"))
    for path in (*PAGES, style, "/static/0/app.css", "/login"):
        for cookie in (token, None):
            async with opened(collector, path, cookie) as response:
                assert {name: response.headers.get(name) for name in HEADERS} == HEADERS, path
    for path, headers in (("/login", None), ("/logout", None), ("/language", None), ("/login", {"Origin": "null"})):
        async with form(collector, path, headers, key="x", lang="ja") as response:
            assert {name: response.headers.get(name) for name in HEADERS} == HEADERS, path


@pytest.mark.parametrize("language", WORDS)
async def test_a_page_that_is_not_there_leads_to_those_that_are(collector: LiveCollector, language: str) -> None:
    accepted = {"Accept": "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8", "Accept-Language": language}
    async with opened(collector, "/reports", **accepted) as response:
        assert (response.status, response.content_type) == (404, "text/html")
        assert {name: response.headers.get(name) for name in HEADERS} == HEADERS
        text = await response.text()
    tags = Tags(text)
    assert tags.open == []
    assert tags.all("html") == [{"lang": language}]
    assert [link["href"] for link in tags.all("a")] == list(PAGES)
    assert WORDS["ja" if language == "ja" else "en"]["missing"] in text


@pytest.mark.parametrize(
    ("path", "meant"), [("/overview?by=device", "/?by=device"), ("/funnel/", "/funnel"), ("/live/?q=a", "/live?q=a")]
)
async def test_another_name_of_a_page_leads_to_it(collector: LiveCollector, path: str, meant: str) -> None:
    async with opened(collector, path) as response:
        assert (response.status, response.headers["Location"]) == (303, meant)


async def test_a_program_is_told_in_its_own_way_that_nothing_is_there(collector: LiveCollector) -> None:
    for path, accepted in (("/reports", "application/json"), ("/v1/reports", "text/html"), ("/reports", "*/*")):
        async with opened(collector, path, Accept=accepted) as response:
            assert (response.status, response.content_type) == (404, "application/problem+json")
            assert (await response.json())["code"] == "not_found"


async def test_no_page_is_kept(collector: LiveCollector) -> None:
    token = await log_in(collector)
    for path in PAGES:
        for cookie in (token, None):
            async with opened(collector, path, cookie) as response:
                assert response.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize(
    ("asked", "spoken"),
    [
        ("", "en"),
        ("ja", "ja"),
        ("ja-JP,ja;q=0.9,en-US;q=0.8", "ja"),
        ("en-GB,ja;q=0.9", "en"),
        ("fr-FR, fr;q=0.9, JA;q=0.5, en;q=0.4", "ja"),
        ("fr", "en"),
        ("ja;q=0", "en"),
        ("ja;q=0.1, en;q=0.2", "en"),
        ("ja;q=x", "en"),
        ("javanese", "en"),
        ("*", "en"),
        (";;,=,;q=", "en"),
    ],
)
async def test_a_page_speaks_the_browsers_language(collector: LiveCollector, asked: str, spoken: str) -> None:
    for token in (await log_in(collector), None):
        tags = await page(collector, "/", token, **{"Accept-Language": asked})
        assert tags.all("html") == [{"lang": spoken}]
        assert tags.all("main")[0]["data-lang"] == spoken
        pressed = [button["value"] for button in tags.all("button") if "aria-pressed" in button]
        assert pressed == [spoken]


async def test_the_language_that_was_chosen_counts_more_than_the_browsers(collector: LiveCollector) -> None:
    async with form(collector, "/language", lang="ja", next="/values?window=7d") as response:
        assert (response.status, response.headers["Location"]) == (303, "/values?window=7d")
        cookie = response.cookies["kizashi_lang"]
    assert (cookie.value, cookie["samesite"], cookie["httponly"]) == ("ja", "Lax", True)
    tags = await page(collector, "/", Cookie="kizashi_lang=ja", **{"Accept-Language": "en"})
    assert tags.all("html") == [{"lang": "ja"}]
    tags = await page(collector, "/", Cookie="kizashi_lang=xx", **{"Accept-Language": "ja"})
    assert tags.all("html") == [{"lang": "ja"}]


async def test_a_language_that_the_pages_do_not_speak_is_not_remembered(collector: LiveCollector) -> None:
    async with form(collector, "/language", lang="xx") as response:
        assert (response.status, response.headers["Location"]) == (303, "/")
        assert not response.cookies


async def test_the_language_changes_on_the_page_that_is_shown_whatever_its_form_says(collector: LiveCollector) -> None:
    own = {"Sec-Fetch-Site": "same-origin"}
    for referer, leads in (
        (f"{collector.url}/funnel?steps=a,b", "/funnel?steps=a,b"),
        (f"{collector.url}/values", "/values"),
        (f"{collector.url}/v1/summary", "/live"),
        ("https://evil.example/funnel", "/live"),
        ("http://[", "/live"),
    ):
        async with form(collector, "/language", own | {"Referer": referer}, lang="en", next="/live") as response:
            assert response.headers["Location"] == leads, referer


def test_both_languages_have_the_same_words() -> None:
    assert WORDS["en"].keys() == WORDS["ja"].keys()
    assert all(re.search(r"[぀-ヿ一-鿿]", text) for text in WORDS["ja"].values())


@pytest.mark.parametrize("inside", [True, False])
async def test_what_stands_in_the_address_stays_text(collector: LiveCollector, inside: bool) -> None:
    token = await log_in(collector) if inside else None
    query = "?by=\"><img src=x onerror=alert(1)>&amp;'"
    async with opened(collector, f"/funnel{query}", token) as response:
        tags = Tags(await response.text())
    assert tags.open == []
    assert [image["alt"] for image in tags.all("img")] == [""]
    (following,) = {one["value"] for one in tags.all("input") if one["name"] == "next"}
    assert "onerror=alert(1)" in str(following)


async def test_a_page_knows_the_zone_of_the_plan(tmp_path: Path) -> None:
    plan = 'currency = "JPY"\ntimezone = "Asia/Tokyo"\n'
    async with live_collector(tmp_path, plan=plan, keys=False) as collector:
        tags = await page(collector, "/")
        assert tags.all("main")[0]["data-zone"] == "Asia/Tokyo"


async def test_a_page_answers_to_head(collector: LiveCollector) -> None:
    async with opened(collector, "/", method="HEAD") as response:
        assert (response.status, await response.read()) == (200, b"")
