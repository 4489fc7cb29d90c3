"""Questions and plans: everything of the HTTP surface but bodies of events."""

from __future__ import annotations

from random import Random
from typing import NamedTuple
from urllib.parse import quote

from fuzz.bodies import BYTES
from fuzz.events import ODD_SCALARS, SCALARS
from fuzz.questions import FRAGMENTS, HEADERS, METHODS, NAMES, PARAMETERS, PATHS, PLAN, TIME_VALUES, VALUES
from fuzz.writing import Node, Table, Token, json_of, msgpack_of

__all__ = ["KEYS", "Asked", "Surface"]

KEYS = {"write": b"w-secret", "read": b"r-secret", "admin": b"a-secret"}


class Asked(NamedTuple):
    """One request: method, target, headers and body as they go over the wire."""

    method: bytes
    target: bytes
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes = b""


class Surface:
    """Draws requests from one Random."""

    def __init__(self, random: Random) -> None:
        self._random = random

    def asked(self) -> Asked:
        """A request; about one in three is a plan or a funnel in a body."""
        luck = self._random.random()
        return self._plan() if luck < 0.2 else self._funnel() if luck < 0.45 else self._question()

    def _headers(self, scope: str) -> tuple[tuple[bytes, bytes], ...]:
        random = self._random
        key = KEYS[random.choice(tuple(KEYS)) if random.random() < 0.04 else scope]
        headers = [(b"Authorization", b"Bearer " + key)] if random.random() < 0.97 else []
        if random.random() < 0.15:
            headers.insert(random.randrange(2), random.choice(HEADERS))
        return tuple(headers)

    def _question(self) -> Asked:
        random = self._random
        target = random.choice(PATHS).encode()
        names = [
            random.choice(PARAMETERS) if random.random() < 0.95 else "wat\ud800"[: random.randrange(4)]
            for _ in range(4)
        ]
        given = [(name, random.choice(VALUES)) for name in names[: random.randrange(5)]]
        if given:
            target += b"?" + b"&".join(
                quote(name, errors="surrogatepass").encode() + b"=" + self._escaped(value) for name, value in given
            )
        if random.random() < 0.03:
            target += random.choice((b"&", b"?", b"#x", b"&=", b"&%ff=%fe", b"&by=%ed%a0%80", b";", b"&a" * 2_000))
        return Asked(random.choice(METHODS), target, self._headers("read"))

    def _escaped(self, value: str) -> bytes:
        if self._random.random() < 0.1:
            return value.encode(errors="surrogatepass").translate(None, b" \r\n#\x00")
        return quote(value, safe=",:" if self._random.random() < 0.5 else "", errors="surrogatepass").encode()

    # -- funnels ------------------------------------------------------------------------------------------------------

    def _funnel(self) -> Asked:
        random = self._random
        funnel = Table([("steps", [self._step() for _ in range(random.choice((1, 2, 2, 3, 3, 4)))])])
        for _ in range(random.randrange(5)):
            name, values = random.choice(tuple(self._keys().items()))
            funnel.append((name, random.choice(values)))
        if random.random() < 0.1:
            funnel.append((random.choice(("later", "Steps", "\x00")), random.choice((*SCALARS, *ODD_SCALARS))))
        kind = random.choice(("json", "json", "msgpack"))
        body = json_of(funnel) if kind == "json" else msgpack_of(funnel)
        target = b"/v1/funnels" + random.choice((b"", b"", b"", b"?money=string", b"?money=x", b"?by=campaign"))
        headers = (*self._headers("read"), (b"Content-Type", f"application/{kind}".encode()))
        return Asked(b"POST", target, headers, self._damaged(body))

    def _step(self) -> Node:
        random = self._random
        name = random.choice(NAMES[:4] if random.random() < 0.85 else NAMES)
        if random.random() < 0.7:
            return name
        return Table([("event", name), ("where", self._where())])

    def _where(self) -> Node:
        random = self._random
        key = random.choice(("properties.sku", "source.campaign", "properties.qty", "sku", "properties.", "\x00"))
        value = random.choice((*SCALARS, *ODD_SCALARS, [*SCALARS], ["brand", None, 1, 1.0, True], ["x"] * 1_001))
        return Table([(key, value)])

    def _keys(self) -> dict[str, tuple[Node, ...]]:
        steps: tuple[Node, ...] = (0, 1, 2, -1, 10**30, 63, None, 1.0, Token(b"9" * 4_299, b"\xcf" + b"\xff" * 8))
        span = Table([("from", self._random.choice(steps)), ("to", self._random.choice(steps))])
        return {
            "order": ("ordered", "strict", "unordered", "x", None),
            "conversion_window": ("14d", "1s", "3660d", "0s", "x", 7, None),
            "entry": ("latest", "first", "last"),
            "count": ("actors", "attempts", 1),
            "exclude": (
                [Table([("event", "mv_error"), *span])],
                [Table([("event", "*"), ("where", self._where())])],
                [],
                None,
            ),
            "exclusion": ("actor", "attempt", None, "x"),
            "optional": ([1], [0], [1, 1], [-1], [10**30], None, [True]),
            "trend": (True, False, None, 1),
            "histogram": (Table(), span, Table([("bins", self._random.choice((0, 1, 1000, 1001, -1, 1.5)))]), None, []),
            "by": (
                ["campaign"],
                ["campaign", "device"],
                ["properties.sku"],
                ["Bad"],
                [""],
                ["a"] * 2,
                [],
                "campaign",
                None,
            ),
            "attribution": ("first", "last", "all", "step:0", "step:1", "step:9", "step:²", "step:0001", None),
            "window": ("7d", "1h", "3660d", "", None, 7),
            **dict.fromkeys(("from", "to", "as_of"), (*TIME_VALUES, None)),
            "steps": ([], None, "mv_view", ["mv_view"] * 64, ["mv_view"] * 65, [[]]),
        }

    # -- plans --------------------------------------------------------------------------------------------------------

    def _plan(self) -> Asked:
        random = self._random
        text = PLAN
        for _ in range(random.randrange(3)):
            at = random.choice([place for place, letter in enumerate(text) if letter in "=\n"] or [0])
            cut = int(random.random() ** 3 * 25)
            text = text[:at] + random.choice(FRAGMENTS) + text[at + cut :]
        body = self._damaged(text.encode(errors="replace"))
        kind = random.choice((b"application/toml", b"application/toml", b"text/plain", b"application/octet-stream"))
        if random.random() < 0.25:
            kind = b"application/json"
            body = self._damaged(json_of(self._json_plan()))
        elif random.random() < 0.05:
            kind = random.choice((b"", b"application/msgpack", b"\xff"))
        return Asked(b"POST", b"/v1/plan", (*self._headers("admin"), (b"Content-Type", kind)), body)

    def _json_plan(self) -> Node:
        random = self._random
        odd = random.choice((*SCALARS, *ODD_SCALARS, [], Table()))
        rule = Table([("final", True), ("value", random.choice(("event", 5, 0.1, odd)))])
        plan = Table([("currency", random.choice(("JPY", "USD", odd))), ("events", Table([("purchase", rule)]))])
        if random.random() < 0.5:
            key = random.choice(
                ("rates", "timezone", "retention", "windows", "summaries", "funnels", "values", "events", "x")
            )
            plan.append((key, odd))
        return plan if random.random() < 0.95 else odd

    def _damaged(self, body: bytes) -> bytes:
        random = self._random
        if random.random() < 0.8:
            return body
        at = random.randrange(len(body) + 1)
        return random.choice((body[:at], body[:at] + random.choice(BYTES) + body[at:], body[:at] + body[at + 3 :]))
