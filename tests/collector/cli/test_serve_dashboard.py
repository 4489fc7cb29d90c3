"""`kizashi serve` brings the dashboard along, and does not wait for those who watch."""

from __future__ import annotations

from pathlib import Path

from aiohttp import ClientSession

from collector_process import CollectorProcess


async def test_it_serves_the_dashboard_and_ends_though_somebody_follows(tmp_path: Path) -> None:
    read = {"Authorization": "Bearer r-secret"}
    with CollectorProcess(tmp_path) as collector:
        async with ClientSession() as session:
            async with session.get(f"{collector.url}/") as response:
                assert 'data-page="login"' in await response.text()
            async with session.get(f"{collector.url}/v1/live", headers=read) as response:
                assert await response.content.readline() == b"retry: 3000\n"
                code, errors = collector.stop()
                assert (await response.content.read()).strip() == b""
    assert code == 0
    assert "did not finish" not in errors
