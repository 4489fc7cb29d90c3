"""A session of one collector holds at every other over the same store."""

from __future__ import annotations

from pathlib import Path

from kizashi_collector.store._clickhouse._engine import Engine
from kizashi_collector.store._clickhouse._keys import ClickHouseKeys
from kizashi_collector.store._clickhouse._migrate import migrate
from stores import address_of


def test_a_session_holds_at_every_collector_until_its_key_is_revoked(tmp_path: Path) -> None:
    engine = Engine(address_of(tmp_path))
    migrate(engine)
    one, other = ClickHouseKeys(engine, clock=lambda: 7), ClickHouseKeys(engine, clock=lambda: 7)
    token = one.session_for(one.create("", "read"), 1_000)
    assert token is not None
    assert one.session_for(one.create("", "write"), 1_000) is None
    assert (one.scope_of_session(token, 999), one.scope_of_session(token, 1_000)) == ("read", None)
    assert other.scope_of_session(token, 0) is None  # until it has looked
    other.refresh()
    assert other.scope_of_session(token, 0) == "read"
    (key,) = (key for key in one.all() if key.scope == "read")
    assert other.revoke(key.id)
    one.refresh()
    assert one.scope_of_session(token, 0) is None
