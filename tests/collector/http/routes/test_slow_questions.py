"""A question that takes too long is answered with what to do instead."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from kizashi_schemas import Problem
from live_collector import LiveCollector, event
from stores import let_no_time

FUNNEL = {"steps": ["mv_view", "purchase"], "conversion_window": "1h"}
QUESTIONS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "a funnel": ("POST", "/v1/funnels", {"json": FUNNEL}),
    "a summary": ("GET", "/v1/summary", {"params": {"window": "7d", "by": "device", "as_of": "2026-09-20T00:00:00Z"}}),
}


@pytest.mark.parametrize(("method", "path", "options"), QUESTIONS.values(), ids=QUESTIONS)
async def test_what_takes_too_long_is_answered_503_with_a_remedy(
    collector: LiveCollector, method: str, path: str, options: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    await collector.post([event()])
    with monkeypatch.context() as patch:
        let_no_time(collector.services.log, patch)
        async with collector.ask(method, path, **options) as answer:
            assert (answer.status, answer.headers["Retry-After"]) == (503, "60")
            problem = msgspec.json.decode(await answer.read(), type=Problem)
    assert problem.code == "too_slow"
    for remedy in ("shorter interval", "summaries and funnels", "--query-timeout"):
        assert remedy in (problem.detail or "")
    async with collector.ask(method, path, **options) as answer:
        assert answer.status == 200
