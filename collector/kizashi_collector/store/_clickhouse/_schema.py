"""The schema in ClickHouse, as dated migrations; each is recorded once it was carried out."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from msgspec import Struct

from kizashi_collector.store._chunks import DIMENSIONS
from kizashi_collector.store._clickhouse._layout import Layout

__all__ = ["CARRIED", "COLUMNS", "KEY", "MIGRATIONS", "ORDER_KEY", "Migration", "actor_key"]

COLUMNS = {
    "batch": "UInt64",
    "n": "UInt32",
    "id": "String",
    "name": "LowCardinality(String)",
    "time": "Int64",
    "received_at": "Int64",
    "actor": "String",
    "value": "Int64",
    "currency": "LowCardinality(String)",
    "currency_defaulted": "Bool",
    "order_id": "String",
    "session": "String",
    "adjust": "UInt8",
    "sourced": "Bool",
    "campaign": "LowCardinality(String)",
    "campaign_id": "LowCardinality(String)",
    "ad_group": "LowCardinality(String)",
    "keyword": "LowCardinality(String)",
    "creative": "LowCardinality(String)",
    "channel": "LowCardinality(String)",
    "device": "LowCardinality(String)",
    "more": "Map(LowCardinality(String), String)",
    "properties": "Map(LowCardinality(String), String)",
    "consent": "Map(LowCardinality(String), Bool)",
    "shift": "Int64",
    "imported": "Bool",
}
"""What is written of an event, in this order.

`batch` and `n` number it for good, in the order in which events were stored. `value` is −1 where there is none, texts
are empty where there is none. `adjust` is 1 for `restate` and 2 for `retract`. `sourced` tells whether there is a
source at all; `more` has what of it is not in the columns. A property is a text whose first character tells its type:
`"` a string, `i` a whole number, `f` any other number that was sent with a fraction or exponent, `b` a boolean, `0`
null; the rest is what breakdowns show, so that equal values differ in the first character at most.
"""


class Migration(Struct, frozen=True):
    """A change of the schema; carried out twice it does the same as once."""

    name: str
    statements: Callable[[Layout], Sequence[str]]


_CODECS = {
    "batch": "CODEC(Delta, ZSTD)",
    "n": "CODEC(Delta, ZSTD)",
    "id": "CODEC(ZSTD)",
    "time": "CODEC(Delta, ZSTD)",
    "received_at": "CODEC(Delta, ZSTD)",
    "actor": "CODEC(ZSTD)",
    "value": "CODEC(ZSTD)",
    "order_id": "CODEC(ZSTD)",
    "session": "CODEC(ZSTD)",
    "more": "CODEC(ZSTD)",
    "properties": "CODEC(ZSTD)",
    "shift": "CODEC(ZSTD)",
}
# A batch is written within a minute of its number, by the server's clock, or never: what is older is settled for good.
_IN_TIME = "CONSTRAINT in_time CHECK intDiv(batch, 16777216) + 1767225600000 > toUnixTimestamp64Milli(now64(3)) - 60000"
KEY = "if(toString(toUUIDOrZero(id)) = id, toUInt128(toUUIDOrZero(id)), reinterpretAsUInt128(sipHash128(id)))"
"""What an id is looked up by: a UUID as it is, so that those made one after the other lie together; else a hash."""

ORDER_KEY = "reinterpretAsUInt128(sipHash128(toString(name), order_id))"
"""What name and order together are looked up by."""

CARRIED = "sipHash64(toString(name), actor, value, order_id, adjust)"
"""What a second event under a stored id must carry not to be a conflict, its currency aside."""


def actor_key(actor: str) -> str:
    """What the rows of an actor are grouped by, of an expression for the text."""
    return f"reinterpretAsUInt128(sipHash128({actor}))"


def _events(layout: Layout) -> list[str]:
    columns = ", ".join(f"{name} {kind} {_CODECS.get(name, '')}" for name, kind in COLUMNS.items())
    # The rows of a day lie by actor, so that what is counted by actor is read in long runs.
    definition = f"""{columns},
        actor_key UInt128 MATERIALIZED {actor_key("actor")} CODEC(ZSTD),
        order_key UInt128 MATERIALIZED if(order_id = '', 0, {ORDER_KEY})
            CODEC(ZSTD),
        INDEX batches batch TYPE minmax,
        INDEX receipts received_at TYPE minmax,
        INDEX adjustments adjust TYPE minmax,
        {_IN_TIME}"""
    return layout.tables(
        "events",
        definition,
        layout.engine("MergeTree"),
        "PARTITION BY toYYYYMM(fromUnixTimestamp64Milli(time, 'UTC')) "
        "ORDER BY (intDiv(time, 86400000), actor_key, time, batch, n)",
        "cityHash64(actor)",
    )


def _once(layout: Layout) -> list[str]:
    """What an event must not share with another one: its id, and its name with its order."""
    row = (
        "batch UInt64 CODEC(Delta, ZSTD), n UInt32 CODEC(Delta, ZSTD), "
        "received_at Int64 CODEC(Delta, ZSTD), time Int64 CODEC(Delta, ZSTD)"
    )
    # Few rows are read for each that is looked up. What a batch wrote is found by its number as well, in few steps.
    few = "SETTINGS index_granularity = 256"
    by_batch = "INDEX batches batch TYPE minmax GRANULARITY 64"
    ids = layout.tables(
        "ids",
        f"key UInt128, {row}, carried UInt64, currency LowCardinality(String), currency_defaulted Bool, adjusts Bool, "
        f"{by_batch}",
        layout.engine("MergeTree"),
        f"ORDER BY (key, batch, n) {few}",
        "cityHash64(key)",
    )
    orders = layout.tables(
        "orders",
        f"order_key UInt128, {row}, valued Bool, currency LowCardinality(String), {by_batch}",
        layout.engine("MergeTree"),
        f"ORDER BY (order_key, batch, n) {few}",
        "cityHash64(order_key)",
    )
    erased = layout.tables(
        "erased",
        "digest FixedString(16), erased_at Int64",
        layout.engine("MergeTree"),
        f"ORDER BY digest {few}",
        "cityHash64(digest)",
    )
    events = layout.local("events")
    views = [
        f"""CREATE MATERIALIZED VIEW IF NOT EXISTS events_to_ids{layout.on_cluster} TO ids AS
            SELECT {KEY} AS key, batch, n, received_at, time, {CARRIED} AS carried, currency,
                currency_defaulted, adjust != 0 AS adjusts
            FROM {events}""",
        f"""CREATE MATERIALIZED VIEW IF NOT EXISTS events_to_orders{layout.on_cluster} TO orders AS
            SELECT order_key, batch, n, received_at, time, value >= 0 AS valued, currency
            FROM {events} WHERE order_key != 0 AND adjust = 0""",
    ]
    return [*ids, *orders, *erased, *views]


def _batches(layout: Layout) -> list[str]:
    """Which batches count: see _settled.py."""
    everywhere = "rand()"
    return [
        *layout.tables(
            "batches",
            f"batch UInt64, events UInt32, settled_at DateTime64(3) DEFAULT now64(3), {_IN_TIME}",
            layout.engine("MergeTree"),
            "ORDER BY batch",
            everywhere,
        ),
        *layout.tables(
            "losers",
            "batch UInt64, n UInt32, winner_batch UInt64, winner_n UInt32",
            layout.engine("MergeTree"),
            "ORDER BY (batch, n)",
            everywhere,
        ),
        *layout.tables(
            "seals",
            "upto UInt64, dead Array(UInt64), sealed_at DateTime64(3) DEFAULT now64(3)",
            layout.engine("MergeTree"),
            "ORDER BY upto",
            everywhere,
        ),
        *layout.tables(
            "edges",
            "before Int64, upto UInt64, said_at DateTime64(3) DEFAULT now64(3)",
            layout.engine("MergeTree"),
            "ORDER BY before",
            everywhere,
        ),
    ]


def _kept(layout: Layout) -> list[str]:
    """What is kept beside events."""
    return [
        *layout.tables(
            "rejected",
            "seq UInt128, received_at Int64, id Nullable(String), code LowCardinality(String), message String, "
            "body String CODEC(ZSTD), gone Bool, version UInt64",
            layout.engine("ReplacingMergeTree", "version"),
            "ORDER BY seq",
            "cityHash64(seq)",
        ),
        *layout.tables(
            "plans",
            "seq UInt64, applied_at Int64, plan_id String, canonical String",
            layout.engine("MergeTree"),
            "ORDER BY seq",
            "0",
        ),
        *layout.tables(
            "fits",
            "number UInt64, plan_id String, boundary Int64, made_at Int64, seconds Float64, fits String CODEC(NONE)",
            layout.engine("MergeTree"),
            "ORDER BY (plan_id, boundary, number)",
            "0",
        ),
        *layout.tables(
            "keys",
            "id UInt64, name String, scope LowCardinality(String), digest String, created_at Int64, "
            "revoked_at Nullable(Int64), version UInt64",
            layout.engine("ReplacingMergeTree", "version"),
            "ORDER BY id",
            "0",
        ),
        *layout.tables(
            "collectors",
            "number UInt32, token String, host String, started_at DateTime64(3) DEFAULT now64(3)",
            layout.engine("MergeTree"),
            "ORDER BY number",
            "0",
        ),
        *layout.tables(
            "store",
            "history String, salt String, made_at DateTime64(3) DEFAULT now64(3)",
            layout.engine("MergeTree"),
            "ORDER BY made_at",
            "0",
        ),
    ]


def _increments(layout: Layout) -> list[str]:
    """What feeds were told: see _increments. Nothing is written once the right to do so is over."""
    attempt = (
        "version UInt64 CODEC(Delta, ZSTD), token UInt64 CODEC(ZSTD), held_until Int64 CODEC(Delta, ZSTD), "
        "CONSTRAINT held CHECK held_until > toUnixTimestamp64Milli(now64(3))"
    )
    return [
        *layout.tables(
            "increments",
            "number UInt64 CODEC(Delta, ZSTD), time Int64 CODEC(Delta, ZSTD), journey UInt64, actor_key UInt128, "
            "actor String CODEC(ZSTD), kind LowCardinality(String), event Nullable(String) CODEC(ZSTD), "
            "event_id Nullable(String) CODEC(ZSTD), event_time Nullable(Int64), order_id Nullable(String) CODEC(ZSTD), "
            f"source String CODEC(ZSTD), value Int128, emitted Int128, fit Nullable(UInt64), {attempt}",
            layout.engine("MergeTree"),
            "ORDER BY number",
            "cityHash64(actor_key)",
        ),
        *layout.tables(
            "emitted",
            "number UInt64, actor_key UInt128, actor String CODEC(ZSTD), first UInt128, begin Int64, until Int64, "
            "members Int64, depth UInt16, final UInt128, sold Bool, source Int64, emitted Int128, entry UInt64, "
            f"gone Bool, {attempt}, INDEX ends until TYPE minmax, INDEX versions version TYPE minmax",
            layout.engine("MergeTree"),
            "ORDER BY (actor_key, number, version)",
            "cityHash64(actor_key)",
        ),
        *layout.tables(
            "ledger",
            "id UInt8, lines UInt64, journeys UInt64, share UInt32, shares UInt32, seen String CODEC(ZSTD), "
            f"goal String CODEC(ZSTD), {attempt}",
            layout.engine("ReplacingMergeTree", "version"),
            "ORDER BY id",
            "0",
        ),
        *layout.tables(
            "leases",
            "token UInt64, until Int64, given_back Bool",
            layout.engine("MergeTree"),
            "ORDER BY token TTL toDateTime(intDiv(until, 1000)) + INTERVAL 1 HOUR",
            "0",
        ),
    ]


def _journeys(layout: Layout) -> list[str]:
    """Journeys as they stood at some time, so that not all events are walked for each answer: see _journeys."""
    dimensions = ", ".join(f"{field} LowCardinality(String)" for field in DIMENSIONS)
    return [
        *layout.tables(
            "journeys",
            f"generation UInt64, actor_key UInt128 CODEC(ZSTD), open Bool, begin Int64 CODEC(ZSTD), sourced Bool, "
            f"{dimensions}, firsts Array(Int64) CODEC(ZSTD), clock Int64 CODEC(ZSTD), deepest UInt16, ended UInt8, "
            "end Int64 CODEC(ZSTD), number UInt32, brought Nullable(Int128) CODEC(ZSTD), "
            "query LowCardinality(String)",
            layout.engine("MergeTree"),
            "PARTITION BY generation ORDER BY (open, actor_key, begin)",
            "cityHash64(actor_key)",
        ),
        *layout.tables(
            "walks",
            "generation UInt64, plan_id String, step Enum8('begun' = 1, 'done' = 2, 'gone' = 3), until Int64, "
            "edges Array(Tuple(Int64, UInt64)), seen String CODEC(ZSTD), said_at DateTime64(3) DEFAULT now64(3)",
            layout.engine("MergeTree"),
            "ORDER BY generation TTL toDateTime(said_at) + INTERVAL 30 DAY",
            "0",
        ),
        *layout.tables(
            "erasing",
            "actor_key UInt128, done Bool, said_at DateTime64(6) DEFAULT now64(6)",
            layout.engine("MergeTree"),
            "ORDER BY actor_key",
            "0",
        ),
    ]


MIGRATIONS: Sequence[Migration] = (
    Migration("2026-11-21 events", _events),
    Migration("2026-11-21 once", _once),
    Migration("2026-11-21 batches", _batches),
    Migration("2026-11-21 kept", _kept),
    Migration("2026-11-21 increments", _increments),
    Migration("2026-11-21 journeys", _journeys),
)
"""In the order in which they came about."""
