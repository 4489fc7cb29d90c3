"""Events become columns and come back as they were."""

from __future__ import annotations

import sqlite3
import uuid
from collections.abc import Iterator

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kizashi_collector.analysis import LoggedEvent
from kizashi_collector.store import EventColumns
from kizashi_collector.store._chunks._body import Numbers, pack_numbers, packed_bytes
from kizashi_collector.store._chunks._chunk import Chunk
from kizashi_collector.store._chunks._columns import pack_amounts, pack_integers, unpack_integers
from kizashi_collector.store._chunks._encode import encode_chunk, summary_of
from kizashi_collector.store._chunks._texts import DIMENSIONS, Texts

TABLE = "CREATE TABLE texts (kind INT, number INT, text TEXT, PRIMARY KEY (kind, number)) WITHOUT ROWID, STRICT"
texts = st.text(max_size=8)
uuids = st.uuids().map(str)
odd_ids = st.sampled_from(["x", "A" * 36, "-" * 36, "0" * 8 + "-" + "0" * 27, str(uuid.UUID(int=1)).upper()])
scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts
)
sources = st.dictionaries(st.sampled_from([*DIMENSIONS, "gclid", "other"]), texts, max_size=5)
events = st.builds(
    LoggedEvent,
    id=uuids | odd_ids | texts,
    name=st.sampled_from(["mv_view", "purchase"]),
    time=st.integers(0, 2**45),
    received_at=st.integers(0, 2**45),
    actor=st.none() | texts,
    value=st.none() | st.integers(0, 10**16),
    currency=st.sampled_from([None, "JPY", "USD"]),
    order=st.none() | texts,
    session=st.none() | texts,
    adjust=st.sampled_from([None, "restate", "retract"]),
    source=sources,
    properties=st.dictionaries(st.sampled_from("abc"), scalars, max_size=3),
    consent=st.dictionaries(st.sampled_from("ab"), st.booleans(), max_size=2),
    shift=st.integers(-(2**40), 2**40),
    imported=st.booleans(),
    currency_defaulted=st.booleans(),
)


@pytest.fixture(scope="module")
def connection() -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(":memory:")
    connection.execute(TABLE)
    yield connection
    connection.close()


@given(batch=st.lists(events, min_size=1, max_size=12), places=st.sets(st.integers(0, 11)))
def test_events_come_back_as_they_were(
    connection: sqlite3.Connection, batch: list[LoggedEvent], places: set[int]
) -> None:
    known = Texts(connection)
    chunk = Chunk(*encode_chunk(EventColumns.of(batch), known)[1:], len(batch), known)
    assert list(chunk.events()) == batch
    assert chunk.ids() == [event.id for event in batch]
    chosen = sorted(place for place in places if place < len(batch))
    assert list(chunk.events(chosen)) == [batch[place] for place in chosen]
    assert chunk.times.tolist() == [event.time for event in batch]
    assert chunk.adjusts.tolist() == [event.adjust is not None for event in batch]
    assert chunk.imported.tolist() == [event.imported for event in batch]
    summary = summary_of(EventColumns.of(batch))
    assert (summary.first_time, summary.last_time) == (chunk.times.min(), chunk.times.max())


@given(ids=st.lists(uuids | odd_ids, min_size=1, max_size=6))
def test_ids_that_only_look_alike_stay_apart(connection: sqlite3.Connection, ids: list[str]) -> None:
    known = Texts(connection)
    joined = "".join(ids)
    # The same characters, divided elsewhere.
    moved = [joined[:35], joined[35:]] if len(joined) > 36 else ids
    for given_ids in (ids, moved):
        batch = [LoggedEvent(id=one, name="mv_view", time=0, received_at=0) for one in given_ids]
        assert Chunk(*encode_chunk(EventColumns.of(batch), known)[1:], len(batch), known).ids() == given_ids


@given(st.lists(st.integers(-(2**63), 2**63 - 1), max_size=20))
def test_integers_come_back_in_whatever_width(numbers: list[int]) -> None:
    assert unpack_integers(pack_integers(numbers), len(numbers)).tolist() == numbers


@pytest.mark.parametrize(("span", "size"), [(0, 0), (255, 1), (65_535, 2), (2**32 - 1, 4), (2**32, 8)])
def test_integers_take_as_few_bytes_as_they_need(span: int, size: int) -> None:
    assert len(pack_integers([10**12, 10**12 + span]).data) == 2 * size


@given(
    batch=st.lists(events, min_size=1, max_size=6), scale=st.sampled_from([1, 10_000, 1_000_000]), erased=st.booleans()
)
@settings(max_examples=25)
def test_events_of_a_large_chunk_come_back_as_they_were(
    connection: sqlite3.Connection, batch: list[LoggedEvent], scale: int, erased: bool
) -> None:
    known = Texts(connection)
    many = [
        msgspec.structs.replace(
            event,
            id=str(uuid.UUID(int=at)),
            received_at=event.time + at % 300,
            value=None if event.value is None else event.value // scale * scale,
        )
        for at, event in enumerate(batch * (300 // len(batch)))
    ]
    packed = encode_chunk(EventColumns.of(many), known)[1:]
    if erased:
        packed = Chunk(*packed, len(many), known).without([1, 7], 1)
        many = [event for at, event in enumerate(many) if at not in (1, 7)]
    chunk = Chunk(*packed, 300 // len(batch) * len(batch), known)
    assert list(chunk.events()) == many
    columns = chunk.columns
    kept = ~chunk.erased
    assert columns.received[kept].tolist() == [event.received_at for event in many]
    assert columns.values[kept].tolist() == [-1 if event.value is None else event.value for event in many]


def test_lags_take_less_room_than_times_of_receipt_where_they_are_short() -> None:
    def packed(lag: int) -> Numbers:
        times = np.arange(0, 3_000_000, 10_000)
        zeros = np.zeros(len(times), np.int64)
        return pack_numbers(
            {
                **dict.fromkeys(("names", "values", "currencies", "flags", "sources", "actors"), zeros),
                "times": times,
                "received": times + lag * (np.arange(len(times)) % 2),
            }
        )

    short, long = packed(200), packed(2**40)
    assert short.lags is not None
    assert (len(short.lags.data), short.received.data) == (300, b"")
    assert long.lags is None


@given(
    st.lists(st.none() | st.integers(0, 2**63 // 10**6 - 1), min_size=1, max_size=20),
    st.sampled_from([1, 10_000, 1_000_000]),
)
def test_amounts_come_back_in_whatever_unit(units: list[int | None], scale: int) -> None:
    amounts = [-1 if unit is None else unit * scale for unit in units]
    assert unpack_integers(pack_amounts(np.array(amounts, np.int64)), len(amounts)).tolist() == amounts


def test_whole_units_take_less_room_than_micros() -> None:
    amounts = np.array([-1, 0, 30_000_000_000, 150_000_000], np.int64)
    assert len(pack_amounts(amounts).data) == 2 * len(amounts)
    assert len(pack_integers(amounts).data) == 8 * len(amounts)


def test_numbers_that_were_stored_without_lags_and_scales_are_still_read(connection: sqlite3.Connection) -> None:
    before = msgspec.defstruct("Before", Numbers.__struct_fields__[:-1], array_like=True)
    plain = [(0, 0, b""), (1_000, 1, bytes([0, 5])), (1_100, 1, bytes([0, 9])), (70, 0, b""), *[(0, 0, b"")] * 4]
    chunk = Chunk(packed_bytes(before(*plain)), b"", 2, Texts(connection))
    assert (chunk.times.tolist(), chunk.received.tolist()) == ([1_000, 1_005], [1_100, 1_109])
    assert chunk.columns.values.tolist() == [70, 70]


def test_texts_are_numbered_for_good(tmp_path: object) -> None:
    connection = sqlite3.connect(":memory:")
    connection.execute(TABLE)
    known = Texts(connection)
    source = {"campaign": "brand", "gclid": "EAIa"}
    (number, other), (rest, none) = known.sources([source, {}])
    assert (other, none) == (0, None)
    assert known.source_of(number, rest) == source
    name = known.name("mv_view")
    assert known.save(connection) == 2
    # The transaction failed: what was new is saved with the next one.
    connection.rollback()
    assert known.save(connection) == 2
    connection.commit()
    known.saved(2)
    again = Texts(connection)
    assert again.name("mv_view") == name
    assert again.sources([{"campaign": "brand"}]) == ([number], [None])
    # A click id alone is a source, one and the same whatever it is; nothing at all is none.
    alone = [{"gclid": "other"}, {"gclid": "another"}, {}]
    (number, same, nothing), rests = again.sources(alone)
    assert number == same != nothing == 0
    assert rests == [{"gclid": "other"}, {"gclid": "another"}, None]
    assert [again.source_of(one, rest) for one, rest in zip((number, same, nothing), rests, strict=True)] == alone
    again.save(connection)
    assert Texts(connection).sources(alone) == ([number, number, 0], rests)
    connection.close()
