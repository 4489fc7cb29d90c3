"""Reading answers, whole and broken, against the standard library's reading of the same bytes."""

from __future__ import annotations

import http.client
import io
from contextlib import suppress
from itertools import pairwise
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kizashi._http._response import MAX_BODY_BYTES, Response, ResponseError

HEADERS = st.dictionaries(
    st.from_regex(r"\A[A-Za-z][A-Za-z-]{0,10}\Z").filter(
        lambda name: name.lower() not in ("content-length", "transfer-encoding", "connection", "trailer")
    ),
    st.from_regex(r"\A[!-~]([ -~]{0,20}[!-~])?\Z"),
    max_size=4,
)


def read(pieces: list[bytes], *, ends: bool = True) -> Response:
    response = Response()
    for piece in pieces:
        if piece and not response.complete:
            response.feed(piece)
    if ends and not response.complete:
        response.end()
    return response


def pieces_of(wire: bytes, cuts: list[int]) -> list[bytes]:
    places = sorted({0, len(wire), *(cut % (len(wire) + 1) for cut in cuts)})
    return [wire[start:end] for start, end in pairwise(places)]


def as_the_standard_library_reads(wire: bytes) -> tuple[int, bytes, bool]:
    class Wire:
        def makefile(self, _mode: str) -> io.BytesIO:
            return io.BytesIO(wire)

    response = http.client.HTTPResponse(cast(Any, Wire()), method="POST")
    response.begin()
    closes = response.will_close
    return response.status, response.read(), closes


@st.composite
def answers(draw: st.DrawFn) -> bytes:
    status = draw(st.sampled_from([200, 202, 204, 304, 400, 413, 503]))
    body = b"" if status in (204, 304) else draw(st.binary(max_size=60))
    head = [f"HTTP/1.{draw(st.sampled_from('01'))} {status} {draw(st.sampled_from(['OK', 'What Ever', '']))}"]
    head += [f"{name}: {value}" for name, value in draw(HEADERS).items()]
    head += draw(st.sampled_from([[], ["Connection: close"], ["connection: Keep-Alive"]]))
    framing = draw(st.sampled_from(["length", "chunked", "end"])) if status not in (204, 304) else "none"
    if framing == "length":
        head.append(f"Content-Length:{len(body)}")
    elif framing == "chunked":
        head.append("Transfer-Encoding: chunked")
        cuts = draw(st.lists(st.integers(0, 60), max_size=3))
        body = b"".join(b"%x;note=1\r\n%b\r\n" % (len(part), part) for part in pieces_of(body, cuts) if part)
        body += b"0\r\n" + draw(st.sampled_from([b"", b"Trailer: x\r\n"])) + b"\r\n"
    return "".join(f"{line}\r\n" for line in head).encode() + b"\r\n" + body


@given(answers(), st.lists(st.integers(0, 400), max_size=6))
def test_an_answer_is_the_same_in_whatever_pieces_it_comes(wire: bytes, cuts: list[int]) -> None:
    response = read(pieces_of(wire, cuts))
    status, body, closes = as_the_standard_library_reads(wire)
    assert (response.status, response.body) == (status, body)
    assert response.last or not closes


@given(answers(), st.integers(0, 400))
def test_a_cut_answer_is_never_taken_for_a_whole_one(wire: bytes, at: int) -> None:
    whole = read([wire])
    cut = wire[: at % len(wire)]
    try:
        response = read([cut])
    except ResponseError:
        return
    # Only where the server's hanging up is what ends the body, or nothing was missing that counts.
    assert whole.last or response.body == whole.body
    assert whole.body.startswith(response.body)


@given(st.binary(max_size=200))
def test_what_is_no_http_is_an_error_and_nothing_else(wire: bytes) -> None:
    with pytest.raises(ResponseError):
        read([wire])


@given(answers(), st.binary(min_size=1, max_size=8), st.integers(0, 400))
def test_any_damage_gives_an_answer_or_an_error(wire: bytes, noise: bytes, at: int) -> None:
    at %= len(wire)
    with suppress(ResponseError):
        assert read([wire[:at] + noise + wire[at:]]).complete


def test_interim_answers_are_passed_over() -> None:
    interim = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"
    wire = interim + b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
    for cut in range(len(wire)):
        response = read([wire[:cut], wire[cut:]], ends=False)
        assert (response.status, response.body, response.last) == (200, b"{}", False)


def test_what_nobody_asked_for_ends_the_connection() -> None:
    assert read([b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}HTTP/1.1 200 OK"]).last


@pytest.mark.parametrize(
    ("wire", "words"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n{}", "cut short"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}", "two lengths"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: +2\r\n\r\n{}", "no number"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (MAX_BODY_BYTES + 1), "too long"),
        (b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * (MAX_BODY_BYTES + 1), "too long"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n" % (MAX_BODY_BYTES + 1), "too long"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "not HTTP"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}0\r\n\r\n", "not HTTP"),
        (b"HTTP/1.1 200 OK\r\nX-Long: " + b"x" * 70_000, "too long"),
        (b"HTTP/1.1 200 OK\r\nno colon here\r\n\r\n", "not HTTP"),
        (b"HTTP/1.1 200 OK\r\n folded: x\r\n\r\n", "not HTTP"),
        (b"SSH-2.0-OpenSSH_9.2\r\n\r\n", "not HTTP"),
    ],
    ids=lambda value: value[-30:] if isinstance(value, bytes) else value,
)
def test_broken_answers_say_what_is_wrong(wire: bytes, words: str) -> None:
    with pytest.raises(ResponseError, match=words):
        read([wire])
