"""Only with consent, and with whatever the site's callables do."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from sdk.visit.visiting import SECRET, Site

LANDING = "utm_campaign=brand"


def no(_request: object) -> bool:
    return False


def gone(_request: object) -> bool:
    raise RuntimeError("jane@shop.example is not logged in")


@pytest.mark.parametrize("answer", [False, None, 1, "denied", "yes", {"measurement": True}])
def test_nothing_but_true_is_a_yes(answer: object) -> None:
    site = Site(consent=lambda _request: answer)
    assert site.source(LANDING, referrer="https://news.example/") == {}
    assert site.header is None


def test_a_consent_that_is_taken_back_takes_the_cookie_along() -> None:
    agreed = [True]
    site = Site(consent=lambda _request: agreed[0])
    assert site.source(LANDING)["campaign"] == "brand"
    agreed[0] = False
    assert site.source() == {}
    assert site.header == "kizashi=; Max-Age=0; Path=/; HttpOnly; SameSite=Lax"
    agreed[0] = True
    assert site.source() == {}


def test_events_work_without_consent() -> None:
    event = Site(consent=no, actor=lambda _request: 7, session=lambda _request: "s-1").visit(LANDING)
    assert (event["actor"], event["session"]) == ("7", "s-1")
    assert "source" not in event


def test_consent_that_raises_is_a_no_and_is_told_without_what_it_said(caplog: pytest.LogCaptureFixture) -> None:
    site = Site(consent=gone)
    assert site.source(LANDING) == {}
    assert f"consent() raised: RuntimeError in {__name__}.gone, line" in caplog.text
    assert "jane" not in caplog.text


def test_warnings_come_once_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    site = Site(consent=gone, session=gone)
    for _ in range(5):
        site.source(LANDING)
    assert len(caplog.records) == 2
    site.now += 60
    site.source(LANDING)
    assert len(caplog.records) == 4


def test_an_actor_that_raises_or_is_no_identifier_costs_its_field_alone(caplog: pytest.LogCaptureFixture) -> None:
    for actor in (gone, lambda _request: object(), lambda _request: True):
        seen: dict[str, Any] = {}
        site = Site(consent=lambda _request: True, session=actor)
        seen = site.visit(LANDING)
        assert "session" not in seen
        assert seen["source"]["campaign"] == "brand"
    assert "returned object, not text, an int or None" in caplog.text


def test_a_log_that_raises_costs_nobody_a_page() -> None:
    class Raising(logging.Handler):
        def handle(self, record: logging.LogRecord) -> bool:
            raise OSError("disk full")

    handler = Raising()
    logging.getLogger("kizashi").addHandler(handler)
    try:
        assert Site(consent=gone).source(LANDING) == {}
    finally:
        logging.getLogger("kizashi").removeHandler(handler)


def test_the_callables_get_the_frameworks_own_request() -> None:
    asked: list[object] = []

    def consent(request: object) -> bool:
        asked.append(request)
        return True

    request = object()
    Site(consent=consent, session=lambda request: asked.append(request)).visit(LANDING, request=request)
    assert asked == [request, request]


def test_a_clock_that_fails_costs_nobody_a_page(caplog: pytest.LogCaptureFixture) -> None:
    site = Site(secret=SECRET)
    site.now = float("nan")
    assert site.source(LANDING) == {}
    assert "a request could not be looked at: ValueError" in caplog.text
