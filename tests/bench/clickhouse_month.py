"""A month of a shop's events, made by ClickHouse itself: as many as there should be, of the shape of `bench.month`."""

from __future__ import annotations

import time

from bench.month import DEVICES, MONTH_MS, NAMES
from kizashi_collector.store._clickhouse._schema import COLUMNS
from kizashi_collector.store._clickhouse._settled import COLLECTORS, EPOCH_MS
from kizashi_collector.store.clickhouse import ClickHouseLog

__all__ = ["fill"]

_PART = 1_000_000
_BLOCK, _VISITS = 5_000, 1_000
"""In each block of events so many visits go on beside each other, of five events each."""

_TENTHS = [NAMES[place] for place in (0, 0, 0, 0, 1, 2, 3, 3, 4, 5)]


def fill(log: ClickHouseLog, events: int, actors: int, end: int) -> None:
    """Write `events` events of `actors` actors, spread evenly over the thirty days that end at `end`.

    200 campaigns on 3 devices, a click id for each visit, an order for each purchase, and two properties.
    """
    for first in range(0, events, _PART):
        size = min(_PART, events - first)
        batch = (int(time.time() * 1000) - EPOCH_MS) * COLLECTORS
        log.engine.run(f"INSERT INTO events ({', '.join(COLUMNS)}) {_rows(batch, first, size, events, actors, end)}")
        log.engine.run(f"INSERT INTO batches (batch, events) VALUES ({batch}, {size})")


def _rows(batch: int, first: int, size: int, events: int, actors: int, end: int) -> str:
    # What is the same for all events of a visit is drawn from its number, all else from the event's.
    visit = f"intDiv(number, {_BLOCK}) * {_VISITS} + number % {_VISITS}"
    column = {
        "batch": f"toUInt64({batch})",
        "n": f"toUInt32(number - {first})",
        "id": "concat(lower(hex(bitShiftRight(time, 16)::UInt32)), '-', lower(hex(bitAnd(time, 65535)::UInt16)), '-7',"
        " substring(digits, 1, 3), '-8', substring(digits, 4, 3), '-', substring(digits, 7, 12))",
        "name": f"{_TENTHS}[1 + chance % 10] AS event_name",
        "time": f"toInt64({end - MONTH_MS} + intDiv({MONTH_MS} * (number + 1), {events})) AS time",
        "received_at": "time + 50 + intDiv(chance, 16) % 200",
        "actor": f"concat('v-', lower(hex(visit_chance % {actors})))",
        "value": "toInt64(100 * (intDiv(chance, 4096) % 300) * 1000000)",
        "currency": "'JPY'",
        "order_id": f"if(event_name = '{NAMES[-1]}', concat('A-', toString(number)), '')",
        "session": "concat('s-', lower(hex(sipHash64(visit, 3))))",
        "sourced": "true",
        "campaign": "concat('campaign-', toString(intDiv(visit_chance, 1099511627776) % 200))",
        "device": f"{list(DEVICES)}[1 + intDiv(visit_chance, 281474976710656) % 3]",
        "more": "map('gclid', concat('EAIaIQobChMI', hex(sipHash128(visit, 4)), '_BwE'))",
        "consent": "CAST(map(), 'Map(LowCardinality(String), Bool)')",
        "adjust": "0",
        "shift": "0",
        "properties": "map('sku', concat('\"A-', toString(intDiv(chance, 65536) % 5000)), "
        "'qty', concat('i', toString(1 + intDiv(chance, 1073741824) % 3)))",
    }
    chosen = [column.get(name, "false" if kind == "Bool" else "''") for name, kind in COLUMNS.items()]
    return f"""
        WITH {visit} AS visit, sipHash64(visit) AS visit_chance, sipHash64(number, 1) AS chance,
            lower(hex(sipHash128(number, 2))) AS digits
        SELECT {", ".join(chosen)} FROM numbers({first}, {size})
    """
