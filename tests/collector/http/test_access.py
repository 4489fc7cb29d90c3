"""Keys and scopes, health, readiness, metrics, the plan."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from kizashi_collector.http import make_app
from kizashi_collector.store import Scope
from live_collector import HOUR, KEYS, LiveCollector, event, live_collector

ROUTES = [
    ("POST", "/v1/events", {"write"}),
    ("GET", "/v1/events", {"read", "admin"}),
    ("GET", "/v1/live", {"read", "admin"}),
    ("GET", "/v1/rejected", {"read", "admin"}),
    ("POST", "/v1/rejected/replay", {"admin"}),
    ("DELETE", "/v1/actors/{actor}", {"admin"}),
    ("GET", "/v1/summary", {"read", "admin"}),
    ("GET", "/v1/values", {"read", "admin"}),
    ("GET", "/v1/increments", {"read", "admin"}),
    ("GET", "/v1/funnels", {"read", "admin"}),
    ("POST", "/v1/funnels", {"read", "admin"}),
    ("GET", "/v1/plan", {"read", "admin"}),
    ("POST", "/v1/plan", {"admin"}),
    ("GET", "/metrics", {"read", "admin"}),
    ("GET", "/healthz", {None, "read", "write", "admin"}),
    ("GET", "/readyz", {None, "read", "write", "admin"}),
    ("GET", "/openapi.json", {None, "read", "write", "admin"}),
]


@pytest.mark.parametrize(("method", "path", "allowed"), ROUTES)
async def test_a_route_answers_only_to_the_scopes_it_is_for(
    collector: LiveCollector, method: str, path: str, allowed: set[str | None]
) -> None:
    scopes: list[Scope | None] = [None, "read", "write", "admin"]
    for scope in scopes:
        async with collector.ask(
            method, path.replace("{actor}", "v-1"), scope=scope, data=b"{}" if method == "POST" else None
        ) as response:
            refused = response.status in (401, 403)
            assert refused is (scope not in allowed), (scope, response.status)
            assert response.status != 500
            if scope is None and refused:
                assert response.headers["WWW-Authenticate"].startswith("Bearer")


@pytest.mark.parametrize(("method", "path", "allowed"), ROUTES)
async def test_a_session_opens_what_a_read_key_opens_and_nothing_else(
    collector: LiveCollector, method: str, path: str, allowed: set[str | None]
) -> None:
    keys = collector.services.keys
    assert keys is not None
    for scope in ("read", "admin"):
        token = keys.session_for(KEYS[scope], collector.wall + HOUR)
        headers = {"Cookie": f"kizashi_session={token}", "Sec-Fetch-Site": "same-origin"}
        path, data = path.replace("{actor}", "v-1"), b"{}" if method == "POST" else None
        async with collector.ask(method, path, scope=None, headers=headers, data=data) as response:
            assert (response.status in (401, 403)) is ("read" not in allowed), response.status


@pytest.mark.parametrize(("method", "path", "allowed"), ROUTES)
async def test_no_browser_is_to_guess_what_an_answer_is(
    collector: LiveCollector, method: str, path: str, allowed: set[str | None]
) -> None:
    scopes: list[Scope | None] = [None, "write", "admin"]
    for scope in scopes:
        body = {"events": [event()]} if path == "/v1/events" and method == "POST" else None
        async with collector.ask(method, path.replace("{actor}", "v-1"), scope=scope, json=body) as response:
            assert response.headers.getall("X-Content-Type-Options") == ["nosniff"]


def test_every_route_is_in_the_list_above(collector: LiveCollector) -> None:
    app = make_app(collector.services)
    served = {
        (route.method, route.resource.canonical)
        for route in app.router.routes()
        if route.resource and route.method != "HEAD"
    }
    assert served == {(method, path) for method, path, _ in ROUTES} | {("GET", "/v1/funnels/{name}")}


async def test_the_description_lists_every_route(collector: LiveCollector) -> None:
    async with collector.ask("GET", "/openapi.json", scope=None) as response:
        paths = (await response.json())["paths"]
    described = {(method.upper(), path) for path, methods in paths.items() for method in methods}
    assert described == {(method, path) for method, path, _ in ROUTES} | {("GET", "/v1/funnels/{name}")}


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer ", "Basic r-secret", "r-secret", "Bearer " + "x" * 5000])
async def test_a_header_that_is_no_bearer_key_is_401(collector: LiveCollector, header: str) -> None:
    headers = {"Authorization": header}
    assert await collector.problem("GET", "/v1/summary", scope=None, headers=headers) == (401, "no_key")


async def test_a_key_of_bytes_that_are_no_text_is_401(collector: LiveCollector) -> None:
    reader, writer = await asyncio.open_connection(*collector.address)
    writer.write(b"GET /v1/summary HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer \xff\xfe\r\n\r\n")
    assert (await reader.readline()).split()[1] == b"401"
    writer.close()


async def test_a_key_works_from_its_creation_until_it_is_revoked(collector: LiveCollector) -> None:
    keys = collector.services.keys
    assert keys is not None
    secret = keys.create("a bidding script", "read")
    headers = {"Authorization": f"bearer {secret}"}
    async with collector.ask("GET", "/v1/summary", scope=None, headers=headers) as response:
        assert response.status == 200
    assert keys.revoke(1)
    assert await collector.problem("GET", "/v1/summary", scope=None, headers=headers) == (401, "no_key")


async def test_without_keys_everything_is_open_for_development(tmp_path: Path) -> None:
    async with live_collector(tmp_path, keys=False) as collector:
        for path in ("/v1/summary", "/metrics"):
            async with collector.ask("GET", path, scope=None) as response:
                assert response.status == 200


async def test_readiness_fails_while_the_wall_clock_is_in_doubt(collector: LiveCollector) -> None:
    async with collector.ask("GET", "/readyz", scope=None) as response:
        assert response.status == 200
    collector.wall -= HOUR
    assert await collector.problem("GET", "/readyz", scope=None) == (503, "not_ready")
    async with collector.ask("GET", "/healthz", scope=None) as response:
        assert response.status == 200
    collector.wall += HOUR
    async with collector.ask("GET", "/readyz", scope=None) as response:
        assert response.status == 200


async def test_while_draining_new_batches_are_sent_elsewhere(collector: LiveCollector) -> None:
    collector.services.draining = True
    assert await collector.problem("POST", "/v1/events", scope="write", data=b"{}") == (503, "draining")
    assert await collector.problem("GET", "/readyz", scope=None) == (503, "not_ready")


async def test_metrics_can_be_read_by_prometheus(collector: LiveCollector) -> None:
    await collector.post([event(), event(id="twice"), event(id="twice"), event(name="BAD")])
    await collector.problem("GET", "/nobody/knows", scope=None)
    async with collector.ask("GET", "/metrics") as response:
        families = {family.name: family for family in text_string_to_metric_families(await response.text())}
    events = {
        (sample.labels["verdict"], sample.labels["code"]): sample.value
        for sample in families["kizashi_events"].samples
        if sample.name.endswith("_total")
    }
    assert events == {("accepted", ""): 2, ("duplicate", ""): 1, ("rejected", ""): 0, ("rejected", "bad_name"): 1}
    assert families["kizashi_ready"].samples[0].value == 1
    routes = {sample.labels["route"] for sample in families["kizashi_requests"].samples}
    assert routes == {"/v1/events", "unknown"}


async def test_a_method_that_a_route_does_not_have_is_405(collector: LiveCollector) -> None:
    async with collector.ask("DELETE", "/v1/events") as response:
        assert (response.status, response.headers["Allow"]) == (405, "GET,HEAD,POST")


async def test_a_posted_plan_is_in_force_at_once_and_after_a_restart(tmp_path: Path) -> None:
    async with live_collector(tmp_path) as collector:
        await collector.post([event("purchase", value=5, currency="JPY"), event("mv_unknown")])
        assert (await collector.summary()).total.reason == "no_plan"
        plan = 'currency = "JPY"\n[events.purchase]\nfinal = true\n[events.mv_never]\n'
        async with collector.ask("POST", "/v1/plan", scope="admin", data=plan.encode()) as response:
            described = await response.json()
        assert described["health"]["never_seen"] == ["mv_never"]
        assert [name["name"] for name in described["health"]["unplanned"]] == ["mv_unknown"]
        assert (await collector.summary()).plan == described["id"]
    async with live_collector(tmp_path) as collector:
        assert (await collector.summary()).plan == described["id"]


async def test_a_broken_plan_is_refused_and_the_old_one_stays(collector: LiveCollector) -> None:
    bad = b'currency = "YEN"'
    assert await collector.problem("POST", "/v1/plan", scope="admin", data=bad) == (422, "bad_plan")
    as_json = {"Content-Type": "application/json"}
    undecodable = await collector.problem("POST", "/v1/plan", scope="admin", data=b"{", headers=as_json)
    assert undecodable == (400, "undecodable")
    assert (await collector.summary()).plan is None


async def test_a_plan_file_rules(tmp_path: Path) -> None:
    async with live_collector(tmp_path, plan='currency = "JPY"\n') as collector:
        posted = await collector.problem("POST", "/v1/plan", scope="admin", data=b'currency = "USD"')
        assert posted == (409, "plan_file_rules")
        before = (await collector.summary()).plan
        (tmp_path / "plan.toml").write_text('currency = "USD"\n', encoding="utf-8")
        assert await collector.services.plans.load(0)
        assert (await collector.summary()).plan != before
