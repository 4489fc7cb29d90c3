"""Every page in both languages, both themes and two widths, as pictures: python -m browser.screenshots FOLDER."""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING

from browser.chromium import PAGES, Lang, Tab, Theme, chromium, log_in, new_context
from browser.shop import PLAN, event, history, send, until_learned
from faults.serving import Serving

if TYPE_CHECKING:
    from playwright.async_api import Browser

WIDTHS = (1280, 390)
QUERIES = {"overview": "?window=28d", "funnel": "?funnel=checkout&window=28d&by=campaign"}


async def _page(tab: Tab, name: str, query: str, file: Path) -> None:
    await tab.open(name, query)
    await tab.page.wait_for_timeout(400)  # what glides in has come
    await tab.page.screenshot(path=file, full_page=True)
    print(file, *tab.wrong, sep="\n  ")
    tab.wrong.clear()


async def _pages(browser: Browser, url: str, folder: Path) -> None:
    session = await log_in(browser, url)
    langs: tuple[Lang, ...] = ("en", "ja")
    themes: tuple[Theme, ...] = ("light", "dark")
    for lang, theme, width in product(langs, themes, WIDTHS):
        ending = f"{width}-{theme}-{lang}.png"
        context = await new_context(browser, url, lang=lang, theme=theme, width=width, session=session)
        tab = Tab(await context.new_page(), url)
        for name in PAGES:
            await _page(tab, name, QUERIES.get(name, ""), folder / f"{name}-{ending}")
        await context.close()
        outside = await new_context(browser, url, lang=lang, theme=theme, width=width)
        page = await outside.new_page()
        await page.goto("/")
        await page.screenshot(path=folder / f"login-{ending}")
        await outside.close()


async def _all(url: str, folder: Path) -> None:
    async with chromium() as browser:
        await _pages(browser, url, folder)


def main(folder: Path) -> None:
    """Serve a shop's history for as long as it takes, and write the pictures into the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as made:
        place = Path(made)
        (place / "plan.toml").write_text(PLAN, encoding="utf-8")
        with Serving(place / "data", place / "log", "--plan", str(place / "plan.toml")) as collector:
            now = time.time_ns() // 1_000_000
            send(collector, history(now, visits=150), imported=True)
            lively = [event("mv_visit", now - 1_000 * number, f"v-now-{number}") for number in range(20)]
            wrong = event("purchase", now, "v-now-1", value=5, currency="XTS")
            send(collector, [*lively, lively[0], wrong, event("mv_unplanned", now, "v-now-2")])
            until_learned(collector)
            asyncio.run(_all(collector.url, folder))


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("python -m browser.screenshots FOLDER")
    main(Path(sys.argv[1]))
