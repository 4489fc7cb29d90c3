"""What questions, funnels and plans are made of, right and wrong."""

from __future__ import annotations

from fuzz.events import ODD_TIMES
from fuzz.writing import Node

__all__ = ["FRAGMENTS", "HEADERS", "METHODS", "NAMES", "PARAMETERS", "PATHS", "PLAN", "TIME_VALUES", "VALUES"]

PATHS = (
    *("/v1/summary", "/v1/summary", "/v1/summary", "/v1/funnels/checkout", "/v1/funnels/checkout", "/v1/funnels/no"),
    *("/v1/events", "/v1/rejected", "/v1/funnels", "/v1/plan", "/metrics", "/healthz", "/readyz", "/openapi.json"),
    *(
        "/v1/funnels/%ff",
        "/v1/funnels/%00",
        "/v1/funnels/%2e%2e",
        "/v1/funnels/" + "x" * 4_000,
        "/v1/funnels/%ed%a0%80",
    ),
    *("/", "//", "/v1", "/v1/events/", "/v1/%65vents", "/%ff", "/v1/actors/x", "/v1/rejected/replay", "/é", "/.."),
    *("/v1/funnels/check%6fut", "/v1/funnels/a/b", "/v1/summary;x=1", "/%0d%0aX: y", "/\\", "/%", "/%zz", "/?"),
)
PARAMETERS = ("window", "from", "to", "as_of", "by", "format", "money", "csv", "cursor", "limit", "attribution")
VALUES = (
    *("", "7d", "1h", "3660d", "3661d", "0d", "1", "9" * 30, "1w", "٧d", "-1d", "7D", "1s", "0", "1000", "1001", "-0"),
    *("1790000000000", "253402300799999", "253402300800000", "99999999999999999999", "-1", "1e3", "0x1", "１", "²"),
    *("2026-09-21T12:00:00Z", "2026-09-21T12:00:00+09:00", "2026-09-21T12:00:00 09:00", "1970-01-01T00:00:00Z"),
    *("1970-01-01T00:00:00.001Z", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999Z", "2026-02-30T00:00:00Z", "now"),
    *(
        "campaign",
        "campaign,device",
        "campaign,",
        ",",
        "a,b,c,d,e,f,g,h",
        "a,b,c,d,e,f,g,h,i",
        "Campaign",
        "campaign,campaign",
    ),
    *(
        "properties.sku",
        "source.campaign",
        "json",
        "csv",
        "xml",
        "number",
        "string",
        "raw",
        "safe",
        "first",
        "last",
        "all",
    ),
    *(
        "step:0",
        "step:1",
        "step:9",
        "step:999",
        "step:1000",
        "step:-1",
        "step:²",
        "step:",
        "AAAA",
        "=",
        "é",
        "\x00",
        "'\"<>",
        "x" * 5_000,
    ),
    *("\ud800", "WzAsMSwyLCJ4IixbImEiXV0", "WzAsMSwyLCJ4IixbXV0=", "WzFlOTk5OTk5LDEsMiwieCIsW11d", "%", "%ff"),
)
METHODS = (b"GET",) * 8 + (
    b"HEAD",
    b"POST",
    b"PUT",
    b"DELETE",
    b"OPTIONS",
    b"PATCH",
    b"TRACE",
    b"QUERY",
    b"get",
    b"G\xff",
    b"CONNECT",
)
HEADERS = (
    (b"Expect", b"200-ok"),
    *((b"If-None-Match", b"*"), (b"If-None-Match", b'W/"x", , "'), (b"If-None-Match", b"\xff"), (b"Accept", b"\xff/*")),
    *((b"Accept-Encoding", b"gzip;q=0, *"), (b"Accept-Encoding", b"gzip"), (b"Accept-Encoding", b"\xff, deflate")),
    *(
        (b"Authorization", b"Bearer \xff"),
        (b"Authorization", b"bearer"),
        (b"Authorization", b"Basic eDp5"),
        (b"Cookie", b"a=\xff; =;"),
    ),
    *(
        (b"Authorization", b"Bearer " + b"k" * 5_000),
        (b"X-Request-Id", b"\xff" * 90),
        (b"X-Request-Id", b"a\tb"),
        (b"Range", b"bytes=0-1"),
    ),
    *((b"traceparent", b"00-x-y-01"), (b"X-Forwarded-For", b"\xff"), (b"Upgrade", b"websocket")),
    *(
        (b"Date", b"x"),
        (b"X", b"y" * 7_000),
        (b"Content-Type", b"\xff"),
        (b"Content-Type", b"application/json;\xff=\xff"),
    ),
)
PLAN = """currency = "JPY"
rates = { USD = 150.25 }
timezone = "Asia/Tokyo"
retention = "400d"
unplanned = "accept"
windows = ["1h", "7d"]
summaries = [["campaign"], ["campaign", "device"]]
[events.mv_view]
value = 300
owner = 'growth'
review_by = 2027-02-01
[events."purchase"]
final = true
[funnels.checkout]
steps = ["mv_view", { event = "purchase", where = { "properties.sku" = ["A-1", 1.5, true] } }]
conversion_window = "7d"
trend = true
[values]
horizon = "14d"
min_effective_conversions = 1.5e1
"""
FRAGMENTS = (
    *(
        "=",
        ".",
        "[",
        "]",
        "{",
        "}",
        ",",
        "\n",
        '"',
        "'''",
        '"""',
        "#",
        "\r",
        "\x00",
        "\\u",
        "\\ud800",
        "\ufeff",
        "é",
        "😀",
    ),
    *(
        "nan",
        "-inf",
        "1e999999",
        "1e99999999999999999999",
        "9" * 4_400,
        "9" * 300,
        "0x" + "f" * 400,
        "07:32:00",
        "2027-02-30",
    ),
    *(
        "[" * 1_500,
        "{a=" * 1_500,
        "a." * 300,
        "2027-02-01T00:00:00Z",
        "true",
        '"7d"',
        '"3661d"',
        "-1",
        "0.0000001",
        "[[x]]",
    ),
    *(
        "[events.a]\n",
        "[funnels.b]\nsteps=['*']\n",
        "timezone = '../../etc/passwd'\n",
        "timezone = 'posix/UTC'\n",
        "currency = 'XXX'\n",
    ),
    *(
        "optional = [1]\n",
        "histogram = {}\n",
        "count = 'attempts'\n",
        "steps = []\n",
        "counting = 'once'\n",
        "value = 'event'\n",
    ),
)
TIME_VALUES: tuple[Node, ...] = (*ODD_TIMES, 0, 1_790_000_000_000, "2026-09-21T12:00:00Z", "1970-01-01T00:00:00Z")
NAMES: tuple[Node, ...] = ("mv_view", "purchase", "*", "mv_add_to_cart", "no", "Bad", "", 1, None, "a" * 65, "\x00")
