"""Single events for the batches of `fuzz.bodies`: good ones, and good ones with something odd in them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from random import Random

from fuzz.writing import Node, Table, Token

__all__ = ["good_event", "odd_event"]

DAY = 86_400_000
NAMES = ("mv_view", "mv_add_to_cart", "purchase", "sign_up", "a", "z" * 64, "mv_view")
ACTORS = ("v-1", "v-8f2", "x" * 200, "商品", "😀\u0000", " ", "v-2")
CURRENCIES = ("JPY", "USD", "EUR", "KWD", "CLF")
VALUES: tuple[Node, ...] = (
    *(0, 1, 1200, 10**10, "12.50", "0", "00012", "1200", 12.5, 0.25, 1e3, None),
    *(Token(b"12.00", b"\xcb\x40\x28" + bytes(6)), Token(b"1E3", b"\xcd\x03\xe8"), Token(b"-0", b"\xd0\x00")),
)
ODD_VALUES: tuple[Node, ...] = (
    Token(b'"\\ud800"', b"\xa1\xff"),
    *(-1, 10**10 + 1, 0.1234567, "0.1234567", "1e3", "-1", "+1", " 1", "1_0", "１２", "NaN", "", ".5", "5.", True, [1]),
    *(Table([("amount", 5)]), 2**63, 2**64 - 1, -(2**63), 10**25, 5e-324, 1.7e308, b"12", "9" * 65, "1." + "0" * 63),
    *(Token(b"1e999999999", b"\xcb\x7f\xf0" + bytes(6)), Token(b"1e-999999999", b"\xcb\x7f\xf8" + bytes(6))),
    *(Token(b"NaN", b"\xca\x7f\xc0\x00\x00"), Token(b"1.00000000000000000000001", b"\xca\x3f\x80\x00\x01")),
    *(Token(b"9" * 4_400, b"\xc4\x00"), Token(b"10000000000.0001", b"\xcb\x42\x02\xa0\x5f\x20\x00\x00\x34")),
    *(Token(b"0.00000000001e11", b"\xd9\x011"), Token(b"1e10", b"\xcb\x42\x02\xa0\x5f\x20" + bytes(3))),
)
TIMES = (
    "2026-08-01T09:30:00+09:00",
    "1970-01-01T00:00:00Z",
    "2026-09-21t12:00:00.123456z",
    "2024-02-29 00:00:00-23:59",
)
ODD_TIMES: tuple[Node, ...] = (
    *(-1, 1.5, 253_402_300_799_999, 253_402_300_800_000, 2**63, 10**30, True, None, [], "", "now", "2026-09-21"),
    *(
        "2026-09-21T12:00:00",
        "2026-02-30T00:00:00Z",
        "2026-09-21T24:00:00Z",
        "2026-09-21T12:00:60Z",
        "9999-12-31T23:59:59Z",
    ),
    *("0000-01-01T00:00:00Z", "0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59", "2026-09-21T12:00:00+24:00"),
    *("２０２６-09-21T12:00:00Z", "2026-W38-1T12:00:00Z", "1969-12-31T23:59:59.9999Z", "2026-09-21T12:00:00.Z"),
    *(
        Token(b"1790000000000.0", b"\xcb\x42\x7a\x0c\x30" + bytes(4)),
        Token(b"-0", b"\xd3" + bytes(8)),
        "2026-09-21T12:00Z",
    ),
    *(
        Token(b"9" * 4_400, b"\xd6\xff\x00\x00\x00\x01"),
        Token(b"9" * 4_290, b"\xc7\x00\x05"),
        "1970-01-01T00:00:00+00:01",
    ),
)
TEXTS: tuple[Node, ...] = (
    *("", "x", "x" * 200, "x" * 201, "😀" * 200, "\u0000", "\n", "=1+1", 7, None, [], Table(), True, b"\x00\xff", 1.5),
    *(Token(b'"\\ud800"', b"\xa3\xed\xa0\x80"), Token(b'"\\ud83d\\ude00"', b"\xa4\xf0\x9f\x98\x80")),
    *(Token(b'"\xff"', b"\xa1\xff"), Token(b'"\\x"', b"\xd9\x05a"), Token(b'"\t"', b"\xdb\x00\x00\x00\x01a")),
    *("\u2028", "\ufeff", "\uffff", "\U0010ffff", "x" * 64, "x" * 65, "\ud7ff"),
)
ODD_NAMES: tuple[Node, ...] = (
    *(
        "AddToCart",
        "mv_😀",
        "mv_\u0000",
        "mv_view\n",
        "",
        "_a",
        "1a",
        "a" * 65,
        "mv-view",
        "é",
        "ａ",
        7,
        None,
        ["mv_view"],
    ),
    *(Token(b'"mv\\u005fview"', b"\xd9\x07mv_view"), Token(b'"mv_\\ud800"', b"\xa4mv_\xff"), b"mv_view"),
)
SCALARS: tuple[Node, ...] = (
    *("A-1", 2, True, None, -1.5, "", 2**63 - 1, 2**64 - 1, -(2**63), 1e308, 5e-324, -0.0, 1e16, "x" * 700, "\u0000"),
    *(0.1, 1e22, "NaN", False, "'=1"),
)
ODD_SCALARS: tuple[Node, ...] = (
    *([], [1], Table(), Table([("id", 1)]), b"x", 2**64, -(2**63) - 1, 10**400, 10**30),
    *(Token(b"1e999", b"\xcb\x7f\xf0" + bytes(6)), Token(b"-1e999", b"\xcb\xff\xf0" + bytes(6))),
    *(Token(b"NaN", b"\xcb\x7f\xf8" + bytes(6)), Token(b"9" * 4_250, b"\xd4\x01\x00"), Token(b"9" * 4_400, b"\xc1")),
    *(
        Token(b'"\\udc00"', b"\xa3\xed\xb0\x80"),
        Token(b"01", b"\xd7\xff" + bytes(8)),
        Token(b"1e-400", b"\xca\xff\x80\x00\x00"),
    ),
    *(
        Token(b"[" * 300 + b"]" * 300, b"\x91" * 300 + b"\xc0"),
        Token(b"[" * 1_500 + b"]" * 1_500, b"\x91" * 1_500 + b"\xc0"),
    ),
)
ODD_KEYS: tuple[Node, ...] = (
    *("Sku", "", "the sku", "a" * 65, "é", "a\n", "__proto__", "a.b", "\u0000", 1, None, b"a", True, 1.5, [1]),
    *(Token(b'"\\ud800"', b"\xa1\xff"), Token(b"x", b"\x81\x01\x02"), Token(b'"a\\u0000"', b"\xc7\x01\x01\x01")),
)
UNKNOWN: tuple[Node, ...] = (
    *(
        Table([("deep", [1, 2])]),
        None,
        "x" * 400,
        Token(b"1e999999", b"\xc7\x03\x09abc"),
        Token(b'"\\ud800"', b"\xa2\xc3\x28"),
    ),
    *(Token(b"[" * 800 + b"]" * 800, b"\x91" * 800 + b"\xc0"), Token(b"{" * 3, b"\xdd\xff\xff\xff\xff"), b"\xff" * 9),
)
FIELDS = (
    "id",
    "name",
    "time",
    "actor",
    "value",
    "currency",
    "order",
    "session",
    "adjust",
    "source",
    "properties",
    "consent",
)


def good_event(random: Random, now: int, serial: str) -> Table:
    """An event that every rule allows (while there is no plan, or one that knows it)."""
    event = Table(
        [
            ("id", _good_id(random, serial)),
            ("name", random.choice(NAMES)),
            ("time", _good_time(random, now)),
            ("actor", random.choice(ACTORS)),
        ]
    )
    if random.random() < 0.4:
        event += [
            ("value", random.choice((1, 1200, 0, "7", 10**10, "1200.00"))),
            ("currency", random.choice(CURRENCIES)),
        ]
    if random.random() < 0.1:
        event.append(("order", f"o-{serial}"))
        if random.random() < 0.3:
            event += [("adjust", "restate"), ("value", 5), ("currency", "JPY")]
        elif random.random() < 0.3:
            event.append(("adjust", "retract"))
    if random.random() < 0.2:
        event.append(("session", random.choice(("s-1", None, "x" * 200))))
    if random.random() < 0.3:
        event.append(("source", Table([("campaign", random.choice(("brand", "=cmd", ""))), ("device", "mobile")])))
    if random.random() < 0.3:
        event.append(("properties", Table([("sku", random.choice(SCALARS)), ("qty", random.choice(SCALARS))])))
    if random.random() < 0.1:
        event.append(("consent", random.choice((None, Table(), Table([("ads", True), ("mail", False)])))))
    return event


def _good_id(random: Random, serial: str) -> str:
    return random.choice((serial, serial, f"{serial}-{'i' * (63 - len(serial))}", f"😀{serial}", f"\u0000{serial}"))


def _good_time(random: Random, now: int) -> Node:
    if random.random() < 0.8:
        return now - random.randrange(DAY)
    zone = timezone(timedelta(minutes=random.randrange(-720, 721)))
    moment = datetime.fromtimestamp(random.randrange(2 * 10**9) / 1000, UTC).astimezone(zone)
    return random.choice((*TIMES, moment.isoformat(timespec="milliseconds"), 0, now + 60_000))


def odd_event(random: Random, now: int, event: Table) -> Node:
    """The event with one to three odd things about it; now and then nothing is left of it."""
    if random.random() < 0.03:
        return random.choice((None, 5, "x", [], [event], Table(), True, b"x", Token(b"1e999", b"\xc1"), 10**30))
    event = Table(event)
    for _ in range(1 + int(random.random() ** 3 * 3)):
        _make_odd(random, now, event)
    return event


def _make_odd(random: Random, now: int, event: Table) -> None:
    field = random.choice(FIELDS)
    match random.randrange(12):
        case 0:
            del event[random.randrange(len(event)) :][:1]
        case 1 if event:
            event.pop(random.randrange(len(event)))
        case 2:
            event.insert(random.randrange(len(event) + 1), (field, _value_of(random, now, field)))
        case 3:
            event.append((random.choice(("later", "ID", "k" * 700, *ODD_KEYS)), random.choice(UNKNOWN)))
        case 4:
            _set(event, field, random.choice((*TEXTS, *SCALARS, *ODD_SCALARS)))
        case 5:
            size = 32_768 - 300 + random.randrange(400) if random.random() < 0.3 else random.randrange(2_000)
            event.append(("properties" if size % 2 else "later", Table([("x", "x" * size)])))
        case _:
            _set(event, field, _value_of(random, now, field))


def _set(event: Table, field: str, value: Node) -> None:
    for place, (key, _) in enumerate(event):
        if key == field:
            event[place] = (field, value)
            return
    event.append((field, value))


def _value_of(random: Random, now: int, field: str) -> Node:
    """A value for a field, near the border of what it may be, on either side."""
    match field:
        case "id":
            return random.choice((*TEXTS, f"{random.randrange(10**9)}"))
        case "name":
            return random.choice((*ODD_NAMES, *NAMES))
        case "time":
            near = now + random.choice((-400 * DAY, -DAY, 300_000, 540_000, 700_000, DAY, 9 * 10**12))
            return random.choice((*ODD_TIMES, *TIMES, near, near, near, str(now)))
        case "value":
            return random.choice((*VALUES, *ODD_VALUES))
        case "currency":
            return random.choice((*CURRENCIES, "XAU", "XXX", "jpy", "YEN", "", "USDX", "ＪＰＹ", None, 7, "JPY\n"))
        case "adjust":
            return random.choice(("restate", "retract", "refund", "", None, 1, True))
        case "source":
            return _source(random)
        case "properties":
            return _properties(random)
        case "consent":
            many = Table([(f"p{n}", True) for n in range(random.choice((32, 33)))])
            odd = Table([(random.choice(("ads", *ODD_KEYS)), random.choice((True, 1, "yes", None)))])
            return random.choice((odd, many, [], "x", Table([("ads", True), ("ads", False)])))
        case _:
            return random.choice(TEXTS)


def _source(random: Random) -> Node:
    many = Table([(f"k{n}", "x") for n in range(random.choice((32, 33, 40)))])
    long = Table([("campaign", random.choice(("x", "商")) * random.choice((500, 501)))])
    odd = Table([("campaign", random.choice(TEXTS)), (random.choice(ODD_KEYS), "x")])
    twice = Table([("campaign", 1), ("campaign", "brand")])
    return random.choice((many, long, odd, twice, odd[:1], [], "brand", Table([("campaign", random.choice(TEXTS))])))


def _properties(random: Random) -> Node:
    many = Table([(f"k{n}", n) for n in range(random.choice((64, 65, 80)))])
    odd = Table([("sku", random.choice(ODD_SCALARS))])
    keys = Table([(random.choice(ODD_KEYS), 1), ("sku", random.choice(SCALARS))])
    twice = Table([("sku", random.choice((*SCALARS, *ODD_SCALARS))), ("sku", random.choice(SCALARS))])
    return random.choice((many, odd, odd, keys, twice, [], 1, Table([("x", random.choice(SCALARS))])))
