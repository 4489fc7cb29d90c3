"""Event ids."""

from __future__ import annotations

import hashlib
import os
import uuid

from hypothesis import given
from hypothesis import strategies as st

from kizashi._encoding._ids import IdMaker, derived_id

NOW_MS = 1_790_000_000_123


def test_ids_are_uuids_of_version_7_with_the_time_in_front() -> None:
    made = uuid.UUID(IdMaker(os.urandom).make(NOW_MS).decode())
    assert made.version == 7
    assert made.variant == uuid.RFC_4122
    assert made.int >> 80 == NOW_MS


@given(st.lists(st.integers(0, 2**47), min_size=1, max_size=600))
def test_ids_strictly_increase_whatever_the_clock_does(times: list[int]) -> None:
    maker = IdMaker(os.urandom)
    made = [maker.make(now) for now in times]
    assert made == sorted(set(made))
    assert {len(one) for one in made} == {36}


def test_two_makers_never_meet_at_one_instant() -> None:
    made = {IdMaker(os.urandom).make(NOW_MS) for _ in range(2_000)}
    assert len(made) == 2_000


def test_derived_ids_depend_on_name_and_key_alone() -> None:
    expected = hashlib.sha256(b"purchase\0order:A-1001").hexdigest().encode()
    assert derived_id("purchase", "order:A-1001") == expected
    assert len(expected) == 64
    assert derived_id("purchase", "order:A-1002") != expected
    assert derived_id("refund", "order:A-1001") != expected
