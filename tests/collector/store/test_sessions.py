"""Sessions: tokens that a key vouches for, and nothing else."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Iterator
from pathlib import Path

import pytest

from kizashi_collector.store import KeyRing, Scope

UNTIL = 1_000


@pytest.fixture
def ring(tmp_path: Path) -> Iterator[KeyRing]:
    ring = KeyRing(tmp_path, clock=lambda: 7)
    yield ring
    ring.close()


def token_of(ring: KeyRing, secret: str, until: int = UNTIL) -> str:
    token = ring.session_for(secret, until)
    assert token is not None
    return token


def code_of(digest: bytes, key: str, until: int) -> str:
    code = hmac.new(digest, f"kizashi session v1.{key}.{until}".encode(), hashlib.sha256).digest()
    return base64.urlsafe_b64encode(code).decode().rstrip("=")


def test_a_token_has_the_scope_of_its_key_until_it_ends(ring: KeyRing) -> None:
    for scope in ("read", "admin"):
        token = token_of(ring, ring.create("", scope))
        assert ring.scope_of_session(token, UNTIL - 1) == scope
        assert ring.scope_of_session(token, UNTIL) is None


def test_a_token_is_an_hmac_under_the_digest_of_the_key_and_does_not_hold_the_secret(ring: KeyRing) -> None:
    secret = ring.create("", "read")
    digest = hashlib.sha256(secret.encode()).digest()
    token = token_of(ring, secret)
    key = digest[:8].hex()
    assert token == f"v1.{key}.{UNTIL}.{code_of(digest, key, UNTIL)}"


def test_an_unknown_key_and_one_that_only_writes_get_none(ring: KeyRing) -> None:
    assert ring.session_for(ring.create("", "write"), UNTIL) is None
    assert ring.session_for("nobody", UNTIL) is None
    assert ring.session_for("", UNTIL) is None


def test_who_has_a_write_key_cannot_make_a_token_of_it(ring: KeyRing) -> None:
    digest = hashlib.sha256(ring.create("", "write").encode()).digest()
    key = digest[:8].hex()
    assert ring.scope_of_session(f"v1.{key}.{UNTIL}.{code_of(digest, key, UNTIL)}", 0) is None


def test_whatever_is_changed_in_a_token_ends_it(ring: KeyRing) -> None:
    token = token_of(ring, ring.create("", "read"))
    version, key, until, code = token.split(".")
    other = token_of(ring, ring.create("", "read")).split(".")
    for forged in (
        *(
            f"{version}.{key}.{int(until) + 1}.{code}",
            f"{version}.{other[1]}.{until}.{code}",
            f"v2.{key}.{until}.{code}",
        ),
        *(f"{version}.{key}.{until}.{other[3]}", f"{version}.{key}.{until}.", f"{version}.{key}.{until}", "", "v1..."),
        *(f"{token}\n", f" {token}", token.upper(), f"{version}.{key}.0{until}.{code}", f"{token}.{code}", token[:-1]),
    ):
        assert ring.scope_of_session(forged, 0) is None, forged
    assert ring.scope_of_session(token, 0) == "read"


def test_every_collector_with_the_key_accepts_the_token_and_none_does_once_it_is_revoked(tmp_path: Path) -> None:
    given: dict[Scope, str] = {"read": "from the environment"}
    now = [0.0]
    one = KeyRing(tmp_path, clock=lambda: 7)
    other = KeyRing(tmp_path, clock=lambda: 7, given=given, steady=lambda: now[0])
    token = token_of(one, one.create("", "read"))
    assert other.scope_of_session(token, 0) == "read"
    lent = token_of(other, "from the environment")
    assert (one.scope_of_session(lent, 0), other.scope_of_session(lent, 0)) == (None, "read")
    assert one.revoke(1)
    now[0] = 0.05
    assert (one.scope_of_session(token, 0), other.scope_of_session(token, 0)) == (None, None)
    one.close()
    other.close()
