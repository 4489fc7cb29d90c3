"""One view of a page of the dashboard in a browser: what was transferred, and when what could be read.

Times are milliseconds since the navigation began, by the page's own clock. A page is useful in the frame in which its
main figure is first painted: a MutationObserver notices the figure, and the next frame's end is noted.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import msgspec

from browser.chromium import Tab

if TYPE_CHECKING:
    from playwright.async_api import BrowserContext

__all__ = ["VIEWS", "Call", "Page", "View", "view", "watched"]

_LONGEST_S = 240.0
"""No view goes on for longer."""
_QUIET_S = 0.4
"""When no question has been open for so long, the page has all that it asks for."""
_WATCH = """(holds) => {
  const seen = {useful: null, longTasks: []};
  window.benchSeen = seen;
  new PerformanceObserver((list) => seen.longTasks.push(...list.getEntries().map((one) => one.duration)))
    .observe({type: "longtask", buffered: true});
  const observer = new MutationObserver(() => {
    if (holds()) {
      observer.disconnect();
      requestAnimationFrame(() => setTimeout(() => { seen.useful = performance.now(); }));
    }
  });
  observer.observe(document, {subtree: true, childList: true, characterData: true, attributes: true});
}"""
_NOTED = """() => {
  const [navigation] = performance.getEntriesByType("navigation");
  const [paint] = performance.getEntriesByName("first-contentful-paint");
  const calls = performance.getEntriesByType("resource").filter((one) => new URL(one.name).pathname.startsWith("/v1/"));
  return {
    useful: window.benchSeen.useful,
    long_tasks: window.benchSeen.longTasks.reduce((sum, one) => sum + one, 0),
    document: navigation.responseEnd,
    first_paint: paint?.startTime ?? null,
    calls: calls.map((one) => ({url: one.name, asked: one.startTime, sent: one.requestStart, began: one.responseStart,
      ended: one.responseEnd, bytes: one.transferSize, status: one.responseStatus})),
  };
}"""
_BARS = """document.querySelectorAll(".funnel-bars li.bar .bar-fill").length > 1"""


class Page(msgspec.Struct, frozen=True):
    """A page to be viewed: its address, an expression that is true once its main figure is there, and what that is."""

    path: str
    holds: str
    figure: str


VIEWS: Mapping[str, Page] = {
    "overview": Page(
        "/",
        """(() => {
          const at = document.querySelector("main th[data-key='expected']")?.cellIndex;
          const row = document.querySelector("main table:has(th[data-key]) tbody tr");
          return /[0-9]/.test(row?.cells[at]?.textContent ?? "");
        })()""",
        "a row of the table with its expected value",
    ),
    "funnel": Page("/funnel", _BARS, "the bars"),
    "funnel by campaign": Page(
        "/funnel?by=campaign",
        f"""{_BARS} && document.querySelector(".funnel-groups tbody tr") !== null""",
        "the bars and a row of the breakdown",
    ),
    "values": Page(
        "/values", """document.querySelector("ol.strips .strip-value") !== null""", "the ladder with a learned value"
    ),
    "live": Page(
        "/live",
        """document.querySelector(".live-state .live-dot:not(.paused)") !== null &&
          document.querySelector(".live-table tbody tr") !== null""",
        "connected, and a row of the newest events",
    ),
}


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """A question that a page asked: when, how long its answer took to begin and to be complete, and what it weighed.

    `waited` is from the request's first byte to the answer's: it is the collector's, its queue included.
    """

    question: str
    asked: float
    waited: float
    ended: float
    bytes: int
    status: int


class View(msgspec.Struct, frozen=True, kw_only=True):
    """What a view took. `useful` is the sum of its four parts `document`, `modules`, `answers` and `drawing`.

    `document` ends with the page's own last byte; `modules` when its first question is asked; `answers` with the last
    byte of the last answer before the page is useful; `drawing` is what follows, also where the page waits by a clock
    or for an answer that it then does without. `whole` is when the last answer of all had come.

    `transferred` is encoded bytes, heads included, of `requests` that the browser's cache did not answer. What a page
    that stays open asks for again is in neither. `long_tasks` are all those of the page's main thread. `page_cpu` is
    what this thread used of a processor, and `collector_cpu` what the collector did; neither grows while others have
    the processors. `wrong` is what the browser complained of.
    """

    transferred: int
    requests: int
    first_paint: float
    document: float
    modules: float
    answers: float
    drawing: float
    useful: float
    whole: float
    long_tasks: float
    page_cpu: float
    calls: list[Call]
    wrong: list[str]
    collector_cpu: float = 0.0


async def watched(context: BrowserContext, page: Page) -> None:
    """Have every tab of a browser profile note when it shows the main figure of this page."""
    await context.add_init_script(f"({_WATCH})(() => {page.holds})")


async def view(context: BrowserContext, url: str, page: Page) -> View:
    """Open a page in a new tab, and wait until it has all that it asks for.

    Raises RuntimeError where its script fails, or it is not useful or not whole within four minutes.
    """
    tab = Tab(await context.new_page(), url)
    traffic = _Traffic()
    session = await context.new_cdp_session(tab.page)
    for name in ("requestWillBeSent", "requestServedFromCache", "responseReceived", "loadingFinished", "loadingFailed"):
        session.on(f"Network.{name}", getattr(traffic, name))
    await session.send("Network.enable")
    await session.send("Performance.enable", {"timeDomain": "threadTicks"})
    try:
        await tab.page.goto(page.path, wait_until="commit")
        until = time.monotonic() + _LONGEST_S
        while not traffic.quiet() or await tab.page.evaluate("() => window.benchSeen.useful") is None:
            if time.monotonic() > until or any(wrong.startswith("error: ") for wrong in tab.wrong):
                raise RuntimeError(f"{page.path} does not come to show {page.figure}, or all it asks for: {tab.wrong}")
            await asyncio.sleep(0.05)
        noted = await tab.page.evaluate(_NOTED)
        metrics = {one["name"]: one["value"] for one in (await session.send("Performance.getMetrics"))["metrics"]}
        noted["page_cpu"] = metrics["TaskDuration"] * 1000
    finally:
        await tab.page.close()
    return _view(noted, traffic, tab.wrong)


class _Traffic:
    """What the browser says of a tab's requests. The methods have the names of its events."""

    def __init__(self) -> None:
        self._asked: set[str] = set()
        self._again: set[str] = set()
        self._open: set[str] = set()
        self._cached: set[str] = set()
        self._heads: dict[str, int] = {}
        self._bytes: dict[str, int] = {}
        self._last = time.monotonic()

    def quiet(self) -> bool:
        """Whether nothing is open, and has not been for a while."""
        return not self._open and time.monotonic() - self._last > _QUIET_S

    def requestWillBeSent(self, told: dict[str, Any]) -> None:  # noqa: N802
        url, get = told["request"]["url"], told["request"]["method"] == "GET"
        if get and url in self._asked:  # a page that stays open asks the same again and again
            self._again.add(told["requestId"])
        elif told.get("type") != "EventSource":  # which never ends
            self._open.add(told["requestId"])
        if get and urlsplit(url).path.startswith("/v1/"):
            self._asked.add(url)

    def requestServedFromCache(self, told: dict[str, Any]) -> None:  # noqa: N802
        self._cached.add(told["requestId"])

    def responseReceived(self, told: dict[str, Any]) -> None:  # noqa: N802
        if told["response"].get("fromDiskCache"):
            self._cached.add(told["requestId"])
        self._heads[told["requestId"]] = int(told["response"]["encodedDataLength"])

    def loadingFinished(self, told: dict[str, Any]) -> None:  # noqa: N802
        self._bytes[told["requestId"]] = int(told["encodedDataLength"])
        self._ended(told["requestId"])

    def loadingFailed(self, told: dict[str, Any]) -> None:  # noqa: N802
        self._ended(told["requestId"])

    def _ended(self, request: str) -> None:
        if request not in self._again:
            self._open.discard(request)
            self._last = time.monotonic()

    def weighed(self) -> tuple[int, int]:
        """Bytes and requests that came over the network, repeated ones left out; of a stream that goes on, its head."""
        left_out = self._cached | self._again
        came = [size for one, size in (self._heads | self._bytes).items() if one not in left_out]
        return sum(came), len(came)


def _view(noted: dict[str, Any], traffic: _Traffic, wrong: list[str]) -> View:
    calls = [
        Call(
            question=_question(one["url"]),
            asked=one["asked"],
            waited=one["began"] - one["sent"],
            ended=one["ended"],
            bytes=one["bytes"],
            status=one["status"],
        )
        for one in sorted(noted["calls"], key=lambda one: float(one["asked"]))
    ]
    calls = [call for at, call in enumerate(calls) if not _is_repeated(call, calls[:at], noted["useful"])]
    useful, document = noted["useful"], noted["document"]
    first = min(call.asked for call in calls)
    last = max((call.ended for call in calls if call.ended <= useful), default=first)
    transferred, requests = traffic.weighed()
    return View(
        transferred=transferred,
        requests=requests,
        first_paint=noted["first_paint"],
        document=document,
        modules=first - document,
        answers=last - first,
        drawing=useful - last,
        useful=useful,
        whole=max(call.ended for call in calls),
        long_tasks=noted["long_tasks"],
        page_cpu=noted["page_cpu"],
        calls=calls,
        wrong=wrong,
    )


def _is_repeated(call: Call, before: Sequence[Call], useful: float) -> bool:
    """Whether a page that is useful asks the same once more; what differs in the query tells questions apart."""
    moving = call.question == "/v1/funnels" or "…" in call.question
    return not moving and call.asked > useful and any(call.question == one.question for one in before)


def _question(url: str) -> str:
    """A question without what differs from view to view."""
    parts = urlsplit(url)
    query = re.sub(r"\b(as_of|from|to)=[^&]*", r"\1=…", parts.query.replace("money=string", "").strip("&"))
    return f"{parts.path}?{query}" if query else parts.path
