"""A key becomes a session: for reading, from the collector's own pages, for twelve hours."""

from __future__ import annotations

from pathlib import Path

import pytest

from dashboard_forms import OWN, form, log_in, opened
from kizashi_collector.http import SESSION_COOKIE, Limits
from live_collector import HOUR, KEYS, LiveCollector, live_collector

PAGES = ["/", "/funnel", "/values", "/live"]
FUNNEL = {"steps": ["mv_view", "mv_cart"]}


@pytest.mark.parametrize("path", PAGES)
async def test_without_a_session_a_page_is_the_form_that_asks_for_a_key(collector: LiveCollector, path: str) -> None:
    async with opened(collector, f"{path}?window=7d") as response:
        text = await response.text()
    assert response.status == 200
    assert '<form method="post" action="/login">' in text
    assert f'<input name="next" type="hidden" value="{path}?window=7d">' in text
    assert "<script" not in text


@pytest.mark.parametrize("scope", ["read", "admin"])
async def test_a_key_that_may_read_opens_the_page_that_was_asked_for(collector: LiveCollector, scope: str) -> None:
    secret = {**KEYS}[scope]  # type: ignore[index]
    async with form(collector, "/login", key=f" {secret}\n", next="/funnel?window=28d") as response:
        assert (response.status, response.headers["Location"]) == (303, "/funnel?window=28d")
        cookie = response.cookies[SESSION_COOKIE]
    kept = {name: cookie[name] for name in ("httponly", "samesite", "path", "max-age", "secure", "domain")}
    expected = {"httponly": True, "samesite": "Strict", "path": "/", "max-age": "43200", "secure": "", "domain": ""}
    assert kept == expected
    assert secret not in cookie.value
    async with opened(collector, "/funnel", cookie.value) as response:
        assert 'data-page="funnel"' in await response.text()


@pytest.mark.parametrize("key", ["w-secret", "unknown", "", "r-secre", "r-secret\x00", "ü" * 3_000])
async def test_another_key_is_403_with_the_form_and_a_reason(collector: LiveCollector, key: str) -> None:
    async with form(collector, "/login", key=key, next="/live") as response:
        text = await response.text()
    assert response.status == 403
    assert 'role="alert"' in text
    assert '<input name="next" type="hidden" value="/live">' in text
    assert SESSION_COOKIE not in response.cookies


@pytest.mark.parametrize(
    "wanted",
    [
        *(
            "//evil.example",
            "https://evil.example/",
            "/\\evil.example",
            "\\\\evil.example",
            "evil",
            "javascript:alert(1)",
        ),
        *("/login", "/v1/summary", "/ /", "/\r\nSet-Cookie: a=b", "/é", "http://[", "", "/" + "?" * 9_000, "///"),
    ],
)
async def test_a_login_leads_nowhere_but_to_a_page_of_the_dashboard(collector: LiveCollector, wanted: str) -> None:
    async with form(collector, "/login", key=KEYS["read"], next=wanted) as response:
        assert (response.status, response.headers["Location"]) == (303, "/")


async def test_a_session_reads_what_a_read_key_reads(collector: LiveCollector) -> None:
    token = await log_in(collector)
    for path in ("/v1/summary", "/v1/events", "/v1/rejected", "/v1/values", "/v1/funnels", "/v1/plan", "/metrics"):
        async with opened(collector, path, token) as response:
            assert response.status == 200, path
    headers = {**OWN, "Cookie": f"{SESSION_COOKIE}={token}"}
    async with collector.ask("POST", "/v1/funnels", scope=None, json=FUNNEL, headers=headers) as response:
        assert response.status == 200


@pytest.mark.parametrize("scope", ["read", "admin"])
async def test_a_session_writes_nothing_and_manages_nothing(collector: LiveCollector, scope: str) -> None:
    token = await log_in(collector, {**KEYS}[scope])  # type: ignore[index]
    for method, path in (
        ("POST", "/v1/events"),
        ("POST", "/v1/rejected/replay"),
        ("POST", "/v1/plan"),
        ("DELETE", "/v1/actors/v-1"),
    ):
        async with opened(collector, path, token, method) as response:
            assert response.status == 401, path


async def test_a_forged_cookie_opens_nothing(collector: LiveCollector) -> None:
    token = await log_in(collector)
    version, key, until, code = token.split(".")
    for forged in (f"{version}.{key}.{int(until) + 1}.{code}", f"{token}x", "x" * 5_000, "v1", '""'):
        async with opened(collector, "/v1/summary", forged) as response:
            assert response.status == 401
        async with opened(collector, "/", forged) as response:
            assert 'data-page="login"' in await response.text()


async def test_a_session_ends_after_twelve_hours(collector: LiveCollector) -> None:
    token = await log_in(collector)
    collector.advance(12 * HOUR - 1)
    async with opened(collector, "/v1/summary", token) as response:
        assert response.status == 200
    collector.advance(1)
    async with opened(collector, "/v1/summary", token) as response:
        assert response.status == 401


async def test_a_session_ends_with_its_key_and_outlives_a_restart(tmp_path: Path) -> None:
    async with live_collector(tmp_path) as first:
        assert first.services.keys is not None
        token = await log_in(first, first.services.keys.create("of a marketer", "read"))
    async with live_collector(tmp_path) as second:
        async with opened(second, "/v1/summary", token) as response:
            assert response.status == 200
        assert second.services.keys is not None
        assert second.services.keys.revoke(1)
        async with opened(second, "/v1/summary", token) as response:
            assert response.status == 401
        async with opened(second, "/", token) as response:
            assert 'data-page="login"' in await response.text()


CROSS_SITE = [
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    {"Sec-Fetch-Site": "cross-site", "Origin": "{own}"},
    {"Sec-Fetch-Site": ""},
    {"Origin": "https://evil.example"},
    {"Origin": "{own}0"},
    {"Origin": "null"},
    {"Origin": "http://["},
    {},
]


@pytest.mark.parametrize("headers", CROSS_SITE)
async def test_a_form_of_another_site_is_refused(collector: LiveCollector, headers: dict[str, str]) -> None:
    sent = {name: value.format(own=collector.url) for name, value in headers.items()}
    for path in ("/login", "/logout", "/language"):
        async with form(collector, path, sent, key=KEYS["read"], lang="ja") as response:
            assert (response.status, (await response.json())["code"]) == (403, "cross_site")
            assert not response.cookies


@pytest.mark.parametrize("headers", CROSS_SITE)
async def test_a_question_of_another_site_has_no_session(collector: LiveCollector, headers: dict[str, str]) -> None:
    token = await log_in(collector)
    sent = {name: value.format(own=collector.url) for name, value in headers.items()}
    sent["Cookie"] = f"{SESSION_COOKIE}={token}"
    async with collector.ask("POST", "/v1/funnels", scope=None, json=FUNNEL, headers=sent) as response:
        assert response.status == 401
    # Browsers say nothing at all with a GET of an own page over plain HTTP from another machine.
    async with collector.ask("GET", "/v1/summary", scope=None, headers=sent) as response:
        assert response.status == (401 if headers else 200)


async def test_a_browser_that_knows_no_fetch_metadata_is_known_by_its_origin(collector: LiveCollector) -> None:
    async with form(collector, "/login", {"Origin": collector.url}, key=KEYS["read"]) as response:
        assert response.status == 303
        cookie = {"Origin": collector.url, "Cookie": f"{SESSION_COOKIE}={response.cookies[SESSION_COOKIE].value}"}
    async with collector.ask("POST", "/v1/funnels", scope=None, json=FUNNEL, headers=cookie) as response:
        assert response.status == 200


async def test_a_key_in_the_header_counts_whatever_the_cookie_says(collector: LiveCollector) -> None:
    token = await log_in(collector)
    async with opened(collector, "/v1/summary", token, Authorization="Bearer nobody") as response:
        assert response.status == 401
    async with opened(collector, "/v1/summary", "forged", Authorization=f"Bearer {KEYS['read']}") as response:
        assert response.status == 200


async def test_the_cookie_of_a_browser_that_speaks_https_to_a_proxy_is_secure(collector: LiveCollector) -> None:
    headers = {**OWN, "Origin": collector.url.replace("http:", "https:")}
    async with form(collector, "/login", headers, key=KEYS["read"]) as response:
        assert response.cookies[SESSION_COOKIE]["secure"] is True
    headers = {**OWN, "Origin": collector.url, "X-Forwarded-Proto": "https"}
    async with form(collector, "/login", headers, key=KEYS["read"]) as response:
        assert not response.cookies[SESSION_COOKIE]["secure"]


async def test_logging_out_clears_the_cookie(collector: LiveCollector) -> None:
    async with form(collector, "/logout") as response:
        assert (response.status, response.headers["Location"]) == (303, "/")
        cookie = response.cookies[SESSION_COOKIE]
        assert (cookie.value, cookie["max-age"], cookie["path"]) == ("", "0", "/")


async def test_who_tries_too_often_is_told_to_wait(tmp_path: Path) -> None:
    async with live_collector(tmp_path, limits=Limits(read_rate=0.001)) as collector:
        for _ in range(10):
            async with form(collector, "/login", key="wrong") as response:
                assert response.status == 403
        async with form(collector, "/login", key=KEYS["read"], next="/values") as response:
            text = await response.text()
        assert response.status == 429
        assert int(response.headers["Retry-After"]) > 0
        assert 'role="alert"' in text
        assert not response.cookies
        assert 'value="/values"' in text


async def test_all_sessions_of_a_key_share_its_rate(tmp_path: Path) -> None:
    async with live_collector(tmp_path, limits=Limits(read_rate=0.001)) as collector:
        tokens = [await log_in(collector)]
        collector.advance(1)
        tokens.append(await log_in(collector))
        assert tokens[0] != tokens[1]
        statuses = []
        for turn in range(11):
            async with opened(collector, "/v1/summary", tokens[turn % 2]) as response:
                statuses.append(response.status)
        assert statuses == [200] * 10 + [429]


async def test_an_answer_to_a_form_that_is_too_large_or_no_form_is_an_error(collector: LiveCollector) -> None:
    async with form(collector, "/login", key="x" * 40_000) as response:
        assert response.status == 413
        assert "frame-ancestors 'none'" in response.headers["Content-Security-Policy"]
    async with collector.ask("POST", "/login", scope=None, data=b"\xff&" * 20, headers=OWN) as response:
        assert response.status == 403


async def test_without_keys_there_is_nothing_to_log_in_to(tmp_path: Path) -> None:
    async with live_collector(tmp_path, keys=False) as collector:
        async with opened(collector, "/") as response:
            text = await response.text()
        assert 'data-page="overview"' in text
        assert "/logout" not in text
        async with form(collector, "/login", key="whatever", next="/live") as response:
            assert (response.status, response.headers["Location"]) == (303, "/live")
            assert not response.cookies


async def test_the_login_page_asked_for_by_its_address_is_the_first_page(collector: LiveCollector) -> None:
    async with opened(collector, "/login") as response:
        assert (response.status, response.headers["Location"]) == (303, "/")


async def test_a_link_from_another_site_is_tried_once_more_with_the_cookie(collector: LiveCollector) -> None:
    again = '<meta http-equiv="refresh" content="0">'
    async with opened(collector, "/values", **{"Sec-Fetch-Site": "cross-site"}) as response:
        assert again in await response.text()
    async with opened(collector, "/values") as response:
        assert again not in await response.text()
