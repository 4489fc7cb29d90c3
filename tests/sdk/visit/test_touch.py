"""First and last touch, through a browser's visits."""

from __future__ import annotations

import pytest

from kizashi._visit._cookie import MOST_BYTES
from sdk.visit.visiting import CLICK, NOW, Site

DAY = 86_400


def test_a_landing_is_on_its_own_events_and_on_those_of_later_visits() -> None:
    site = Site()
    landed = site.source(
        f"utm_campaign=brand&gclid={CLICK}", path="/sale/shoes", referrer="https://www.google.com/search?q=x"
    )
    assert landed == {
        "campaign": "brand",
        "gclid": CLICK,
        "referrer": "www.google.com",
        "landing_page": "/sale/shoes",
        "touched_at": "2026-09-21T14:13:20Z",
    }
    site.now += DAY
    assert site.source(path="/cart") == landed
    assert site.header is None


def test_the_first_touch_is_told_where_it_differs_from_the_last() -> None:
    site = Site()
    site.source(f"utm_campaign=brand&utm_source=google&gclid={CLICK}")
    site.now += DAY
    site.source("utm_campaign=mail&utm_source=google", path="/")
    site.now += DAY
    assert site.source("utm_campaign=retarget&utm_source=google&yclid=YSS.1", path="/b") == {
        "campaign": "retarget",
        "channel": "google",
        "yclid": "YSS.1",
        "landing_page": "/b",
        "touched_at": "2026-09-23T14:13:20Z",
        "first_campaign": "brand",
        "first_gclid": CLICK,
        "first_landing_page": "/",
        "first_touched_at": "2026-09-21T14:13:20Z",
    }


def test_a_visit_that_says_nothing_changes_nothing() -> None:
    site = Site()
    landed = site.source("utm_campaign=brand")
    site.now += DAY
    for quiet in (
        {},
        {"query": "page=2"},
        {"referrer": "https://shop.example/a"},
        {"referrer": "https://www.shop.example/"},
    ):
        assert site.source(**{"query": "", **quiet}) == landed
        assert site.header is None


def test_who_came_by_nothing_has_neither_source_nor_cookie() -> None:
    site = Site()
    assert site.source(referrer="https://shop.example/") == {}
    assert site.header is None


def test_another_host_is_a_touch_of_its_own() -> None:
    assert Site().source(referrer="https://User:pw@News.Example:8443/a?q=private#x")["referrer"] == "news.example"


@pytest.mark.parametrize(
    "referrer",
    [
        "https://192.0.2.7/",
        "http://[2001:db8::1]/",
        "https://shop.example:8443/",
        "https://m.shop.example/",
        "https://pay.example/3ds",
        "https://eu.pay.example/",
        "about:blank",
        "http://[",
        f"https://{'a.' * 110}example/",
        "https://a b/",
        "ftp://news.example/",
    ],
)
def test_own_hosts_payment_pages_and_addresses_of_numbers_send_nobody(referrer: str) -> None:
    site = Site(ignore_referrers=["pay.example"])
    assert site.source(referrer=referrer) == {}


@pytest.mark.parametrize("parts", [{"method": "POST"}, {"fetch_mode": "cors"}, {"fetch_mode": "no-cors"}])
def test_a_referrer_counts_only_where_a_page_was_opened(parts: dict[str, str]) -> None:
    assert Site().source(referrer="https://news.example/", **parts) == {}
    assert Site().source("gclid=a", referrer="https://news.example/", **parts)["gclid"] == "a"


def test_the_cookies_domain_makes_all_its_hosts_the_sites_own() -> None:
    site = Site(domain=".example.org")
    assert site.source(host="api.example.org", referrer="https://www.example.org/") == {}
    assert site.source("gclid=a", host="api.example.org")["gclid"] == "a"
    assert "; Domain=example.org" in str(site.header)


@pytest.mark.parametrize(
    "path", ["/leave/jane@shop.example", "/leave/jane%40shop.example", "/by/192.0.2.7/", "/a\x00b"]
)
def test_a_landing_page_with_an_address_in_it_is_not_kept(path: str) -> None:
    assert "landing_page" not in Site().source("gclid=a", path=path)


def test_the_longest_visit_loses_fields_of_the_first_touch_before_any_of_the_last() -> None:
    site = Site()
    query = "&".join(f"utm_{name}={name[0] * 200}" for name in ("campaign", "term", "content", "id"))
    site.source(f"{query}&gclid={'g' * 200}&fbclid={'f' * 200}", path="/" + "p" * 199)
    site.now += DAY
    last = site.source(query.replace("cccc", "dddd") + f"&yclid={'y' * 200}", path="/" + "q" * 199)
    assert MOST_BYTES - 400 < len(site.cookies) - len("kizashi=") <= MOST_BYTES
    assert len(last) <= 24
    # What went first is what says least; the campaign stays, and all of the last touch.
    assert "first_landing_page" not in last
    assert last["first_campaign"][:4] == "cccc"
    assert {"campaign", "campaign_id", "yclid", "keyword", "creative", "landing_page", "touched_at"} <= last.keys()
    # The event of the landing and those of later requests say the same.
    assert site.source() == last


def test_wide_letters_in_every_field_still_make_a_cookie_that_browsers_keep() -> None:
    site = Site()
    query = "&".join(f"utm_{name}={'𠮷' * 200}" for name in ("campaign", "term", "content", "id", "source"))
    source = site.source(query, path="/" + "𠮷" * 199)
    assert len(site.cookies) <= MOST_BYTES + len("kizashi=")
    assert source["campaign"] == "𠮷" * 200
    assert site.source() == source


def test_what_is_dated_by_two_clocks_is_taken_as_it_is() -> None:
    site = Site()
    site.source("utm_campaign=brand")
    site.now = NOW - 30
    assert site.source()["touched_at"] == "2026-09-21T14:13:20Z"
    source = site.source("utm_campaign=mail")
    assert (source["touched_at"], source["first_touched_at"]) == ("2026-09-21T14:12:50Z", "2026-09-21T14:13:20Z")
    assert site.source() == source
