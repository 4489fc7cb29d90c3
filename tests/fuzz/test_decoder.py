"""Whatever comes, the decoder takes what the plain rules allow and nothing else, and names what it refuses."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from random import Random

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from fuzz.bodies import Bodies
from fuzz.events import good_event
from fuzz.plain import Rules, faults
from fuzz.reading import Number, UnreadableError, read_json, read_msgpack
from fuzz.taking import NOW, PLANS, Taker
from fuzz.writing import Table, json_of, msgpack_of


@pytest.fixture(scope="module", params=list(PLANS))
def taker(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Taker]:
    taker = Taker(tmp_path_factory.mktemp("log"), request.param)
    yield taker
    taker.close()


def test_four_hundred_bodies_are_taken_or_refused_as_the_rules_say(taker: Taker) -> None:
    bodies = Bodies(Random(20_261_120), lambda: NOW)
    said = Counter(taker.take(*bodies.content()) for _ in range(400))
    # A generator whose bodies all fall at the first fence would show nothing.
    assert said["accepted"] > 40
    assert said["taken"] > 20
    assert said["undecodable"] > 30
    assert said["bad_batch"] > 10
    assert taker.accepted > 100


@settings(
    max_examples=50,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.explicit, Phase.generate, Phase.shrink],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(st.randoms(use_true_random=False), st.integers(0, 2**40))
def test_bodies_that_hypothesis_draws_are_taken_as_the_rules_say(taker: Taker, random: Random, serial: int) -> None:
    bodies = Bodies(random, lambda: NOW, prefix=f"{serial:x}.")
    taker.take(*bodies.content())


@settings(
    max_examples=100,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(st.binary(max_size=60), st.sampled_from(["json", "msgpack"]))
def test_any_bytes_are_taken_as_the_rules_say(taker: Taker, body: bytes, kind: str) -> None:
    taker.take(body, "json" if kind == "json" else "msgpack")


# -- the measure itself -----------------------------------------------------------------------------------------------


def test_the_plain_rules_allow_every_good_event_in_both_formats() -> None:
    random = Random(1)
    for serial in range(500):
        event = good_event(random, NOW, f"e{serial}")
        for read in (read_json(json_of(event)), read_msgpack(msgpack_of(event))):
            assert faults(read, {}, Rules(NOW)) == []


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"id": ""}, "id"),
        ({"id": "x" * 65}, "id"),
        ({"name": "mv_view\n"}, "name"),
        ({"time": "2026-09-21"}, "time"),
        ({"time": NOW + 600_001}, "from the future"),
        ({"actor": None}, "actor"),
        ({"actor": "x" * 201}, "actor"),
        ({"value": "1e3"}, "value"),
        ({"value": 5}, "no currency"),
        ({"value": 0.5, "currency": "JPY"}, "more decimals than the currency has"),
        ({"currency": "jpy"}, "currency"),
        ({"adjust": "retract"}, "adjust without order"),
        ({"adjust": "restate", "order": "o"}, "restate without value"),
        ({"source": {"campaign": "x" * 501}}, "source"),
        ({"properties": {"the sku": 1}}, "properties"),
        ({"consent": {"ads": 1}}, "consent"),
        ({"later": "x" * 33_000}, "larger than 32 KiB"),
    ],
)
def test_the_plain_rules_see_what_is_wrong(changes: dict[str, object], fault: str) -> None:
    event = {"id": "e", "name": "mv_view", "time": NOW, "actor": "v"} | changes
    assert fault in faults(read_json(json_of(_tables(event))), {}, Rules(NOW))


def _tables(value: object) -> Table:
    assert isinstance(value, dict)
    return Table([(key, _tables(item) if isinstance(item, dict) else item) for key, item in value.items()])


def test_the_plain_readers_refuse_what_is_not_of_their_format() -> None:
    for body in (b"", b"NaN", b'"\\ud800"', b"\xef\xbb\xbf[]", b"[1,]", b"\xff", b"[" * 100_000):
        with pytest.raises(UnreadableError):
            read_json(body)
    for body in (b"", b"\xc1", b"\x92\x01", b"\x01\x01", b"\xdb\xff\xff\xff\xffa"):
        with pytest.raises(UnreadableError):
            read_msgpack(body)
    assert read_json(b'{"a":1e3}') == {"a": Number("1e3")}
    assert read_msgpack(b"\x81\xa1a\xcd\x03\xe8") == {"a": Number("1000")}
