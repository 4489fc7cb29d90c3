"""A ClickHouse that takes statements and says nothing."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from faults.clickhouse import Front
from faults.serving import Client, Serving


def test_a_silent_server_is_given_up_by_clients_and_not_by_the_collector(tmp_path: Path) -> None:
    pytest.importorskip("chdb", reason="chdb is not installed")
    with Front(tmp_path / "front") as front:
        store = front.store("faults")
        with (
            Serving(tmp_path / "data", tmp_path / "log", "--store", store.address) as collector,
            ThreadPoolExecutor(3) as threads,
        ):
            client = Client()
            client.send(collector, client.batch(2))
            front.fault(hang=True)
            waiting = [threads.submit(client.send, collector, client.batch(2)) for _ in range(3)]
            assert collector.ask("GET", "/healthz").status == 200
            assert not any(one.done() for one in waiting)
            assert all("ClickHouse has not answered for 10 s" in one.result().detail for one in waiting)
            collector.logged("ClickHouse has not answered for 10 s")
            # Whoever comes now does not wait as long.
            assert client.send(collector, client.batch(1)).status == 503
            assert collector.ask("GET", "/healthz").status == 200
            front.fault()  # what was on its way is carried out now
            collector.until_ready()
            client.send_again(collector)
            client.check(collector)
            assert sorted(store.counted()[0]) == sorted(client.acknowledged)
