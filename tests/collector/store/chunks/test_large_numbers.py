"""Tables hold the numbers of events in four bytes, as long as the log has none that need more."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import numpy as np
import pytest

from kizashi_collector.analysis import LoggedEvent
from kizashi_collector.store import EventColumns, SqliteLog
from kizashi_collector.store._chunks import table_between, tables_between

NOW = 1_790_000_000_000


@pytest.mark.parametrize(("more", "kind"), [(0, np.int32), (2**31, np.int64)])
async def test_numbers_are_whole_however_large(tmp_path: Path, more: int, kind: type[np.generic]) -> None:
    log = SqliteLog(tmp_path)
    events = [LoggedEvent(id=f"{at}", name="mv_view", time=NOW, received_at=NOW, actor="a") for at in range(3)]
    await log.append([EventColumns.of(events)])
    with sqlite3.connect(log.path) as connection:
        connection.execute("UPDATE chunks SET first = first + ?", (more,))

    def compare(connection: sqlite3.Connection, _: object) -> None:
        (first,) = connection.execute("SELECT first FROM chunks").fetchone()
        assert first > more
        for table in (
            table_between(connection, log.texts, -1, NOW, lambda: None),
            *tables_between(connection, log.texts, -1, NOW, lambda: None),
        ):
            assert table.seq.dtype == kind
            assert table.seq.tolist() == [first, first + 1, first + 2]

    await log.read(compare)
    await log.close()
