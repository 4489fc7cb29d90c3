"""The short way and the long way to an event give the same event."""

from __future__ import annotations

import os
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kizashi import UsageError
from kizashi._capture import Ambient, Call, Given, Record, capture, known_names
from kizashi._capture._capture import _keep
from kizashi._encoding import Encoder
from kizashi_schemas import Event

NAMES = ["mv_view", "purchase", "sku", "qty", "campaign", "device", "ads"]
NOW_NS = 1_790_000_000_123_456_789

texts = st.text(max_size=12)
names = st.sampled_from([*NAMES, "Bad Name", "never_seen"])
keys = st.sampled_from(NAMES)
identifiers = st.none() | texts | st.integers(0, 10**6) | st.just("x" * 201)
scalars = st.one_of(
    *(texts, st.integers(-(2**64), 2**65), st.floats(), st.booleans(), st.none()),
    *(st.just(Decimal("1.50")), st.just("\ud800"), st.just(b"bytes"), st.just([1])),
)
sources = st.none() | st.dictionaries(
    keys | names, texts | st.none() | st.integers(0, 9) | st.just("x" * 501), max_size=4
)
values = st.none() | st.integers(-1, 10**10 + 1) | st.sampled_from(["12", "1.5", Decimal(2), 1.25, True])
calls = st.tuples(
    names,
    identifiers,
    values,
    st.sampled_from([None, "JPY", "USD", "XXX"]),
    identifiers,
    identifiers,
    sources,
    st.none() | st.dictionaries(keys | names, scalars, max_size=5),
    st.sampled_from([None, NOW_NS // 10**6, "2026-11-01T09:30:00+09:00", "yesterday"]),
    st.sampled_from([None, "order:1"]),
    st.sampled_from([None, {"ads": True}]),
    st.sampled_from([None, "restate", "retract"]),
)
surroundings = st.builds(Ambient, identifiers, identifiers, sources, st.sampled_from([None, {"ads": True}, {"ads": 1}]))
own_sources = st.sampled_from([{}, {"device": "tv"}])


def event_of(encoder: Encoder, record: Record) -> Any:
    """The event as plain data without its id, or the reason and field of the refusal."""
    try:
        body = encoder.encode(record)
    except UsageError as error:
        return error.reason, error.field
    msgspec.json.decode(body, type=Event)
    event = msgspec.json.decode(body)
    assert body.startswith(b'{"id":"' + event.pop("id").encode() + b'"')
    return event


@given(calls, surroundings, own_sources)
def test_a_sealed_call_becomes_the_event_that_a_kept_one_becomes(
    call: Given, around: Ambient, own: dict[str, str]
) -> None:
    known_names.update(NAMES)
    encoder = Encoder(own, os.urandom)
    record = capture(call, NOW_NS, around)
    kept = _keep(call, NOW_NS, around)
    assert isinstance(kept.call, Call)
    assert event_of(encoder, record) == event_of(encoder, kept)
    # The second time, what was noted of the surroundings is used.
    assert event_of(encoder, capture(call, NOW_NS, around)) == event_of(encoder, kept)


def test_one_context_serves_clients_with_sources_of_their_own() -> None:
    known_names.update(NAMES)
    around = Ambient("v-1", None, {"campaign": "brand"})
    call: Given = ("mv_view", *[None] * 11)  # type: ignore[assignment]  # twelve
    for source in ({}, {"device": "tv"}, {"campaign": "none"}, {}):
        event = event_of(Encoder(source, os.urandom), capture(call, NOW_NS, around))
        assert event["source"] == source | {"campaign": "brand"}


@pytest.mark.parametrize("count", [1, 500])
def test_what_cannot_be_sent_takes_no_neighbour_with_it(count: int) -> None:
    known_names.update(NAMES)
    records = [
        capture(("mv_view" if at % 3 else "Bad Name", f"v-{at}", *[None] * 10), NOW_NS + at * 100_000, Ambient())  # type: ignore[arg-type]  # twelve
        for at in range(count)
    ]
    bodies: list[bytes] = []
    refused: list[Exception] = []
    places = Encoder({}, os.urandom).encode_into(bodies, records, refused.append)
    assert places == [at for at in range(count) if at % 3]
    assert [msgspec.json.decode(body)["actor"] for body in bodies] == [f"v-{at}" for at in places]
    assert len(refused) == count - len(places)
    ids = [msgspec.json.decode(body)["id"] for body in bodies]
    assert ids == sorted(set(ids))


def test_an_event_that_is_too_large_is_refused_on_either_way() -> None:
    known_names.update(NAMES)
    call: Given = ("mv_view", None, *[None] * 5, {"sku": "x" * 32_700}, *[None] * 4)  # type: ignore[assignment]  # twelve
    record = capture(call, NOW_NS, Ambient("v" * 100))
    assert isinstance(record.call, bytes)
    assert event_of(Encoder({}, os.urandom), record) == ("too_large", "properties")
