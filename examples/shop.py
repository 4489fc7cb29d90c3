"""A small shop whose backend tells kizashi what its visitors do.

    KIZASHI_ENDPOINT=http://127.0.0.1:8700 KIZASHI_KEY=… python examples/shop.py --port 8080

A visitor is a random first-party cookie. What an advertisement said in the landing URL is remembered in another one,
and a middleware lends both to every `kizashi.track` of the request. Names, addresses and cards are never tracked.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import re
import secrets
import socket
import sys
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from html import escape
from urllib.parse import parse_qsl, urlencode

import msgspec
from aiohttp import web

import kizashi

PRODUCTS = {
    "sencha": ("Sencha, 100 g", 1_200),
    "matcha": ("Matcha, 40 g", 1_980),
    "gyokuro": ("Gyokuro, 50 g", 2_400),
    "teacup": ("Teacup, Hagi ware", 4_500),
    "teapot": ("Teapot, Tokoname ware", 6_800),
    "gift-box": ("Gift box, three teas", 9_800),
}
POSTAL_CODE = re.compile(r"[0-9]{3}-?[0-9]{4}")
SESSION_SECONDS = 30 * 60
REMEMBER_SECONDS = 90 * 24 * 3600

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass
class Cart:
    """What a visitor is about to buy. The order number exists before the payment, so that paying twice is one order."""

    items: Counter[str] = field(default_factory=Counter)
    # Random, not counted up: kizashi counts one (name, order) once, also after this process was started anew.
    order: str = field(default_factory=lambda: f"A-{secrets.token_hex(6)}")
    address_known: bool = False

    @property
    def total(self) -> int:
        """Yen."""
        return sum(PRODUCTS[sku][1] * quantity for sku, quantity in self.items.items())


@dataclass
class Shop:
    """All that the shop remembers; in memory, since this is an example."""

    carts: dict[str, Cart] = field(default_factory=dict)
    paid: dict[str, int] = field(default_factory=dict)

    def cart(self, visitor: str) -> Cart:
        return self.carts.setdefault(visitor, Cart())


SHOP = web.AppKey("shop", Shop)


# -- who is there ---------------------------------------------------------------------------------------------------


def advertisement(request: web.Request) -> dict[str, str]:
    """The source that the landing URL names; empty where nobody advertised."""
    query = request.query
    channel = "/".join(query[key] for key in ("utm_source", "utm_medium") if query.get(key))
    source = {"campaign": query.get("utm_campaign", ""), "channel": channel, "gclid": query.get("gclid", "")}
    return {name: value for name, value in source.items() if value}


@web.middleware
async def recognise(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Know the visitor, the session and the source, and lend them to all that is tracked in this request."""
    if request.match_info.http_exception is not None:
        return await handler(request)  # No page of ours: a probe or a missing icon is nobody's visit.
    visitor = request.cookies.get("visitor") or f"v-{secrets.token_hex(8)}"
    session = request.cookies.get("session")
    source = dict(parse_qsl(request.cookies.get("source", "")))
    landed = advertisement(request)
    arrives = session is None or (landed and landed != source)
    if arrives:
        session = f"s-{secrets.token_hex(8)}"
        source = landed or source
    request["visitor"] = visitor
    device = "mobile" if "Mobile" in request.headers.get("User-Agent", "") else "desktop"

    def remember(response: web.StreamResponse) -> None:
        for name, value, seconds in (
            ("visitor", visitor, REMEMBER_SECONDS),
            ("session", session, SESSION_SECONDS),
            ("source", urlencode(source), REMEMBER_SECONDS),
        ):
            response.set_cookie(name, value or "", max_age=seconds, httponly=True, samesite="Lax")

    with kizashi.context(actor=visitor, session=session, source={**source, "device": device}):
        if arrives:
            kizashi.track("mv_visit", properties={"path": request.path})
        try:
            response = await handler(request)
        except web.HTTPException as answer:  # Redirects are raised, and keep their visitor, too.
            remember(answer)
            raise
    remember(response)
    return response


# -- pages ----------------------------------------------------------------------------------------------------------


def page(title: str, body: str, status: int = 200) -> web.Response:
    html = (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{escape(title)}</title>'
        f'<nav><a href="/">Teas</a> <a href="/cart">Cart</a></nav><h1>{escape(title)}</h1>{body}</html>'
    )
    return web.Response(text=html, content_type="text/html", status=status)


def form(action: str, fields: dict[str, str], button: str, problem: str = "") -> str:
    warning = f'<p role="alert">{escape(problem)}</p>' if problem else ""
    inputs = "".join(f'<label>{label} <input name="{name}"></label>' for name, label in fields.items())
    return f'{warning}<form method="post" action="{action}">{inputs}<button>{button}</button></form>'


async def catalogue(request: web.Request) -> web.Response:
    words = request.query.get("q", "").lower()
    found = {sku: product for sku, product in PRODUCTS.items() if words in product[0].lower()}
    if words:
        kizashi.track("mv_search", properties={"results": len(found)})
    items = "".join(f'<li><a href="/products/{sku}">{name}</a> ¥{price:,}' for sku, (name, price) in found.items())
    return page("Teas", f"<ul>{items}</ul>" + form("/newsletter", {"email": "E-mail"}, "Send me news"))


async def newsletter(_: web.Request) -> web.Response:
    kizashi.track("mv_newsletter_signup")
    return page("Thank you", "<p>News will come by e-mail.</p>")


async def product(request: web.Request) -> web.Response:
    sku = request.match_info["sku"]
    if sku not in PRODUCTS:
        raise web.HTTPNotFound
    name, price = PRODUCTS[sku]
    kizashi.track("mv_product_view", properties={"sku": sku})
    return page(name, f"<p>¥{price:,}</p>" + form(f"/cart/{sku}", {}, "Add to cart"))


async def add_to_cart(request: web.Request) -> web.Response:
    sku = request.match_info["sku"]
    if sku not in PRODUCTS:
        raise web.HTTPNotFound
    request.app[SHOP].cart(request["visitor"]).items[sku] += 1
    kizashi.track("mv_add_to_cart", value=PRODUCTS[sku][1], currency="JPY", properties={"sku": sku})
    raise web.HTTPSeeOther("/cart")


async def cart(request: web.Request) -> web.Response:
    mine = request.app[SHOP].cart(request["visitor"])
    items = "".join(f"<li>{PRODUCTS[sku][0]} × {quantity}" for sku, quantity in mine.items.items())
    return page("Cart", f'<ul>{items}</ul><p>¥{mine.total:,}</p><a href="/checkout">Check out</a>')


# -- the form, in two steps -------------------------------------------------------------------------------------------

ADDRESS = {"name": "Name", "postal_code": "Postal code", "address": "Address"}
PAYMENT = {"card": "Card number"}


async def checkout(request: web.Request) -> web.Response:
    mine = request.app[SHOP].cart(request["visitor"])
    if not mine.items:
        raise web.HTTPSeeOther("/cart")
    kizashi.track("mv_checkout_start", value=mine.total, currency="JPY")
    return page("Where to?", form("/checkout/address", ADDRESS, "Next"))


async def take_address(request: web.Request) -> web.Response:
    mine = request.app[SHOP].cart(request["visitor"])
    if not mine.items:
        raise web.HTTPSeeOther("/cart")
    given = await request.post()
    if not POSTAL_CODE.fullmatch(str(given.get("postal_code", ""))):
        # Which rule refused it, never what was typed.
        kizashi.track("mv_form_error", properties={"step": "address", "reason": "postal_code"})
        problem = "A postal code has seven digits, such as 100-0001."
        return page("Where to?", form("/checkout/address", ADDRESS, "Next", problem), status=422)
    mine.address_known = True
    kizashi.track("mv_checkout_address", value=mine.total, currency="JPY")
    raise web.HTTPSeeOther("/checkout/payment")


async def payment(request: web.Request) -> web.Response:
    mine = request.app[SHOP].cart(request["visitor"])
    if not mine.address_known:
        raise web.HTTPSeeOther("/checkout")
    return page("Payment", form(f"/checkout/payment/{mine.order}", PAYMENT, f"Pay ¥{mine.total:,}"))


async def take_payment(request: web.Request) -> web.Response:
    shop, order = request.app[SHOP], request.match_info["order"]
    mine = shop.cart(request["visitor"])
    if order in shop.paid:  # A second click on the button.
        raise web.HTTPSeeOther(f"/thanks/{order}")
    if order != mine.order or not mine.address_known:
        raise web.HTTPSeeOther("/checkout")
    given = await request.post()
    if str(given.get("card", "")).endswith("0002"):  # What test cards of payment providers do.
        kizashi.track("mv_form_error", properties={"step": "payment", "reason": "declined"})
        problem = "The card was declined."
        return page("Payment", form(f"/checkout/payment/{order}", PAYMENT, "Pay", problem), status=402)
    shop.paid[order] = mine.total
    del shop.carts[request["visitor"]]
    # The key makes the event the same one whoever sends it again: this process, a retried job, a replay of the log.
    kizashi.track(
        "purchase",
        value=mine.total,
        currency="JPY",
        order=order,
        idempotency_key=f"order:{order}",
        properties={"items": mine.items.total()},
    )
    raise web.HTTPSeeOther(f"/thanks/{order}")


async def thanks(request: web.Request) -> web.Response:
    order = request.match_info["order"]
    total = request.app[SHOP].paid.get(order)
    if total is None:
        raise web.HTTPNotFound
    # Nothing is tracked here: this page is loaded again and again.
    return page("Thank you", f'<p>Order {order}, <data value="{total}">¥{total:,}</data></p>')


# -- the application --------------------------------------------------------------------------------------------------


async def deliver(_: web.Application) -> None:
    """Hand over what is still in memory before the process ends, and say what became of every event."""
    await kizashi.aflush(timeout=5.0)
    print("kizashi", msgspec.json.encode(kizashi.stats()).decode(), flush=True)
    kizashi.close(timeout=0.0)


def make_app() -> web.Application:
    app = web.Application(middlewares=[recognise])
    app[SHOP] = Shop()
    app.add_routes(
        [
            web.get("/", catalogue),
            web.post("/newsletter", newsletter),
            web.get("/products/{sku}", product),
            web.get("/cart", cart),
            web.post("/cart/{sku}", add_to_cart),
            web.get("/checkout", checkout),
            web.post("/checkout/address", take_address),
            web.get("/checkout/payment", payment),
            web.post("/checkout/payment/{order}", take_payment),
            web.get("/thanks/{order}", thanks),
        ]
    )
    app.on_cleanup.append(deliver)
    return app


def main() -> int:
    parser = argparse.ArgumentParser(description="A tea shop that tracks with kizashi.")
    parser.add_argument("--host", default=os.environ.get("SHOP_HOST", "127.0.0.1"))
    parser.add_argument("--port", type=int, default=int(os.environ.get("SHOP_PORT", "8080")), help="0 picks a free one")
    args = parser.parse_args()
    try:
        kizashi.configure()  # from KIZASHI_ENDPOINT and KIZASHI_KEY
    except kizashi.ConfigurationError as error:
        print(f"shop: {error}", file=sys.stderr)
        return 2
    with contextlib.closing(socket.create_server((args.host, args.port), backlog=1024)) as listener:
        print(f"listening on http://{args.host}:{listener.getsockname()[1]}", flush=True)
        web.run_app(make_app(), sock=listener, print=None, access_log=None, shutdown_timeout=5.0)
    return 0


if __name__ == "__main__":
    sys.exit(main())
