"""A slow disk: answers stay true and come late, the queue stays bounded, and nothing else waits."""

from __future__ import annotations

import threading
from collections import Counter
from pathlib import Path

from faults.disks import disturbed
from faults.marks import long
from faults.serving import Answer, Client, Serving
from faults.table import fault

SLOW = fault("the disk is slow")
SYNCS = "fdatasync,fsync"


def test_beyond_what_may_wait_batches_are_refused_at_once_while_health_is_answered(tmp_path: Path) -> None:
    clients = [Client() for _ in range(8)]
    answers: list[Answer] = []
    with Serving(tmp_path / "data", tmp_path / "log", "--max-events", "100", "--max-pending", "200") as collector:

        def load(client: Client) -> None:
            answers.extend(client.send(collector, client.batch(60)) for _ in range(2))

        with disturbed(collector.process.pid, SYNCS, "delay_enter=400000", tmp_path / "trace"):
            threads = [threading.Thread(target=load, args=(client,)) for client in clients]
            for thread in threads:
                thread.start()
            looks = 0
            while any(thread.is_alive() for thread in threads):
                assert collector.ask("GET", "/healthz").status == 200
                looks += any(thread.is_alive() for thread in threads)
            SLOW.readiness_says(collector.unready)
        statuses = Counter(answer.status for answer in answers)
        assert set(statuses) - {429} == {200, 503}, statuses
        # At least two waits of 0.4 s: were the loop held by them, it would have answered as often as it was let go.
        assert looks > 10
        SLOW.clients_see(next(answer.detail for answer in answers if answer.status == 503))
        for client in clients:
            client.send_again(collector)
        together = Client()
        together.acknowledged = set().union(*(client.acknowledged for client in clients))
        assert len(together.acknowledged) == 8 * 2 * 60
        together.check(collector)


@long
def test_a_disk_that_does_not_answer_makes_the_collector_not_ready(tmp_path: Path) -> None:
    client = Client()
    with Serving(tmp_path / "data", tmp_path / "log") as collector:
        with disturbed(collector.process.pid, SYNCS, "delay_enter=16000000", tmp_path / "trace"):
            sender = threading.Thread(target=lambda: client.send(collector, client.batch(5)))
            sender.start()
            while (reason := collector.unready) is None:
                assert sender.is_alive()
            fault("the disk does not answer").readiness_says(reason)
            sender.join()
        collector.until_ready()
        client.check(collector)
