"""What an answer of the collector means for the batch that was sent."""

from __future__ import annotations

import re
from collections.abc import Callable
from http import HTTPStatus

import msgspec
from msgspec import Struct

from kizashi._transport import Answer
from kizashi_schemas import BatchAnswer

__all__ = ["Judged", "Refused", "Unanswered", "read_answer"]


class Judged(Struct, frozen=True):
    """The collector gave a verdict on every event. `retry` holds the places of those to send again."""

    rejected: int
    retry: tuple[int, ...]
    code: str | None
    """The code of the first rejection, for the log: a word, whatever the answer said."""


class Refused(Struct, frozen=True):
    """The batch was refused for what it is: 400, 413 or 422. `reason` is that of a lone event's drop."""

    reason: str
    words: str


class Unanswered(Struct, frozen=True):
    """Nothing is settled: all of it must be sent again."""

    words: str


class _Problem(Struct, frozen=True):
    """As much of the collector's problem+json as tells it from a proxy's page."""

    code: str


_REFUSALS = {400: "invalid", 413: "too_large", 422: "invalid"}
_decode = msgspec.json.Decoder(BatchAnswer).decode
_decode_problem = msgspec.json.Decoder(_Problem).decode
_CODE = re.compile(r"[a-z_]{1,64}")


def read_answer(answer: Answer, count: int, id_at: Callable[[int], str]) -> Judged | Refused | Unanswered:
    """Read the answer to a batch of `count` events; `id_at(place)` is the id of each.

    Only a 2xx whose body accounts for every event settles anything: a login page, a redirect or a cut answer does not.
    A key or address that is refused (401, 403, 404) counts as an outage, since either may be mended while we wait.
    So does a 400 or 422 that is not the collector's: a proxy's or firewall's opinion costs no event. Its 413 makes
    batches smaller, but does not drop an event that is refused alone.
    """
    words = f"{answer.status} {_phrase(answer.status)}".rstrip()
    if reason := _REFUSALS.get(answer.status):
        foreign = not _is_problem(answer.body)
        if foreign and (answer.status != HTTPStatus.REQUEST_ENTITY_TOO_LARGE or count == 1):
            return Unanswered(f"{words}, but not a collector's answer")
        return Refused(reason, words)
    if not 200 <= answer.status < 300:
        return Unanswered(words)
    try:
        verdicts = _decode(answer.body)
    except msgspec.DecodeError:
        return Unanswered(f"{words}, but not a collector's answer")
    return _judge(verdicts, count, id_at) or Unanswered(f"{words}, but verdicts that do not fit the batch")


def _judge(answer: BatchAnswer, count: int, id_at: Callable[[int], str]) -> Judged | None:
    places: set[int] = set()
    retry: list[int] = []
    counts = {"duplicate": 0, "rejected": 0, "retry": 0}
    code = None
    for verdict in answer.verdicts:
        if verdict.index >= count or verdict.index in places or verdict.id not in (None, id_at(verdict.index)):
            return None
        places.add(verdict.index)
        counts[verdict.verdict] += 1
        if verdict.verdict == "retry":
            retry.append(verdict.index)
        elif verdict.verdict == "rejected":
            code = code or _word(verdict.code)
    told = (answer.duplicates, answer.rejected)
    if told != (counts["duplicate"], counts["rejected"]) or answer.accepted != count - len(places):
        return None
    return Judged(counts["rejected"], tuple(sorted(retry)), code)


def _is_problem(body: bytes) -> bool:
    try:
        _decode_problem(body)
    except msgspec.DecodeError:
        return False
    return True


def _word(code: str | None) -> str | None:
    return code if code is not None and _CODE.fullmatch(code) else None


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return ""
