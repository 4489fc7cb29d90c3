"""Damaged files: noticed at the start or at the reading, told with what to do, and never a silently wrong number."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from faults.marks import long
from faults.serving import Client, Serving, refused
from faults.table import Fault, fault

_PAGE = 4096
_ZSTD = b"\x28\xb5\x2f\xfd"


class Stored:
    """Folders of stopped and of killed collectors, to be copied and damaged, and who knows what is in them."""

    def __init__(self, folder: Path) -> None:
        self.stopped, self.killed = folder / "stopped", folder / "killed"
        self.client, self.other = Client(), Client()
        with Serving(self.stopped, folder / "log") as collector:
            for _ in range(10):
                self.client.send(collector, self.client.batch(20))
            assert collector.stop() == 0
        with Serving(self.killed, folder / "log") as collector:
            for _ in range(10):
                self.other.send(collector, self.other.batch(20))


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Stored:
    return Stored(tmp_path_factory.mktemp("stored"))


def flip(path: Path, at: int, count: int = 1) -> None:
    data = bytearray(path.read_bytes())
    for place in range(at, at + count):
        data[place] ^= 0x55
    path.write_bytes(data)


def page_of(log: Path, name: str) -> int:
    """Where in the file a table or an index begins."""
    with closing(sqlite3.connect(f"file:{log}?immutable=1", uri=True)) as connection:
        (number,) = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = ?", (name,)).fetchone()
    return (int(number) - 1) * _PAGE


@contextmanager
def damaged(stored: Stored, tmp_path: Path, damage: Callable[[Path], None]) -> Iterator[Serving]:
    data = tmp_path / "data"
    shutil.copytree(stored.stopped, data)
    damage(data)
    with Serving(data, tmp_path / "log") as collector:
        yield collector


def told(row: Fault, collector: Serving, question: str = "/v1/summary?window=1d") -> None:
    """A question is answered with what the table says, and with no number."""
    answer = collector.ask("GET", question)
    assert (answer.status, "rows" in answer.body, "events" in answer.body) == (503, False, False), answer
    row.clients_see(answer.detail)
    row.readiness_says(collector.unready)
    collector.logs(row)
    assert "Traceback" not in collector.log


@pytest.mark.parametrize(
    ("part", "place", "question"),
    [
        (0, 6, "/v1/summary?window=1d"),
        pytest.param(0, 40, "/v1/summary?window=1d", marks=long),
        (1, 100, "/v1/events?limit=1000"),
    ],
    ids=["its numbers", "its numbers further on", "its details"],
)
def test_a_chunk_that_is_not_what_was_written_is_never_counted(
    part: int, place: int, question: str, stored: Stored, tmp_path: Path
) -> None:
    def damage(data: Path) -> None:
        content, at = (data / "log.db").read_bytes(), -1
        for _ in range(part + 1):
            at = content.index(_ZSTD, at + 1)
        flip(data / "log.db", at + place)

    with damaged(stored, tmp_path, damage) as collector:
        told(fault("a chunk is damaged"), collector, question)
        client = Client()
        assert client.send(collector, client.batch(3)).status == 200  # it is true: they are on the disk


def test_an_index_that_leads_past_an_event_is_found_soon_after_the_start(stored: Stored, tmp_path: Path) -> None:
    row = fault("an index is damaged")
    with damaged(
        stored, tmp_path, lambda data: flip(data / "log.db", page_of(data / "log.db", "chunks_time") + _PAGE - 20)
    ) as collector:
        collector.logs(row)
        row.readiness_says(collector.unready)


def test_a_damaged_page_of_an_index_is_told_to_readers_and_writers(stored: Stored, tmp_path: Path) -> None:
    row, client = fault("an index is damaged"), Client()
    with damaged(
        stored, tmp_path, lambda data: flip(data / "log.db", page_of(data / "log.db", "chunks_time"), 8)
    ) as collector:
        assert client.send(collector, client.batch(3)).status == 503
        row.readiness_says(collector.unready)
        assert collector.ask("GET", "/v1/summary?window=1d").status == 503
        assert collector.ask("GET", "/v1/events").status == 200


@pytest.mark.parametrize(("at", "count"), [(0, 10), pytest.param(100, 8, marks=long)], ids=["header", "schema"])
def test_a_log_that_is_no_database_any_more_refuses_the_start(
    at: int, count: int, stored: Stored, tmp_path: Path
) -> None:
    shutil.copytree(stored.stopped, tmp_path / "data")
    flip(tmp_path / "data" / "log.db", at, count)
    fault("the log's header is damaged").log_says(refused(tmp_path / "data"))


def test_damaged_keys_refuse_the_start(stored: Stored, tmp_path: Path) -> None:
    shutil.copytree(stored.stopped, tmp_path / "data")
    flip(tmp_path / "data" / "keys.db", 0, 10)
    fault("the keys are damaged").log_says(refused(tmp_path / "data"))


@pytest.mark.parametrize("part", [pytest.param(0.1, marks=long), 0.5], ids=["early", "in the middle"])
def test_a_damaged_write_ahead_log_refuses_the_start_for_sqlite_would_drop_its_rest(
    part: float, stored: Stored, tmp_path: Path
) -> None:
    shutil.copytree(stored.killed, tmp_path / "data")
    wal = tmp_path / "data" / "log.db-wal"
    flip(wal, int(wal.stat().st_size * part))
    fault("the write-ahead log is damaged").log_says(refused(tmp_path / "data"))
    wal.unlink()  # as it says: without what it holds
    with Serving(tmp_path / "data", tmp_path / "log") as collector:
        assert collector.unready is None


def test_a_write_ahead_log_that_a_crash_tore_is_none_that_is_damaged(stored: Stored, tmp_path: Path) -> None:
    shutil.copytree(stored.killed, tmp_path / "data")
    wal = tmp_path / "data" / "log.db-wal"
    with wal.open("ab") as file:
        file.write(wal.read_bytes()[-6 * (_PAGE + 24) : -_PAGE])
    with Serving(tmp_path / "data", tmp_path / "log") as collector:
        stored.other.check(collector)


@pytest.mark.parametrize(
    ("name", "cut"),
    [
        ("manifest", False),
        ("00000001.run", True),
        pytest.param("manifest", True, marks=long),
        pytest.param("00000001.run", False, marks=long),
    ],
)
def test_a_damaged_index_of_ids_is_made_again_from_the_log(
    name: str, cut: bool, stored: Stored, tmp_path: Path
) -> None:
    def damage(data: Path) -> None:
        path = data / "ids" / name
        size = path.stat().st_size
        if cut:
            path.write_bytes(path.read_bytes()[: size // 2])
        else:
            flip(path, size - 3)

    with damaged(stored, tmp_path, damage) as collector:
        collector.logs(fault("the index of ids is damaged"))
        assert collector.unready is None
        again = [
            {"id": name, "name": "mv_view", "time": 1, "actor": "v-1"} for name in sorted(stored.client.acknowledged)
        ]
        answer = Client().send(collector, again)
        assert (answer.body["accepted"], answer.body["duplicates"]) == (0, len(again))
        stored.client.check(collector)


def test_an_index_of_ids_that_is_removed_under_the_collector_comes_back(tmp_path: Path) -> None:
    client = Client()
    for _ in range(2):
        with Serving(tmp_path / "data", tmp_path / "log") as collector:
            client.send(collector, client.batch(20))
            shutil.rmtree(tmp_path / "data" / "ids")
            client.send(collector, client.batch(20))
            assert collector.stop() == 0
    assert (tmp_path / "data" / "ids" / "manifest").exists()
    with Serving(tmp_path / "data", tmp_path / "log") as collector:
        client.check(collector)
