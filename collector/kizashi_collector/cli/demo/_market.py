"""The people of the demo that stays: whom each campaign brings, what they do in the shop, and what went wrong there.

Three things are there to be found. Advertisements that bring nobody who buys. A form: since FORM_DAYS, the postal code
that a phone's Japanese keyboard writes in wide digits is refused. And a tracking break: since NEWS_DAYS, nobody's
subscription to the newsletter is heard of any more.
"""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import Literal

from msgspec import Struct

__all__ = ["AUDIENCES", "FORM_DAYS", "NEWS_DAYS", "PRICES", "Audience", "Deed", "Visit", "audience", "deeds"]

FORM_DAYS, NEWS_DAYS = 3.0, 2.0

PRICES = {"sencha": 1_200, "matcha": 1_980, "gyokuro": 2_400, "teacup": 4_500, "teapot": 6_800, "gift-box": 9_800}
"""What shop.py asks for its products, in yen."""

Doing = Literal["land", "search", "newsletter", "view", "add", "checkout", "refused", "address", "declined", "pay"]


class Audience(Struct, frozen=True):
    """Whom a campaign brings, and the chance that such a visitor takes each step after the one before."""

    campaign: str
    source: str
    share: float
    mobile: float
    views: float
    adds: float
    checks_out: float
    pays: float


AUDIENCES = (
    Audience("brand", "google", 0.15, 0.45, 0.92, 0.50, 0.80, 0.90),
    Audience("春の新茶", "yahoo", 0.13, 0.60, 0.85, 0.40, 0.72, 0.85),
    Audience("gift_season", "google", 0.14, 0.55, 0.78, 0.30, 0.66, 0.80),
    Audience("retargeting", "criteo", 0.05, 0.50, 0.95, 0.45, 0.70, 0.85),
    Audience("influencer_aki", "instagram", 0.08, 0.92, 0.80, 0.16, 0.55, 0.75),
    Audience("broad_match", "google", 0.16, 0.75, 0.45, 0.10, 0.45, 0.65),
    Audience("display_audience", "gdn", 0.14, 0.85, 0.22, 0.05, 0.40, 0.60),
    Audience("", "", 0.15, 0.50, 0.75, 0.24, 0.65, 0.85),
)


class Visit(Struct, frozen=True):
    """Who comes, with what: `form_broken` and `news_lost` are how the shop is when they come."""

    audience: Audience
    mobile: bool
    form_broken: bool
    news_lost: bool


class Deed(Struct, frozen=True):
    """One thing that a visitor does, so many seconds after the one before; `sku` where it is about a product."""

    doing: Doing
    seconds: float
    sku: str = ""


def audience(dice: Random) -> Audience:
    """Whom the next visitor belongs to."""
    return dice.choices(AUDIENCES, [one.share for one in AUDIENCES])[0]


def deeds(visit: Visit, dice: Random) -> Iterator[Deed]:
    """What a visitor does, from the landing page to, perhaps, the payment."""
    habits = visit.audience
    yield Deed("land", 0.0)
    if dice.random() < 0.15:
        yield Deed("search", dice.uniform(3, 20))
    if dice.random() < 0.06 and not visit.news_lost:
        yield Deed("newsletter", dice.uniform(5, 40))
    if dice.random() >= habits.views:
        return
    sku = ""
    for sku in dice.sample(sorted(PRICES), dice.randint(1, 3)):
        yield Deed("view", dice.uniform(5, 60), sku)
    if dice.random() >= habits.adds:
        return
    for _ in range(dice.choice((1, 1, 1, 2))):
        yield Deed("add", dice.uniform(5, 90), sku)
    if dice.random() >= habits.checks_out:
        return
    # Some sleep on it.
    later = dice.lognormvariate(11.0, 1.0) if dice.random() < 0.25 else dice.uniform(5, 240)
    yield Deed("checkout", later)
    yield from _pays(visit, dice)


def _pays(visit: Visit, dice: Random) -> Iterator[Deed]:
    wide = visit.form_broken and visit.mobile
    if dice.random() < (0.85 if wide else 0.12):
        yield Deed("refused", dice.uniform(15, 90))
        if dice.random() < (0.55 if wide else 0.2):
            return
    yield Deed("address", dice.uniform(10, 90))
    if dice.random() >= visit.audience.pays:
        return
    if dice.random() < 0.07:
        yield Deed("declined", dice.uniform(15, 60))
        if dice.random() < 0.4:
            return
    yield Deed("pay", dice.uniform(10, 60))
