"""The signed cookie: what it says to browsers, and which ones are believed."""

from __future__ import annotations

import hashlib
import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode

import pytest

from kizashi._visit import Seen
from kizashi._visit._cookie import cookies_named
from sdk.visit.visiting import NOW, SECRET, Site

DAY = 86_400
OTHER = "another secret of the tests"


def landed(**settings: object) -> Site:
    site = Site(**settings)
    site.source("utm_campaign=brand")
    return site


def signed(payload: bytes, secret: str = SECRET, version: bytes = b"1") -> str:
    """A cookie with a right signature, whatever it says."""
    said = version + b"." + urlsafe_b64encode(payload).rstrip(b"=")
    digest = hmac.new(secret.encode(), b"kizashi visit " + said, hashlib.sha256).digest()
    return (said + b"." + urlsafe_b64encode(digest).rstrip(b"=")).decode()


def test_it_is_a_first_party_cookie_that_scripts_cannot_read() -> None:
    site = landed()
    _, _, attributes = str(site.header).partition("; ")
    assert attributes == f"Max-Age={90 * DAY}; Path=/; HttpOnly; SameSite=Lax"
    site.source("utm_campaign=b", secure=True)
    assert str(site.header).endswith("; SameSite=Lax; Secure")


def test_it_says_nothing_but_the_touches() -> None:
    _, payload, _ = landed().cookies.removeprefix("kizashi=").split(".")
    assert urlsafe_b64decode(payload + "==") == b'[[%d,{"campaign":"brand","landing_page":"/"}],null]' % NOW


def test_what_the_tests_sign_is_believed() -> None:
    site = Site()
    site.cookies = "kizashi=" + signed(b'[[%d,{"campaign":"theirs"}],null]' % NOW)
    assert site.source()["campaign"] == "theirs"


@pytest.mark.parametrize(
    "value",
    [
        "",
        "1",
        "1..",
        "é.é.é",
        "x" * 5_000,
        signed(b'[[%d,{"campaign":"forged"}],null]' % NOW, OTHER),
        signed(b'[[%d,{"campaign":"forged"}],null]' % NOW)[:-1],
        signed(b'[[%d,{"campaign":"forged"}],null]' % NOW) + "A",
        signed(b'[[%d,{"campaign":"later"}],null]' % NOW, version=b"2"),
        signed(b'[[%d,{"campaign":"future"}],null]' % (NOW + 3_700)),
        signed(b'[[%d,{"campaign":"old"}],null]' % (NOW - 90 * DAY)),
        signed(b'[[%d,{"campaign":"%s"}],null]' % (NOW, b"c" * 201)),
        signed(b'[[%d,{"campaign":"a\\nb"}],null]' % NOW),
        signed(b'[[%d,{"nonsense":"a"}],null]' % NOW),
        signed(b'[[%d,{"campaign":"a"}],[-1,{}]]' % NOW),
        signed(b'[[%d,{"campaign":7}],null]' % NOW),
        signed(b"not json"),
        signed(b"[" * 2_000),
    ],
)
def test_what_is_forged_expired_oversized_or_malformed_is_ignored_and_replaced(value: str) -> None:
    site = Site()
    site.cookies = f"kizashi={value}"
    assert site.source() == {}
    assert str(site.header).startswith("kizashi=; Max-Age=0;")
    site.cookies = f"kizashi={value}"
    assert site.source("utm_campaign=true") == {
        "campaign": "true",
        "landing_page": "/",
        "touched_at": "2026-09-21T14:13:20Z",
    }
    assert site.source()["campaign"] == "true"


def test_every_single_character_is_signed() -> None:
    name, _, value = landed().cookies.partition("=")
    for place, character in enumerate(value):
        site = Site()
        site.cookies = f"{name}={value[:place]}{'B' if character == 'A' else 'A'}{value[place + 1 :]}"
        assert site.visits._visit(Seen(cookies=site.cookies))[0] is None, place


def test_a_touch_is_remembered_for_max_age_and_no_longer() -> None:
    site = landed(max_age=7)
    site.now = NOW + 7 * DAY - 1
    assert site.source()["campaign"] == "brand"
    site.now += 1
    assert site.source() == {}
    assert site.cookies == ""


def test_secrets_rotate_without_losing_anybody() -> None:
    old = landed(secret=OTHER)
    both = Site(secret=[SECRET, OTHER])
    both.cookies, both.now = old.cookies, NOW + 10 * DAY
    assert both.source()["campaign"] == "brand"
    # Signed anew, for as long as was left.
    assert f"; Max-Age={80 * DAY};" in str(both.header)
    assert both.source()["campaign"] == "brand"
    assert both.header is None
    new = Site(secret=SECRET)
    new.cookies, new.now = both.cookies, both.now
    assert new.source()["campaign"] == "brand"
    new.cookies = old.cookies
    assert new.source() == {}


def test_of_several_cookies_with_the_name_the_one_that_is_true_counts() -> None:
    site = landed()
    site.cookies = f"a=b; kizashi=forged; notkizashi=x; {site.cookies};kizashi=x"
    assert site.source()["campaign"] == "brand"


def test_cookies_are_found_by_their_whole_names() -> None:
    assert cookies_named("kizashi", "xkizashi=1; kizashi=2 ;kizashi=3=4; kizashix=5") == ["2", "3=4"]
    assert cookies_named("kizashi", "other=1") == []
