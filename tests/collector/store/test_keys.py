"""Keys: hashed, scoped, revocable from outside."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from kizashi_collector.store import KeyRing


@pytest.fixture
def ring(tmp_path: Path) -> Iterator[KeyRing]:
    ring = KeyRing(tmp_path, clock=lambda: 7)
    yield ring
    ring.close()


def test_a_new_folder_has_no_key(ring: KeyRing) -> None:
    assert ring.empty()
    assert ring.scope_of("") is None


def test_a_key_is_known_by_its_secret_alone(ring: KeyRing, tmp_path: Path) -> None:
    secret = ring.create("the shop", "write")
    assert ring.scope_of(secret) == "write"
    assert ring.scope_of(secret + "x") is None
    assert secret.startswith("kz_write_")
    assert secret.encode() not in (tmp_path / "keys.db").read_bytes()
    (key,) = ring.all()
    assert (key.id, key.name, key.scope, key.created_at, key.revoked_at) == (1, "the shop", "write", 7, None)


def test_what_another_process_does_counts_within_a_moment(tmp_path: Path) -> None:
    now = [0.0]
    ring, other = KeyRing(tmp_path, clock=lambda: 7, steady=lambda: now[0]), KeyRing(tmp_path, clock=lambda: 9)
    secret = other.create("", "read")
    assert ring.scope_of(secret) == "read"
    assert other.revoke(1)
    now[0] = 0.05
    assert ring.scope_of(secret) is None
    assert ring.all()[0].revoked_at == 9
    other.close()
    ring.close()


def test_a_key_is_revoked_once(ring: KeyRing) -> None:
    ring.create("", "read")
    assert [ring.revoke(1), ring.revoke(1), ring.revoke(2)] == [True, False, False]


def test_keys_given_by_the_environment_are_never_stored(tmp_path: Path) -> None:
    ring = KeyRing(tmp_path, clock=lambda: 0, given={"admin": "from the environment"})
    assert (ring.empty(), ring.scope_of("from the environment"), ring.all()) == (False, "admin", [])
    ring.close()
