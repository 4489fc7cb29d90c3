"""Is an answer true? The answer to a body against what the plain rules say of it."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from fuzz.plain import Rules, envelope_fault, faults, stored_form
from fuzz.reading import Doubtful, UnreadableError, depth, read_json, read_msgpack
from kizashi_schemas import BatchAnswer

__all__ = ["CODES", "DEEP", "UntrueError", "judge_batch", "judge_refusal", "same_as_stored"]

DEEP = 200
"""Beyond so many brackets a reader may give up."""

CODES = frozenset(
    [
        *("bad_event", "bad_id", "bad_name", "bad_time", "bad_actor", "bad_value", "bad_currency", "bad_order"),
        *("bad_session", "bad_adjust", "bad_source", "bad_properties", "bad_consent", "too_large", "unplanned"),
        *("from_the_future", "too_old"),
    ]
)
"""What a rejected event may be called."""


class UntrueError(AssertionError):
    """An answer that the rules do not give."""


def judge_batch(answer: BatchAnswer, body: bytes, kind: Literal["json", "msgpack"], *when: Rules) -> dict[str, Any]:
    """Check the answer 200 to a body; return by id what must be stored now. Raises UntrueError.

    `when` gives the rules at one or more instants between which the body was read: any of them may be the one.
    """
    try:
        batch = read_json(body) if kind == "json" else read_msgpack(body)
    except UnreadableError as error:
        if depth(body) > DEEP:
            return {}
        raise UntrueError(f"answered 200 to a body that is not {kind}: {error}") from None
    fault = envelope_fault(batch)
    if fault is not None:
        raise UntrueError(f"answered 200 to a batch though {fault}")
    events = batch["events"]
    verdicts = {verdict.index: verdict for verdict in answer.verdicts}
    told = [verdict.verdict for verdict in answer.verdicts]
    if len(verdicts) != len(told) or not all(0 <= index < len(events) for index in verdicts):
        raise UntrueError("a verdict comes twice, or for an event that was not sent")
    counted = (answer.accepted, answer.duplicates, answer.rejected)
    if counted != (len(events) - len(told), told.count("duplicate"), told.count("rejected")):
        raise UntrueError(f"{len(events)} events, verdicts {told}, and the counts are {counted}")
    stored: dict[str, Any] = {}
    for index, event in enumerate(events):
        verdict = verdicts.get(index)
        broken = [faults(event, batch, rules) for rules in when]
        if verdict is None:
            if all(broken):
                raise UntrueError(f"event {index} was accepted, and {broken}")
            if event["id"] in stored:
                raise UntrueError(f"event {index} has the id of another, and both were accepted")
            stored[event["id"]] = stored_form(event, batch, next(r for r, b in zip(when, broken, strict=True) if not b))
        elif verdict.verdict == "rejected":
            _judge_rejection(verdict, event, all(not b for b in broken), len(body))
        elif verdict.verdict == "duplicate" and verdict.code not in (None, "conflict", "order"):
            raise UntrueError(f"event {index} is a duplicate of an unknown kind: {verdict.code}")
    return stored


def _judge_rejection(verdict: Any, event: Any, good: bool, size: int) -> None:
    if verdict.code not in CODES or not verdict.message:
        raise UntrueError(f"rejected as {verdict.code}, {verdict.message!r}")
    large = verdict.code == "too_large" and size > 32_768
    # Only the log knows the currency of what is restated.
    restated = verdict.code == "bad_currency" and isinstance(event, dict) and event.get("adjust") == "restate"
    doubtful = isinstance(event, dict) and any(isinstance(part, Doubtful) for part in (event, *event.values()))
    if good and not large and not restated and not doubtful:
        raise UntrueError(f"event {verdict.index} is good, and was rejected: {verdict.code}, {verdict.message}")


def judge_refusal(status: int, code: str, body: bytes, kind: Literal["json", "msgpack"]) -> None:
    """Check that a body deserved 400 or 422. Raises UntrueError."""
    if depth(body) > DEEP:
        return
    try:
        batch = read_json(body) if kind == "json" else read_msgpack(body)
    except UnreadableError:
        if status == 422:
            raise UntrueError(f"answered 422 {code} to a body that is no {kind}") from None
        return
    fault = envelope_fault(batch)
    if status == 400 and kind == "json":
        raise UntrueError(f"answered 400 {code} to a body that can be read")
    if status == 400 and not _has_odd_text(body):
        raise UntrueError(f"answered 400 {code} to a body that can be read")
    if status == 422 and fault is None and not isinstance(batch, Doubtful):
        raise UntrueError(f"answered 422 {code} to a batch of the right shape")


def _has_odd_text(body: bytes) -> bool:
    """Whether something in MessagePack may be no text though it should be."""
    return any(byte >= 0xC0 for byte in body)


def same_as_stored(stored: Any, expected: dict[str, Any], *, times: bool = True) -> bool:
    """Whether a stored event is what was sent. Without `times` they may differ by when exactly the batch was read."""
    names = [name for name in expected if times or name not in ("time", "shift")]
    return all(_same(getattr(stored, name), expected[name]) for name in names)


def _same(one: Any, other: Any) -> bool:
    # 1, 1.0 and True are not the same, nor are 0.0 and -0.0.
    return msgspec.json.encode(one, order="sorted") == msgspec.json.encode(other, order="sorted")
