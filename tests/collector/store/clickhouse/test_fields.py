"""What a server takes in one field bounds no list."""

from __future__ import annotations

from clickhouse_engine import engine
from kizashi_collector.store._clickhouse._fields import in_fields, lists_apart

_MOST = 128 * 1024


def test_long_lists_travel_in_fields_that_a_server_takes_and_each_once() -> None:
    batches = [470_046_714_590_396_416 + number for number in range(9_000)]
    actors = [2**127 + number for number in range(5_000)]
    listed = f"batch IN ({', '.join(map(str, batches))})"
    sql = (
        f"SELECT countIf({listed}), countIf(NOT {listed}), countIf(batch IN {{some:Array(UInt128)}}), "
        "{few:Array(String)}, {one:Int64} FROM (SELECT arrayJoin({some:Array(UInt128)}) AS batch UNION ALL "
        f"SELECT {batches[-1]})"
    )
    text, given = lists_apart(sql, {"some": actors, "few": ["'", "\\"], "one": 7})
    assert len(text) < 2_000
    assert max(len(str(value)) for value in given.values()) < _MOST
    assert sum(len(value) for value in given.values() if isinstance(value, list)) == 14_002
    assert engine().query(text, parameters=given).result_rows == [(1, 5_000, 5_000, ["'", "\\"], 7)]


def test_short_lists_stay_where_they_are() -> None:
    sql, given = "SELECT 1 IN (1, 2, 3), {some:Array(Int64)}", {"some": [1, 2]}
    assert lists_apart(sql, given) == (sql, given)


def test_fields_hold_all_values_in_order_and_none_where_there_are_none() -> None:
    texts = ["é" * 50] * 3_000
    assert [text for some in in_fields(texts) for text in some] == texts
    assert list(in_fields([])) == []
