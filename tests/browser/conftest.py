"""One collector with a shop's history and one browser for all tests here; each test has tabs of its own."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio

from browser.chromium import CHROMIUM, Tab, chromium, log_in, new_context
from browser.shop import PLAN, event, history, many_campaigns, send
from collector_process import KEYS
from faults.serving import Serving

if TYPE_CHECKING:
    from playwright.async_api import Browser, BrowserContext

OpenTab = Callable[..., Awaitable[Tab]]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    # The browser lives as long as the session, and so does the loop that it talks over.
    here = [item for item in items if item.path.is_relative_to(Path(__file__).parent)]
    for item in here:
        item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)


def _planned(folder: Path, *options: str, environment: Mapping[str, str] = KEYS) -> Serving:
    (folder / "plan.toml").write_text(PLAN, encoding="utf-8")
    plan = ("--plan", str(folder / "plan.toml"))
    return Serving(folder / "data", folder / "log", *plan, *options, environment=environment)


@pytest.fixture(scope="session")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    """A collector with keys, a plan and 40 days of events."""
    with _planned(tmp_path_factory.mktemp("shop")) as collector:
        now = time.time_ns() // 1_000_000
        send(collector, history(now), imported=True)
        send(collector, [event("mv_visit", now, "v-now"), event("mv_unplanned", now, "v-now")])
        yield collector


@pytest.fixture(scope="session")
def plan_only(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    """A collector without keys, with the plan and nothing else."""
    with _planned(tmp_path_factory.mktemp("plan_only"), "--dev", environment={}) as collector:
        yield collector


@pytest.fixture
def bare(tmp_path: Path) -> Iterator[Serving]:
    """A collector without keys and without a plan, new for each test."""
    with Serving(tmp_path / "data", tmp_path / "log", "--dev", environment={}) as collector:
        yield collector


@pytest.fixture(scope="session")
def crowded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    """A collector without keys, with a plan and 1,000 campaigns."""
    with _planned(tmp_path_factory.mktemp("crowded"), "--dev", environment={}) as collector:
        now = time.time_ns() // 1_000_000
        send(collector, many_campaigns(now), imported=True)
        send(collector, [event("mv_visit", now, "v-now", "campaign-0000")])
        yield collector


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    """Chromium, where it is."""
    pytest.importorskip("playwright", reason="playwright is not installed")
    if CHROMIUM is None:
        pytest.skip("chromium is not installed")
    async with chromium() as one:
        yield one


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def session(browser: Browser, shop: Serving) -> Any:
    """The session of somebody who has logged in at the shop's collector."""
    return await log_in(browser, shop.url)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def profiles(browser: Browser) -> AsyncIterator[Callable[..., Awaitable[BrowserContext]]]:
    """Browser profiles by what sets them apart: a new one for each tab costs more than all that is tested in it."""
    made: dict[tuple[str, ...], BrowserContext] = {}

    async def profile(url: str, **settings: Any) -> BrowserContext:
        key = (url, *(f"{name}={setting}" for name, setting in sorted(settings.items())))
        if key not in made:
            made[key] = await new_context(browser, url, **settings)
        await made[key].clear_cookies()
        return made[key]

    yield profile
    for context in made.values():
        await context.close()


@pytest_asyncio.fixture(loop_scope="session")
async def open_tab(
    profiles: Callable[..., Awaitable[BrowserContext]], shop: Serving, session: Any
) -> AsyncIterator[OpenTab]:
    """Opens tabs at the shop's collector, logged in, or at `at`. At the end nothing may have gone wrong in any."""
    tabs: list[Tab] = []

    async def opened(*, at: Serving = shop, logged_in: bool = True, **settings: Any) -> Tab:
        context = await profiles(at.url, **settings)
        if logged_in and at is shop:
            await context.add_cookies(session["cookies"])
        tabs.append(Tab(await context.new_page(), at.url))
        return tabs[-1]

    yield opened
    for tab in tabs:
        await tab.page.close()
    assert [wrong for tab in tabs for wrong in tab.wrong] == []
