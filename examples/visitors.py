"""Visitors who browse the shop over HTTP: some advertisements bring buyers, some bring people who leave at once.

    python examples/visitors.py --shop http://127.0.0.1:8080 --visitors 200 --seed 7

The last line of the output is a tally, as JSON, of what they did: what a collector must have counted.
"""

from __future__ import annotations

import argparse
import asyncio
import re
import sys
from collections import Counter
from dataclasses import dataclass, field
from random import Random

import aiohttp
import msgspec

DESKTOP = "Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0"
MOBILE = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) Mobile/15E148 Safari/604.1"
MOST_REQUESTS_AT_ONCE = 64


@dataclass(frozen=True)
class Audience:
    """Whom a campaign brings, and the chance that such a visitor takes each step after the one before."""

    campaign: str
    utm: dict[str, str]
    share: float
    mobile: float
    views: float
    adds: float
    checks_out: float
    pays: float


AUDIENCES = (
    Audience("brand", {"utm_source": "google", "utm_medium": "cpc"}, 0.22, 0.45, 0.92, 0.55, 0.80, 0.90),
    Audience("gift_season", {"utm_source": "yahoo", "utm_medium": "cpc"}, 0.24, 0.60, 0.80, 0.34, 0.66, 0.80),
    Audience("broad_match", {"utm_source": "google", "utm_medium": "cpc"}, 0.30, 0.80, 0.45, 0.14, 0.45, 0.65),
    Audience("", {}, 0.24, 0.50, 0.75, 0.28, 0.65, 0.85),
)


@dataclass
class Tally:
    """What visitors did, by campaign."""

    visitors: Counter[str] = field(default_factory=Counter)
    revenue: Counter[str] = field(default_factory=Counter)
    events: dict[str, Counter[str]] = field(default_factory=dict)

    def count(self, campaign: str, event: str) -> None:
        self.events.setdefault(campaign, Counter())[event] += 1


class Visitor:
    """One browser with its own cookies, habits and dice."""

    def __init__(
        self, http: aiohttp.ClientSession, shop: str, audience: Audience, rng: Random, tally: Tally, pace: float
    ) -> None:
        self._http = http
        self._shop = shop
        self._audience = audience
        self._rng = rng
        self._tally = tally
        self._pace = pace

    async def visit(self) -> None:
        """Come, look around, and leave at some point, perhaps with tea."""
        rng, audience = self._rng, self._audience
        self._tally.visitors[audience.campaign] += 1
        shelf = await self._land()
        if rng.random() < 0.05:
            await self._post("/newsletter", {"email": "somebody@example.com"})
            self._did("mv_newsletter_signup")
        if rng.random() < 0.15:
            await self._get("/?q=tea")
            self._did("mv_search")
        if rng.random() >= audience.views:
            return
        for sku in rng.sample(shelf, rng.randint(1, 3)):
            await self._get(f"/products/{sku}")
            self._did("mv_product_view")
        if rng.random() >= audience.adds:
            return
        for _ in range(rng.randint(1, 2)):
            await self._post(f"/cart/{sku}", {})
            self._did("mv_add_to_cart")
        if rng.random() < audience.checks_out:
            await self._check_out()

    async def _land(self) -> list[str]:
        query = dict(self._audience.utm)
        if self._audience.campaign:
            query["utm_campaign"] = self._audience.campaign
        if query.get("utm_source") == "google":
            query["gclid"] = f"EAIa{self._rng.getrandbits(64):016x}"
        _, html = await self._ask("GET", "/", query=query)
        self._did("mv_visit")
        return re.findall(r'href="/products/([a-z-]+)"', html)

    async def _check_out(self) -> None:
        await self._get("/checkout")
        self._did("mv_checkout_start")
        if self._rng.random() < 0.2:
            await self._post("/checkout/address", {"postal_code": "tokyo"}, expect=422)
            self._did("mv_form_error")
            if self._rng.random() < 0.3:
                return
        where = {"name": "Somebody", "postal_code": "100-0001", "address": "1-1 Chiyoda"}
        html = await self._post("/checkout/address", where)
        self._did("mv_checkout_address")
        if self._rng.random() < self._audience.pays:
            await self._pay(_found(r'action="(/checkout/payment/[^"]+)"', html))

    async def _pay(self, action: str) -> None:
        if self._rng.random() < 0.1:
            await self._post(action, {"card": "4000000000000002"}, expect=402)
            self._did("mv_form_error")
            if self._rng.random() < 0.4:
                return
        html = await self._post(action, {"card": "4242424242424242"})
        self._did("purchase")
        self._tally.revenue[self._audience.campaign] += int(_found(r'<data value="(\d+)"', html))
        if self._rng.random() < 0.2:  # Impatient fingers: the same button again is the same order.
            await self._post(action, {"card": "4242424242424242"})

    def _did(self, event: str) -> None:
        self._tally.count(self._audience.campaign, event)

    async def _get(self, path: str) -> str:
        return (await self._ask("GET", path))[1]

    async def _post(self, path: str, data: dict[str, str], expect: int = 200) -> str:
        return (await self._ask("POST", path, data=data, expect=expect))[1]

    async def _ask(
        self,
        method: str,
        path: str,
        *,
        query: dict[str, str] | None = None,
        data: dict[str, str] | None = None,
        expect: int = 200,
    ) -> tuple[int, str]:
        async with self._http.request(method, self._shop + path, params=query, data=data) as response:
            html = await response.text()
        if response.status != expect:
            raise RuntimeError(f"the shop answered {response.status} to {method} {path}, not {expect}")
        await asyncio.sleep(self._pace * self._rng.uniform(0.1, 0.9))
        return response.status, html


def _found(pattern: str, html: str) -> str:
    match = re.search(pattern, html)
    if match is None:
        raise RuntimeError(f"the shop's page has no {pattern}")
    return match[1]


async def browse(shop: str, rng: Random, visitors: int, *, per_second: float, pace: float) -> Tally:
    """Send `visitors` to the shop, `per_second` of them; a `pace` of 0 has them all come at once and not think."""
    tally = Tally()
    done = 0
    people = rng.choices(AUDIENCES, [audience.share for audience in AUDIENCES], k=visitors)
    # Dice of their own make what each one does independent of who happened to be served first.
    dice = [Random(rng.getrandbits(64)) for _ in people]

    async def one(audience: Audience, own: Random) -> None:
        nonlocal done
        agent = MOBILE if own.random() < audience.mobile else DESKTOP
        async with aiohttp.ClientSession(
            connector=connector,
            connector_owner=False,
            cookie_jar=aiohttp.CookieJar(unsafe=True),  # The shop's host may be an address.
            headers={"User-Agent": agent},
            timeout=aiohttp.ClientTimeout(total=30),
        ) as http:
            await Visitor(http, shop, audience, own, tally, pace).visit()
        done += 1
        if done % max(1, visitors // 20) == 0 or done == visitors:
            print(f"browsed {done}/{visitors}", flush=True)

    async with aiohttp.TCPConnector(limit=MOST_REQUESTS_AT_ONCE) as connector, asyncio.TaskGroup() as group:
        for audience, own in zip(people, dice, strict=True):
            group.create_task(one(audience, own))
            await asyncio.sleep(pace / per_second)
    return tally


def main() -> int:
    parser = argparse.ArgumentParser(description="Visitors of the shop.")
    parser.add_argument("--shop", required=True, help="its URL")
    parser.add_argument("--visitors", type=int, default=200)
    parser.add_argument("--seed", type=int, default=7, help="the same seed is the same visitors")
    parser.add_argument("--per-second", type=float, default=30.0, help="how many come each second")
    parser.add_argument("--pace", type=float, default=1.0, help="stretches time; 0: nobody thinks or waits")
    parser.add_argument("--limit", type=float, default=120.0, help="seconds after which everybody goes home")
    args = parser.parse_args()

    async def bounded() -> Tally:
        async with asyncio.timeout(args.limit):
            return await browse(
                args.shop.rstrip("/"), Random(args.seed), args.visitors, per_second=args.per_second, pace=args.pace
            )

    try:
        tally = asyncio.run(bounded())
    except TimeoutError:
        print(f"visitors: not done after {args.limit:g} s; raise --limit or send fewer", file=sys.stderr)
        return 1
    except ExceptionGroup as errors:
        print(f"visitors: {errors.exceptions[0]}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 1
    print(msgspec.json.encode(tally).decode(), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
