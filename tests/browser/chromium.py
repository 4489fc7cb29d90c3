"""Debian's Chromium, and tabs in it that remember everything that went wrong in them."""

from __future__ import annotations

import csv
import io
import shutil
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from playwright.async_api import Browser, BrowserContext, ConsoleMessage, Page, Request

__all__ = ["CHROMIUM", "PAGES", "ROWS", "SEEN", "Lang", "Tab", "Theme", "chromium", "log_in", "new_context"]

Lang = Literal["en", "ja"]
Theme = Literal["light", "dark"]

CHROMIUM = shutil.which("chromium")
PAGES: Mapping[str, str] = {"overview": "/", "funnel": "/funnel", "values": "/values", "live": "/live"}
SEEN: Mapping[str, str] = {
    "overview": "main table tbody tr",
    "funnel": "main .funnel-result figure",
    "values": "main .strips svg",
    "live": "main .live-table tbody tr",
}
"""What stands on each page once it shows data."""
ROWS = "main table:has(th[data-key]) tbody tr"
"""The rows of tables that can be sorted."""

_FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # A request to anywhere else fails, beside being noticed.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)
_LOCALES: Mapping[Lang, str] = {"en": "en-GB", "ja": "ja-JP"}
_TELL_VIOLATIONS = """document.addEventListener("securitypolicyviolation", (violation) =>
  console.error(`CSP: ${violation.violatedDirective} ${violation.blockedURI} ${violation.sample}`));"""


@asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    """A browser without a window."""
    from playwright.async_api import async_playwright

    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, headless=True, args=list(_FLAGS))
        try:
            yield browser
        finally:
            await browser.close()


async def new_context(
    browser: Browser, url: str, *, lang: Lang = "en", theme: Theme = "light", width: int = 1280, session: Any = None
) -> BrowserContext:
    """A browser profile of somebody with this language, theme and screen; `session` is what `log_in` returned."""
    context = await browser.new_context(
        base_url=url,
        locale=_LOCALES[lang],
        timezone_id="Asia/Tokyo",
        color_scheme=theme,
        reduced_motion="reduce",
        viewport={"width": width, "height": 900},
        storage_state=session,
    )
    context.set_default_timeout(20_000)
    await context.add_init_script(_TELL_VIOLATIONS)
    return context


async def log_in(browser: Browser, url: str, key: str = "r-secret") -> Any:
    """Log in by the form, and return the session for `new_context`."""
    context = await new_context(browser, url)
    try:
        page = await context.new_page()
        await page.goto("/")
        await page.fill("#key", key)
        await page.click("main button")
        await page.wait_for_selector("main h1")
        return await context.storage_state()
    finally:
        await context.close()


class Tab:
    """One page of a browser. `wrong` grows with every error, warning, policy violation and request to elsewhere."""

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        self.wrong: list[str] = []
        self._origin = urlsplit(url)[:2]
        page.on("console", self._said)
        page.on("pageerror", lambda error: self.wrong.append(f"error: {error}"))
        page.on("request", self._asked)
        page.on("dialog", self._dialog)

    def _said(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning", "assert"}:
            self.wrong.append(f"console {message.type}: {message.text} ({message.location})")

    def _asked(self, request: Request) -> None:
        parts = urlsplit(request.url)
        if parts.scheme not in {"data", "blob"} and parts[:2] != self._origin:
            self.wrong.append(f"request to elsewhere: {request.url}")

    async def _dialog(self, dialog: Any) -> None:
        self.wrong.append(f"dialog: {dialog.message}")
        await dialog.dismiss()

    async def open(self, name: str, query: str = "", *, seen: str | None = None) -> None:
        """Go to a page and wait until it shows its data, or what `seen` selects."""
        await self.page.goto(PAGES[name] + query, wait_until="commit")
        await self.page.wait_for_selector(SEEN[name] if seen is None else seen)
        await self.settled()

    async def settled(self) -> None:
        """Wait until nothing on the page is being asked for."""
        await self.until("""document.readyState === "complete" && document.querySelector("main h1") &&
            !document.querySelector("main[aria-busy], main [aria-busy='true']")""")

    async def until(self, holds: str, arg: object = None) -> None:
        """Wait until an expression, of `arg` if need be, is true on the page."""
        # As a function: the page's policy has no expression evaluated, which is as it should be.
        await self.page.wait_for_function(f"(arg) => {holds}", arg=arg)

    async def saved(self, selector: str) -> list[list[str]]:
        """The cells of the file that a table's button there saves."""
        async with self.page.expect_download() as download:
            await self.page.locator(f"{selector} button.table-csv").first.click()
        return _cells(await (await download.value).path())

    async def text(self, selector: str = "main") -> str:
        """What can be read there."""
        return await self.page.inner_text(selector)

    async def widen(self, width: int) -> None:
        """Give the page another width, and let it lay itself out."""
        await self.page.set_viewport_size({"width": width, "height": 900})
        await self.page.evaluate(
            "() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"
        )

    async def sideways(self) -> list[str]:
        """What reaches beyond the page's right edge where the page can be scrolled sideways; empty is good."""
        found: list[str] = await self.page.evaluate("""() => {
            const wide = document.documentElement.clientWidth;
            if (document.documentElement.scrollWidth <= wide) return [];
            return [`${document.documentElement.scrollWidth} of ${wide} px`, ...[...document.querySelectorAll("body *")]
                .filter((one) => one.getBoundingClientRect().right > wide + 1 && !one.closest(".scroller"))
                .map((one) => `${one.localName}.${one.getAttribute("class")}`).slice(0, 8)];
        }""")
        return found

    async def violations(self) -> list[str]:
        """The serious and critical findings of axe-core, each with the elements."""
        if not await self.page.evaluate("'axe' in window"):
            await self.page.evaluate(files("axe_playwright_python").joinpath("axe.min.js").read_text(encoding="utf-8"))
        found = await self.page.evaluate("""() => axe.run(document, {resultTypes: ["violations"], preload: false})
            .then((result) => result.violations.map((one) => ({id: one.id, impact: one.impact, help: one.help,
                nodes: one.nodes.slice(0, 4).map((node) => `${node.target} ${node.failureSummary ?? ""}`)})))""")
        return [
            f"{one['impact']} {one['id']}: {one['help']}: {one['nodes']}"
            for one in found
            if one["impact"] in {"serious", "critical"}
        ]


def _cells(path: Path) -> list[list[str]]:
    return list(csv.reader(io.StringIO(path.read_text(encoding="utf-8-sig"), newline="")))
