"""Visitors of the shop from now on: each a browser with cookies of its own, over HTTP."""

from __future__ import annotations

import asyncio
import re
from random import Random

import aiohttp

from kizashi_collector.cli.demo._market import Audience, Deed, Visit, audience, deeds
from kizashi_collector.cli.demo._programs import DemoError

__all__ = ["browse"]

_DESKTOP = "Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0"
_MOBILE = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) Mobile/15E148 Safari/604.1"
# Nobody who watches wants to wait for those who sleep on it.
_FASTER, _MOST_SECONDS = 10.0, 6.0
_MOST_AT_ONCE = 64


async def browse(shop: str, dice: Random, pauses: tuple[float, int, float]) -> None:
    """Send visitors to the shop for ever: one in `pauses[0]` seconds on average, after `pauses[1]` visitors in
    `pauses[2]`. Raises DemoError when the shop does not do what a shop does.
    """
    busy, many, quiet = pauses
    room = asyncio.Semaphore(_MOST_AT_ONCE)

    async def one() -> None:
        own = Random(dice.getrandbits(64))  # noqa: S311  # dice of a game
        who = audience(own)
        visit = Visit(who, own.random() < who.mobile, form_broken=True, news_lost=True)
        async with (
            room,
            aiohttp.ClientSession(
                connector=connector,
                connector_owner=False,
                cookie_jar=aiohttp.CookieJar(unsafe=True),  # the shop's host is an address
                headers={"User-Agent": _MOBILE if visit.mobile else _DESKTOP},
                timeout=aiohttp.ClientTimeout(total=30),
            ) as http,
        ):
            browser = _Browser(http, shop, who, own)
            for deed in deeds(visit, own):
                await asyncio.sleep(min(deed.seconds / _FASTER, _MOST_SECONDS))
                await browser.do(deed)

    async with aiohttp.TCPConnector(limit=_MOST_AT_ONCE) as connector, asyncio.TaskGroup() as group:
        number = 0
        while True:
            number += 1
            group.create_task(one())
            await asyncio.sleep(dice.expovariate(1 / (busy if number <= many else quiet)))


class _Browser:
    """One visitor's way through the pages."""

    def __init__(self, http: aiohttp.ClientSession, shop: str, who: Audience, dice: Random) -> None:
        self._http, self._shop, self._who, self._dice = http, shop, who, dice
        self._pay = ""

    async def do(self, deed: Deed) -> None:
        """Ask for the page that the deed is."""
        match deed.doing:
            case "land":
                await self._ask("GET", "/", query=self._landing())
            case "search":
                await self._ask("GET", "/", query={"q": "tea"})
            case "newsletter":
                await self._ask("POST", "/newsletter", data={"email": "somebody@example.com"})
            case "view":
                await self._ask("GET", f"/products/{deed.sku}")
            case "add":
                await self._ask("POST", f"/cart/{deed.sku}", data={})
            case "checkout":
                await self._ask("GET", "/checkout")
            case "refused":
                await self._ask("POST", "/checkout/address", data={"postal_code": "１００−０００１"}, expect=422)
            case "address":
                html = await self._ask("POST", "/checkout/address", data={"postal_code": "100-0001"})
                found = re.search(r'action="(/checkout/payment/[^"]+)"', html)
                if found is None:
                    raise DemoError("the shop's page for the payment has no form")
                self._pay = found[1]
            case "declined":
                await self._ask("POST", self._pay, data={"card": "4000000000000002"}, expect=402)
            case "pay":
                await self._ask("POST", self._pay, data={"card": "4242424242424242"})

    def _landing(self) -> dict[str, str]:
        if not self._who.campaign:
            return {}
        query = {"utm_source": self._who.source, "utm_medium": "cpc", "utm_campaign": self._who.campaign}
        return query | ({"gclid": f"EAIa{self._dice.getrandbits(64):016x}"} if self._who.source == "google" else {})

    async def _ask(
        self,
        method: str,
        path: str,
        *,
        query: dict[str, str] | None = None,
        data: dict[str, str] | None = None,
        expect: int = 200,
    ) -> str:
        async with self._http.request(method, self._shop + path, params=query, data=data) as response:
            html = await response.text()
        if response.status != expect:
            raise DemoError(f"the shop answered {response.status} to {method} {path}, not {expect}")
        return html
