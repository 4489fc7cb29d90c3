"""Options, checked once."""

from __future__ import annotations

from typing import Any

import pytest

from kizashi import ConfigurationError
from kizashi._visit import read_options

GOOD: dict[str, Any] = {"secret": "a secret for the tests", "consent": lambda _request: True}


async def asynchronous(_request: object) -> bool:
    return True


class Callable:
    async def __call__(self, _request: object) -> bool:
        return True


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"secret": None}, "secret is missing"),
        ({"secret": "short"}, "secret holds what is no text, or is too short"),
        ({"secret": ["a secret for the tests", "short"]}, "secret holds"),
        ({"secret": []}, "secret is of type list, or empty"),
        ({"secret": b"a secret for the tests"}, "secret is of type bytes"),
        ({"consent": None}, "consent is missing"),
        ({"consent": True}, "consent is of type bool"),
        ({"consent": asynchronous}, "consent is asynchronous"),
        ({"actor": Callable()}, "actor is asynchronous"),
        ({"session": "s-1"}, "session is of type str"),
        ({"cookie": "a b"}, "cookie is 'a b'"),
        ({"cookie": ""}, "cookie is ''"),
        ({"max_age": 0}, "max_age is 0; give days from 1 to 400"),
        ({"max_age": 401}, "max_age is 401"),
        ({"max_age": True}, "max_age is True"),
        ({"domain": "https://shop.example"}, "domain has 'https://shop.example'"),
        ({"domain": 7}, "domain has 7"),
        ({"ignore_referrers": "pay.example"}, "ignore_referrers is of type str"),
        ({"ignore_referrers": ["pay.example/"]}, "ignore_referrers has 'pay.example/'"),
        ({"secrets": "a secret for the tests"}, "secrets is no option"),
    ],
)
def test_what_cannot_be_is_told_with_its_remedy(given: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        read_options(GOOD | given)
    assert told in str(caught.value)
    assert "a secret" not in str(caught.value)
    with pytest.raises(ConfigurationError, match=r"KIZASHI\['"):
        read_options(GOOD | given, "KIZASHI")


def test_the_repr_shows_no_secret() -> None:
    assert "a secret" not in repr(read_options(GOOD))
