"""What is settled for good: nothing that counts is lost with what never did."""

from __future__ import annotations

import time
from pathlib import Path

import msgspec
import pytest

from kizashi_collector.analysis import LoggedEvent
from kizashi_collector.store._clickhouse._deleting import Deleter
from kizashi_collector.store._clickhouse._rows import COLUMN_NAMES, row_of
from kizashi_collector.store._clickhouse._settled import COLLECTORS, EPOCH_MS, read_settled
from kizashi_collector.store.clickhouse import ClickHouseLog
from stores import address_of


async def test_a_row_that_lost_to_one_of_a_batch_that_was_never_settled_counts_after_every_seal(tmp_path: Path) -> None:
    pytest.importorskip("chdb", reason="chdb is not installed")
    log = ClickHouseLog(address_of(tmp_path), pause_seconds=0)
    engine, now = log.engine, time.time_ns() // 1_000_000
    for table in ("events", "batches"):
        engine.run(f"ALTER TABLE {table} DROP CONSTRAINT in_time")  # so that the test need not wait for two minutes
    dead, settled = ((now - EPOCH_MS - seconds * 1000) * COLLECTORS + 1 for seconds in (200, 100))
    event = LoggedEvent(id="e-1", name="mv_view", time=now, received_at=now, actor="v-1")
    for batch in (dead, settled):
        engine.insert("events", COLUMN_NAMES, msgspec.json.encode(row_of(event, batch, 0)))
    engine.insert("losers", ("batch", "n", "winner_batch", "winner_n"), b"[%d,0,%d,0]" % (settled, dead))
    engine.insert("batches", ("batch", "events"), b"[%d,1]" % settled)
    deleter = Deleter(engine, b"salt")
    for _ in range(3):
        before = read_settled(engine).sealed
        deleter.seal()
        after = read_settled(engine)
        assert after.sealed > before
        view = after.view()
        assert engine.ask(f"SELECT id FROM {view.table} WHERE {view.where}") == [["e-1"]]
    assert engine.ask("SELECT batch FROM events") == [[settled]]
    await log.close()
