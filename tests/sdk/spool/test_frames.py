"""The bytes of a segment, whole and torn."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from kizashi._spool._frames import HEADER_BYTES, Frame, frames, header, read_frames, read_header

EVENTS = st.lists(st.tuples(st.integers(0, 2**63), st.binary(max_size=60)), max_size=8)


def written(events: list[tuple[int, bytes]]) -> bytes:
    return b"".join(frames(events))


def read(data: bytes) -> list[tuple[int, bytes]]:
    return [(frame.seq, frame.body) for frame in read_frames(data, HEADER_BYTES)]


@given(EVENTS)
def test_what_is_written_is_read(events: list[tuple[int, bytes]]) -> None:
    assert read(written(events)) == events


@given(EVENTS, st.integers(0, 1_000))
def test_a_segment_cut_anywhere_gives_the_whole_events_before_the_cut(events: list[tuple[int, bytes]], at: int) -> None:
    whole = [part for count in range(len(events) + 1) if len(part := written(events[:count])) <= at]
    assert read(written(events)[:at]) == events[: len(whole) - 1]


@given(EVENTS.filter(bool), st.data())
def test_a_damaged_byte_ends_the_segment_before_its_event(events: list[tuple[int, bytes]], data: st.DataObject) -> None:
    whole = bytearray(written(events))
    at = data.draw(st.integers(0, len(whole) - 1))
    whole[at] ^= data.draw(st.integers(1, 255))
    hit = next(count for count in range(len(events)) if len(written(events[: count + 1])) > at)
    assert read(bytes(whole)) == events[:hit]


def test_frames_say_where_they_stand() -> None:
    first, second = read_frames(written([(1, b"ab"), (2, b"c")]), HEADER_BYTES)
    assert first == Frame(1, b"ab", HEADER_BYTES, second.offset)
    assert second.end == HEADER_BYTES + len(written([(1, b"ab"), (2, b"c")]))


def test_a_header_says_how_far_everything_is_settled() -> None:
    assert read_header(header(4_711)) == 4_711
    assert read_header(header(0)) == HEADER_BYTES
    assert read_header(header(99)[:-1]) is None
    assert read_header(b"kizashi\x02" + bytes(8)) is None
