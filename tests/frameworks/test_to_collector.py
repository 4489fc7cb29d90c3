"""All the way: a visitor, a site, a real collector, and the answer that a bidding script gets."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path
from urllib.request import Request, urlopen

from collector_process import CollectorProcess
from frameworks.server_process import Browser, ServerProcess, until
from frameworks.sites import COMMANDS


def sales(collector: CollectorProcess) -> dict[str, int]:
    """How many purchases each campaign has."""
    request = Request(f"{collector.url}/v1/summary?window=1h&by=campaign", headers={"Authorization": "Bearer r-secret"})
    with urlopen(request, timeout=10) as response:
        answer = json.load(response)
    return {row["key"]["campaign"]: row["events"]["purchase"]["count"] for row in answer["rows"]}


def test_a_sale_of_a_later_visit_counts_for_the_campaign_that_brought_the_buyer(tmp_path: Path) -> None:
    with CollectorProcess(tmp_path / "data") as collector:
        environment = {"KIZASHI_ENDPOINT": collector.url, "KIZASHI_KEY": "w-secret"}
        with (
            ServerProcess(*COMMANDS["fastapi under uvicorn"], environment=environment) as server,
            closing(Browser(server.url)) as browser,
        ):
            browser.get("/?utm_campaign=brand&gclid=EAIa-b", Referer="https://www.google.example/")
            browser.get("/event?name=purchase", Referer="https://pay.example/done")
            until(lambda: sales(collector), f"no row came; the server said {server.output}")
            assert sales(collector) == {"brand": 1}
