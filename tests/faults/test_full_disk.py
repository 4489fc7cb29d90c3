"""A full disk: 503, not ready, nothing acknowledged is lost, and once there is room all goes on by itself."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

from faults.disks import SmallDisk, no_growth, small_disk
from faults.serving import Answer, Client, Serving, refused
from faults.table import fault

FULL = fault("the disk is full")


def refuses(collector: Serving, client: Client, count: int = 5) -> Answer:
    """Send batches until one is refused, as it must be soon."""
    for _ in range(400):
        answer = client.send(collector, client.batch(count))
        if answer.status != 200:
            return answer
    raise AssertionError("a full disk takes 400 batches")


def test_events_that_fill_the_disk_lose_none_that_was_acknowledged(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "5m") as disk:
        clients = [Client(size=16_000) for _ in range(3)]
        with Serving(disk.folder / "data", tmp_path / "log", under=disk.inside) as collector:
            threads = [threading.Thread(target=refuses, args=(collector, client, 2)) for client in clients]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            FULL.clients_see(refuses(collector, clients[0], 20).detail)
            FULL.readiness_says(collector.unready)
            collector.logged("cannot write")
            collector.logs(FULL)
            check_all(collector, clients)
        # Killed, and started where there is still no room: what was acknowledged is there.
        with Serving(disk.folder / "data", tmp_path / "log", under=disk.inside) as collector:
            check_all(collector, clients)
            assert refuses(collector, clients[0], 20).status == 503
            assert collector.stop() == 0


def check_all(collector: Serving, clients: list[Client]) -> None:
    together = Client()
    together.acknowledged = set().union(*(client.acknowledged for client in clients))
    assert together.acknowledged
    together.check(collector)


def recovers(collector: Serving, client: Client) -> None:
    """Ready without help; what was refused is taken now, and counts once."""
    collector.until_ready()
    client.send_again(collector)
    assert client.send(collector, client.batch(5)).status == 200
    client.check(collector)


def test_it_recovers_by_itself_when_a_foreign_file_leaves_the_disk(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "5m") as disk:
        client = Client()
        with Serving(disk.folder / "data", tmp_path / "log", under=disk.inside) as collector:
            assert client.send(collector, client.batch(20)).status == 200
            for _ in range(2):
                disk.fill()
                FULL.clients_see(refuses(collector, client, 50).detail)
                FULL.readiness_says(collector.unready)
                assert collector.ask("GET", "/healthz").status == 200
                client.check(collector)
                disk.relieve()
                recovers(collector, client)


def test_it_recovers_by_itself_when_a_quota_is_raised(tmp_path: Path) -> None:
    client = Client()
    with Serving(tmp_path / "data", tmp_path / "log") as collector:
        assert client.send(collector, client.batch(5)).status == 200
        written = (tmp_path / "data" / "log.db-wal").stat().st_size
        with no_growth(collector.process.pid, written):
            fault("the disk refuses").clients_see(refuses(collector, client, 50).detail)
            fault("the disk refuses").readiness_says(collector.unready)
            client.check(collector)
        recovers(collector, client)
        collector.kill()
    with Serving(tmp_path / "data", tmp_path / "log") as collector:
        client.check(collector)


def test_on_a_full_disk_a_first_start_says_what_to_do_and_succeeds_once_there_is_room(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "1m") as disk:
        disk.fill()
        fault("start on a full disk").log_says(refused(disk.folder / "data", under=disk.inside))
        disk.relieve()
        starts(disk, tmp_path / "log")


def starts(disk: SmallDisk, log: Path) -> None:
    client = Client()
    with Serving(disk.folder / "data", log, under=disk.inside) as collector:
        assert collector.unready is None
        assert client.send(collector, client.batch(1)).status == 200


def test_first_keys_that_find_no_room_are_no_traceback(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "1m") as disk:
        starts(disk, tmp_path / "log")
        disk.fill()
        said = refused(disk.folder / "data", under=disk.inside, environment={})
        assert "disk is full" in said
        disk.relieve()


def test_the_index_of_ids_outlives_a_full_disk_in_its_background(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "8m") as disk:
        program = str(Path(__file__).with_name("fill_index.py"))
        folders = [str(disk.folder / "ids"), str(disk.folder / "ballast")]
        ended = subprocess.run(
            [*disk.inside, sys.executable, program, *folders], capture_output=True, text=True, timeout=90, check=False
        )
    assert ended.stdout == "found 24000\n", ended.stderr
    fault("no room for the index of ids").log_says(ended.stderr)
