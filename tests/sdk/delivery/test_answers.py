"""What an answer means for a batch, and what never gets from it into the log."""

from __future__ import annotations

import json

import pytest

from kizashi._delivery._answers import Judged, Refused, Unanswered, read_answer
from kizashi._transport import Answer

PROBLEM = b'{"title":"Bad Request","status":400,"code":"bad_body","type":"about:blank"}'
FOREIGN = [b"", b"<html>blocked</html>", b"[]", b'{"message":"no"}', b'{"code":7}', b"\xff"]


@pytest.mark.parametrize(("status", "reason"), [(400, "invalid"), (413, "too_large"), (422, "invalid")])
def test_the_collectors_refusals_count(status: int, reason: str) -> None:
    outcome = read_answer(Answer(status, PROBLEM), 1, lambda place: "a")
    assert isinstance(outcome, Refused)
    assert outcome.reason == reason


@pytest.mark.parametrize("status", [400, 413, 422])
@pytest.mark.parametrize("body", FOREIGN)
def test_nobody_elses_refusal_drops_an_event(status: int, body: bytes) -> None:
    assert isinstance(read_answer(Answer(status, body), 1, lambda place: "a"), Unanswered)


@pytest.mark.parametrize("body", FOREIGN)
def test_anybodys_413_makes_batches_smaller(body: bytes) -> None:
    assert isinstance(read_answer(Answer(413, body), 2, lambda place: "ab"[place]), Refused)


@pytest.mark.parametrize(
    ("code", "shown"),
    [("bad_value", "bad_value"), ("bad\nCRITICAL forged", None), ("", None), ("x" * 65, None), (None, None)],
)
def test_a_code_is_a_word_or_not_shown(code: str | None, shown: str | None) -> None:
    verdict = {"index": 0, "id": "a", "verdict": "rejected", "code": code}
    told = {"accepted": 0, "duplicates": 0, "rejected": 1, "verdicts": [verdict]}
    outcome = read_answer(Answer(200, json.dumps(told).encode()), 1, lambda place: "a")
    assert isinstance(outcome, Judged)
    assert outcome.code == shown
