"""Bodies and questions as the bytes of HTTP, and whether what comes back is as documented."""

from __future__ import annotations

import gzip
import json
import time
import zlib
from collections import Counter
from random import Random
from typing import Any

import msgspec

from fuzz.bodies import Sent
from fuzz.judging import UntrueError, judge_batch, judge_refusal
from fuzz.pipelined import Answer
from fuzz.plain import PlainPlan, Rules
from fuzz.surface import Asked
from kizashi_schemas import BatchAnswer

__all__ = ["BodyRequest", "Judge", "QuestionRequest", "now_ms"]

REFUSALS = frozenset(
    [
        *((400, "undecodable"), (422, "bad_batch"), (422, "bad_sent_at"), (415, "bad_content_type")),
        *((415, "bad_content_encoding"), (413, "too_large"), (413, "too_many_events"), (400, "http_400")),
    ]
)
"""What a body may be answered, by docs/bad-input.md. Beside it 429 and 503, which tell when to come again."""


def now_ms() -> int:
    """The collector's clock is this machine's."""
    return time.time_ns() // 1_000_000


class BodyRequest:
    """POST /v1/events with a body."""

    bodiless = False

    def __init__(self, sent: Sent, random: Random) -> None:
        self.sent = sent
        self.sent_at = now_ms()
        head = "".join(f"{name}: {value}\r\n" for name, value in sent.headers).encode("latin-1")
        body = sent.body
        if random.random() < 0.05 and body:
            half = random.randrange(len(body)) + 1
            parts = [part for part in (body[:half], body[half:]) if part]
            chunks = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts)
            length, body = b"Transfer-Encoding: chunked\r\n", chunks + b"0\r\n\r\n"
        else:
            length = b"Content-Length: %d\r\n" % len(body)
        self.wire = (
            b"POST /v1/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer w-secret\r\n"
            + head
            + length
            + b"\r\n"
            + body
        )


class QuestionRequest:
    """Any other request."""

    def __init__(self, asked: Asked) -> None:
        self.asked = asked
        self.bodiless = asked.method == b"HEAD"
        lines = [b"%s %s HTTP/1.1" % (asked.method, asked.target), b"Host: x"]
        lines += [b"%s: %s" % pair for pair in asked.headers]
        if asked.body:
            lines.append(b"Content-Length: %d" % len(asked.body))
        self.wire = b"\r\n".join([*lines, b"", asked.body])


class Judge:
    """Checks answers, and keeps what must be in the log at the end."""

    def __init__(self, plan: PlainPlan | None = None, retention: int | None = None) -> None:
        self._plan = plan
        self._retention = retention
        self.told: Counter[str] = Counter()
        self.untrue: list[tuple[str, bytes]] = []
        self.must: dict[str, dict[str, Any]] = {}
        self.events: Counter[str] = Counter()

    async def body(self, request: BodyRequest, answer: Answer | None) -> None:
        """Check the answer to a body."""
        try:
            self._body(request, answer)
        except (UntrueError, ValueError, KeyError, msgspec.DecodeError) as error:
            self.untrue.append((f"{type(error).__name__}: {error}", request.wire[:100_000]))

    def _body(self, request: BodyRequest, answer: Answer | None) -> None:
        content = request.sent.content
        if answer is None:
            raise UntrueError("the connection ended three times, and no answer came")
        if answer.status != 200:
            code = self._refused(answer)
            if answer.status in (429, 503):
                return
            if (answer.status, code) not in REFUSALS:
                raise UntrueError(f"{answer.status} {code} is not documented for a body")
            if content is not None and code in ("undecodable", "bad_batch", "bad_sent_at"):
                judge_refusal(answer.status, code, *content)
            return
        decode = msgspec.msgpack.decode if "msgpack" in answer.headers["content-type"] else msgspec.json.decode
        told = decode(answer.body, type=BatchAnswer)
        self.told["200"] += 1
        self.events.update(accepted=told.accepted, duplicates=told.duplicates, rejected=told.rejected)
        if content is None:
            if told.accepted:
                self.told["200 to a damaged body"] += 1
            return
        instants = request.sent_at - 5, now_ms() + 5
        rules = [Rules(now, self._plan, self._retention) for now in instants]
        stored = judge_batch(told, *content, *rules)
        if len(stored) != told.accepted and told.accepted:
            self.told["200 not compared"] += 1
        self.must.update(stored)

    async def question(self, request: QuestionRequest, answer: Answer | None) -> None:
        """Check the answer to anything else: no 5xx but what is documented, errors as problems, JSON that is JSON."""
        try:
            self._question(request, answer)
        except (UntrueError, ValueError, KeyError, msgspec.DecodeError) as error:
            self.untrue.append((f"{type(error).__name__}: {error}", request.wire[:100_000]))

    def _question(self, request: QuestionRequest, answer: Answer | None) -> None:
        if answer is None:
            raise UntrueError("the connection ended three times, and no answer came")
        kind = answer.headers.get("content-type", "")
        if answer.status == 400 and kind.startswith("text/plain"):
            self.told["not HTTP"] += 1
        elif answer.status >= 400:
            if not request.bodiless:
                self._refused(answer)
        elif answer.status in (200, 304):
            self.told[str(answer.status)] += 1
            body = answer.body
            if answer.headers.get("content-encoding") == "gzip":
                body = gzip.decompress(body)
            elif answer.headers.get("content-encoding") == "deflate":
                body = zlib.decompress(body)
            if kind.startswith("application/json") and body:
                json.loads(body.decode(), parse_constant=_no_json, parse_int=str)
        else:
            raise UntrueError(f"{answer.status} is not documented")

    def _refused(self, answer: Answer) -> str:
        """The code of a problem. Raises UntrueError where it is none, or one that must not be."""
        kind = answer.headers.get("content-type", "")
        if answer.status == 400 and kind.startswith("text/plain"):
            self.told["not HTTP"] += 1
            return "http_400"
        if not kind.startswith("application/problem+json"):
            raise UntrueError(f"{answer.status} as {kind!r}: {answer.body[:200]!r}")
        problem = json.loads(answer.body.decode(), parse_constant=_no_json)
        code = str(problem["code"])
        self.told[f"{answer.status} {code}"] += 1
        if problem["status"] != answer.status or not problem["title"]:
            raise UntrueError(f"{answer.status} says of itself {problem}")
        if answer.status >= 500 and (answer.status, code) not in ((503, "busy"), (503, "too_slow"), (501, "http_501")):
            raise UntrueError(f"{answer.status} {code}: {problem.get('detail')}")
        if answer.status in (429, 503) and "retry-after" not in answer.headers:
            raise UntrueError(f"{answer.status} without Retry-After")
        return code


def _no_json(text: str) -> None:
    raise UntrueError(f"{text} in an answer is no JSON")
