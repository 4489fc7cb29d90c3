"""Forty days of the shop before the demo opened, as events to import."""

from __future__ import annotations

import math
from collections.abc import Iterator
from random import Random
from typing import Any

from kizashi_collector.cli.demo._market import FORM_DAYS, NEWS_DAYS, PRICES, Deed, Visit, audience, deeds

__all__ = ["DAYS", "history", "visitors_of_day"]

DAYS = 40
_DAY_MS = 86_400_000
_TOKYO_MS = 9 * 3_600_000
_NAMES = {
    "land": "mv_visit",
    "search": "mv_search",
    "newsletter": "mv_newsletter_signup",
    "view": "mv_product_view",
    "add": "mv_add_to_cart",
    "checkout": "mv_checkout_start",
    "refused": "mv_form_error",
    "address": "mv_checkout_address",
    "declined": "mv_form_error",
    "pay": "purchase",
}
_REASONS = {"refused": ("address", "postal_code"), "declined": ("payment", "declined")}
_CHAT_DAYS = 6.0


def visitors_of_day(days_ago: int, per_day: int) -> int:
    """How many came on a day: a seventh more or less, by the day of the week."""
    return round(per_day * (1 + math.sin(days_ago * 2 * math.pi / 7) / 7))


def history(now: int, per_day: int, seed: int) -> list[dict[str, Any]]:
    """All events of the DAYS that end now (ms), in the order of their times. The same seed is the same history."""
    dice = Random(seed)  # noqa: S311  # dice of a game
    events = [
        event
        for days_ago in range(DAYS)
        for _ in range(visitors_of_day(days_ago, per_day))
        for event in _visit(now - days_ago * _DAY_MS - _time_of_day(dice, now), now, dice)
    ]
    events.sort(key=lambda event: event["time"])
    return events


def _time_of_day(dice: Random, now: int) -> int:
    """How long before the same time of the next day somebody comes: fewer do in the hours before dawn in Tokyo."""
    while True:
        back = dice.randrange(_DAY_MS)
        hour = (now + _TOKYO_MS - back) % _DAY_MS / 3_600_000
        if dice.random() < 0.65 - 0.35 * math.cos((hour - 4) * 2 * math.pi / 24):
            return back


def _visit(begun: int, now: int, dice: Random) -> Iterator[dict[str, Any]]:
    who = audience(dice)
    mobile = dice.random() < who.mobile
    days_ago = (now - begun) / _DAY_MS
    visit = Visit(who, mobile, form_broken=days_ago < FORM_DAYS, news_lost=days_ago < NEWS_DAYS)
    number = f"{dice.getrandbits(64):016x}"
    source = {"device": "mobile" if mobile else "desktop"}
    if who.campaign:
        source |= {"campaign": who.campaign, "channel": f"{who.source}/cpc"}
    cart, time = 0, begun
    for at, deed in enumerate(deeds(visit, dice)):
        time += round(deed.seconds * 1000)
        if time > now:
            return  # They are still thinking about it.
        if deed.doing == "add":
            cart += PRICES[deed.sku]
        yield {
            "id": f"{time:012x}-{number[:10]}{at:02x}",
            "name": _NAMES[deed.doing],
            "time": time,
            "actor": f"v-{number}",
            "session": f"s-{number}",
            "source": source,
            **_carried(deed, cart, number),
        }
    if days_ago < _CHAT_DAYS and dice.random() < 0.02:
        yield chat_opened(time, f"v-{number}", f"{time:012x}-{number[:10]}ff")


def chat_opened(time: int, actor: str, event_id: str) -> dict[str, Any]:
    """What a widget sends that no plan knows."""
    return {"id": event_id, "name": "mv_chat_opened", "time": time, "actor": actor}


def _carried(deed: Deed, cart: int, number: str) -> dict[str, Any]:
    """What an event carries beside its name, as shop.py has it."""
    match deed.doing:
        case "view":
            return {"properties": {"sku": deed.sku}}
        case "add":
            return {"value": PRICES[deed.sku], "currency": "JPY", "properties": {"sku": deed.sku}}
        case "checkout" | "address":
            return {"value": cart, "currency": "JPY"}
        case "pay":
            return {"value": cart, "currency": "JPY", "order": f"H-{number}"}
        case "refused" | "declined":
            step, reason = _REASONS[deed.doing]
            return {"properties": {"step": step, "reason": reason}}
    return {}
