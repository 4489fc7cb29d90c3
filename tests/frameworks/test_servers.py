"""Each framework under its real server, by what arrives at the collector."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlencode

import pytest

from frameworks.sites import COMMANDS, Site, meeting_place, running

LANDING = "utm_campaign=brand&utm_source=google&utm_medium=cpc&gclid=EAIa-b"


@pytest.fixture(scope="module", params=list(COMMANDS))
def site(request: pytest.FixtureRequest) -> Iterator[Site]:
    with running(request.param) as site:
        yield site


def test_a_campaign_is_on_the_event_of_a_later_request(site: Site) -> None:
    browser, name = site.browser("v-7"), site.fresh()
    landed = browser.get(f"/?{LANDING}", Referer="https://news.example/a")
    assert landed.body.strip('"') == "home"
    # Django sorts them.
    attributes = set(str(landed.kizashi).split("; ")[1:])
    assert attributes == {"Max-Age=7776000", "Path=/", "HttpOnly", "SameSite=Lax"}
    # As after the payment page.
    assert browser.get(f"/event?name={name}", Referer="https://pay.example/done").kizashi is None
    event = site.event(name)
    source = event["source"]
    assert source.pop("touched_at").endswith("Z")
    assert event["actor"] == "v-7"
    assert source == {
        "campaign": "brand",
        "channel": "google/cpc",
        "gclid": "EAIa-b",
        "referrer": "news.example",
        "landing_page": "/",
    }


def test_a_landing_is_on_the_events_of_its_own_request(site: Site) -> None:
    name = site.fresh()
    site.browser().get(f"/event?name={name}&{LANDING}")
    source = site.event(name)["source"]
    assert (source["campaign"], source["landing_page"]) == ("brand", "/event")


def test_without_consent_there_is_neither_cookie_nor_source(site: Site) -> None:
    browser, name = site.browser("v-8", agrees=False), site.fresh()
    assert browser.get(f"/?{LANDING}", Referer="https://news.example/a").set_cookies == []
    browser.get(f"/event?name={name}&{LANDING}")
    event = site.event(name)
    assert event["actor"] == "v-8"
    assert not event.get("source")


def test_consent_that_is_taken_back_takes_the_cookie_along(site: Site) -> None:
    browser, name = site.browser(), site.fresh()
    browser.get(f"/?{LANDING}")
    assert "kizashi" in browser.cookies
    browser.cookies["agreed"] = "no"
    browser.get(f"/event?name={name}")
    assert "kizashi" not in browser.cookies
    assert not site.event(name).get("source")


def test_a_forged_cookie_is_ignored_and_taken_away(site: Site) -> None:
    browser, name = site.browser(), site.fresh()
    browser.get(f"/?{LANDING}")
    version, payload, signature = browser.cookies["kizashi"].split(".")
    browser.cookies["kizashi"] = f"{version}.{payload[:-2]}AA.{signature}"
    browser.get(f"/event?name={name}")
    assert "kizashi" not in browser.cookies
    assert not site.event(name).get("source")


def test_consent_that_raises_is_a_no_and_the_page_is_there(site: Site) -> None:
    browser, name = site.browser(), site.fresh()
    del browser.cookies["agreed"]
    assert browser.get(f"/event?name={name}&{LANDING}").status == 200
    assert not site.event(name).get("source")


def test_concurrent_requests_do_not_mix(site: Site) -> None:
    # More than two in one of two processes, whichever way they are shared out.
    parties, name = 6, site.fresh()

    def come(actor: str, place: str) -> int:
        query = urlencode({"name": name, "at": place, "utm_campaign": f"c-{actor}"})
        return site.browser(actor).get(f"/meet?{query}").status

    actors = [f"v-{number}" for number in range(parties)]
    with meeting_place(parties) as place, ThreadPoolExecutor(parties) as pool:
        assert list(pool.map(come, actors, [place] * parties)) == [200] * parties
    for event in site.events(name, parties):
        actor = event["properties"]["expected"]
        assert (event["actor"], event["source"]["campaign"]) == (actor, f"c-{actor}")


def test_nothing_stays_behind_for_the_next_request(site: Site) -> None:
    # Over one connection, so that it is one worker's, and often enough for each of its threads.
    browser, visitor = site.browser("v-9"), site.fresh()
    for number in range(10):
        browser.get(f"/event?name={visitor}&{LANDING}")
        browser.cookies.pop("kizashi")
        plain = f"{visitor}_{number}"
        browser.get(f"/event?name={plain}")
        assert not site.event(plain).get("source")


@pytest.mark.parametrize("bound", ["", "&bound=1"])
def test_a_streamed_body_is_in_its_requests_context_and_gets_its_cookie_out(site: Site, bound: str) -> None:
    browser, name = site.browser("v-10"), site.fresh()
    answer = browser.get(f"/stream?name={name}&{LANDING}{bound}")
    assert answer.body == "begun done"
    assert answer.kizashi is not None
    event = site.event(name)
    assert (event["actor"], event["source"]["campaign"]) == ("v-10", "brand")


def test_the_sites_own_exceptions_stay_its_own(site: Site) -> None:
    browser, name = site.browser(), site.fresh()
    assert browser.get(f"/fail?{LANDING}").status == 500
    fresh = site.browser()
    fresh.get(f"/event?name={name}")
    assert not site.event(name).get("source")
